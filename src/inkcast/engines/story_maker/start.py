"""Where training begins (section 5.1.2): resamplers of the face from IP-Adapter-FaceID, of the character from Plus.

The MLP of eq. 6 then starts silent beside its shortcut, so that tokens reach the given keys and values as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from inkcast.engines.checkpoints import read_checkpoint
from inkcast.engines.story_maker.weights import Adapter
from inkcast.errors import WeightsError
from inkcast.files import shown


def start_from_faceid(adapter: Adapter, path: Path) -> None:
    """R_1, image keys and values, and LoRA from `ip-adapter-faceid-plusv2_sdxl.bin`.

    Raises:
        WeightsError: unreadable, another layout, or of other sizes.
    """
    _take(adapter, path, lambda name: name.replace("image_proj.", "image_proj_model.", 1))


def start_from_plus(adapter: Adapter, path: Path, *, projections: bool) -> None:
    """R_2 from `ip-adapter-plus_sdxl_vit-h`; its keys and values too with `projections`, where nothing else gave any.

    Raises:
        WeightsError: unreadable, another layout, or of other sizes.
    """
    prefix = "" if projections else "image_proj."
    _take(adapter, path, lambda name: name.replace("image_proj.", "image_proj_model.resample.", 1), prefix)


def _take(adapter: Adapter, path: Path, rename: Callable[[str], str], prefix: str = "") -> None:
    own = dict(adapter.named_parameters())
    given = {rename(n): t for n, t in read_checkpoint(path).tensors.items() if n.startswith(prefix)}
    if not given:
        raise WeightsError(f"{shown(path)} holds no {prefix}*: use a published IP-Adapter for SDXL")
    for name, tensor in given.items():
        if name not in own or own[name].shape != tensor.shape:
            needed = f"needs {list(own[name].shape)}" if name in own else "has none"
            raise WeightsError(f"{shown(path)}: {name} is {list(tensor.shape)} but this adapter {needed}")
    with torch.no_grad():
        for name, tensor in given.items():
            own[name].copy_(tensor)
        adapter.image_proj_model.norm_out.weight.zero_()
