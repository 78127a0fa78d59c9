"""Where training begins (section 5.1.2): resamplers of the face from IP-Adapter-FaceID, of the character from Plus.

The MLP of eq. 6 then starts silent beside its shortcut, so that tokens reach the given keys and values as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from inkcast.engines.checkpoints import Checkpoint, check_strict
from inkcast.engines.story_maker.weights import Adapter
from inkcast.errors import WeightsError
from inkcast.files import shown

_RESAMPLE = "image_proj_model.resample."
_OWN = tuple(f"image_proj_model.{part}" for part in ("pos_embed", "bg_embed", "proj_out.", "norm_out."))


def start_from_faceid(adapter: Adapter, published: Checkpoint) -> None:
    """R_1, image keys and values, and LoRA from `ip-adapter-faceid-plusv2_sdxl.bin`.

    Raises:
        WeightsError: another layout, incomplete, or of other sizes.
    """
    tensors = {name.replace("image_proj.", "image_proj_model.", 1): t for name, t in published.tensors.items()}
    _take(adapter, replace(published, tensors=tensors), lambda name: not name.startswith((_RESAMPLE, *_OWN)))


def start_from_plus(adapter: Adapter, published: Checkpoint, *, projections: bool) -> None:
    """R_2 from `ip-adapter-plus_sdxl_vit-h`; its keys and values too with `projections`, where nothing else gave any.

    Raises:
        WeightsError: another layout, incomplete, or of other sizes.
    """
    heads = ("image_proj.", "ip_adapter.") if projections else ("image_proj.",)
    taken = {n.replace("image_proj.", _RESAMPLE, 1): t for n, t in published.tensors.items() if n.startswith(heads)}
    if not taken:
        raise WeightsError(f"{shown(published.source)} holds no image_proj.*: use a published IP-Adapter for SDXL")

    def wanted(name: str) -> bool:
        return name.startswith(_RESAMPLE) or (projections and name.endswith(("to_k_ip.weight", "to_v_ip.weight")))

    _take(adapter, replace(published, tensors=taken), wanted)


def _take(adapter: Adapter, checkpoint: Checkpoint, wanted: Callable[[str], bool]) -> None:
    own = {name: parameter for name, parameter in adapter.named_parameters() if wanted(name)}
    check_strict(own, checkpoint)
    with torch.no_grad():
        for name, tensor in checkpoint.tensors.items():
            own[name].copy_(tensor)
        adapter.image_proj_model.norm_out.weight.zero_()
