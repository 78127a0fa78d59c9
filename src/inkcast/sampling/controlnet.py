"""ControlNets in and out: diffusers' folders, and our own with matrices as int8 per output channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from inkcast.engines.checkpoints import load_strict, read_checkpoint, save_weights
from inkcast.errors import BaseModelError
from inkcast.files import shown
from inkcast.pretrained import load_part, load_pretrained
from inkcast.quiet import no_advice

PACKED = "controlnet-int8.safetensors"


def load_controlnet(folder: Path, dtype: torch.dtype) -> Any:
    """On the CPU, in evaluation. Raises `BaseModelError` or `WeightsError` where there is none or it is damaged."""
    from diffusers import ControlNetModel

    if not (folder / "config.json").is_file():
        raise BaseModelError(f"no ControlNet in {shown(folder)}: put a diffusers folder there, or train one")
    what = "ControlNet"
    if not (folder / PACKED).is_file():
        return load_pretrained(ControlNetModel, folder, what, dtype=dtype, local_files_only=True)
    config = load_part(what, folder, lambda: ControlNetModel.load_config(folder, local_files_only=True))
    with torch.device("meta"):
        net: Any = load_part(what, folder, lambda: ControlNetModel.from_config(config))
    load_strict(net.to_empty(device="cpu"), read_checkpoint(folder / PACKED))
    with no_advice():  # of casting modules, even to the dtype that they have
        return net.to(dtype).eval()


def save_controlnet(net: Any, folder: Path) -> None:
    """`config.json` as diffusers writes it, and the weights packed."""
    net.save_config(folder)
    save_weights(net, folder / PACKED, int8=True)
