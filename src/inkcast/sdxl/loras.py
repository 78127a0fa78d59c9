"""A user's LoRAs, put beside a base's weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from inkcast.errors import WeightsError
from inkcast.files import shown
from inkcast.pretrained import reason
from inkcast.quiet import no_advice, no_bars
from inkcast.sdxl.backbone import Backbone


def load_loras(base: Backbone, files: Sequence[tuple[Path, float]]) -> tuple[str, ...]:
    """Loads LoRAs (diffusers' or kohya's names) into the base's UNet and text encoders, each at its scale.

    They stay beside the weights, unfused, so that an engine which changes the weights meanwhile works with them.

    Args:
        files: .safetensors files, each with its scale; 0 leaves the base as it was, to the bit.

    Returns:
        The SHA-256 of each file.

    Raises:
        WeightsError: a file is missing, damaged, or not a LoRA of such a base.
    """
    names = [f"lora-{number}" for number in range(1, len(files) + 1)]
    digests = []
    for name, (file, _) in zip(names, files, strict=True):
        digests.append(_checked(file))
        with no_bars(), no_advice():
            _load(base, file, name)
    if names:
        base.pipeline.set_adapters(names, adapter_weights=[scale for _, scale in files])
    return tuple(digests)


def loaded_loras(base: Backbone) -> str:
    """A digest of the LoRAs in the base's UNet and text encoders, with their scales; empty where there is none."""
    parts = [part for part in (base.unet, *base.text_encoders) if getattr(part, "peft_config", None)]
    if not parts:
        return ""
    from peft.tuners.lora import LoraLayer

    whole = hashlib.sha256()
    layers: list[tuple[str, Any]] = [named for part in parts for named in part.named_modules()]
    for name, layer in layers:
        for adapter in layer.active_adapters if isinstance(layer, LoraLayer) else ():
            whole.update(f"{name} {layer.scaling.get(adapter)}".encode())
            for half in (layer.lora_A, layer.lora_B):
                if adapter in half:
                    weight = half[adapter].weight.detach().cpu().contiguous()
                    whole.update(weight.view(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()


def _checked(file: Path) -> str:
    if file.suffix.lower() != ".safetensors":
        raise WeightsError(f"LoRA {shown(file)} is no .safetensors file: other formats can run code when read")
    try:
        with safe_open(file, "pt") as tensors:
            names = list(tensors.keys())
        with file.open("rb") as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise WeightsError(f"no LoRA at {shown(file)}: check the path") from error
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"LoRA {shown(file)} is damaged: {reason(error)}; get it again") from error
    if not any("lora" in name for name in names):
        first = f"its first tensor is {names[0]!r}" if names else "it holds no tensor"
        raise WeightsError(f"{shown(file)} is no LoRA: {first}")
    return digest


def _load(base: Backbone, file: Path, name: str) -> None:
    pipeline: Any = base.pipeline
    try:
        pipeline.load_lora_weights(file.parent, weight_name=file.name, adapter_name=name, local_files_only=True)
    except (KeyError, ValueError, RuntimeError, TypeError, IndexError, AttributeError) as error:
        raise WeightsError(f"LoRA {shown(file)} does not fit base {base.name!r}: {reason(error)}") from error
    if not any(name in adapters for adapters in pipeline.get_list_adapters().values()):
        raise WeightsError(f"LoRA {shown(file)} does not fit base {base.name!r}: none of its layers is there")
