"""The toon base: an SDXL of its own sizes, from diffusers' and transformers' own classes.

Functions here turn sizes into models, and a folder of trained parts into what `StableDiffusionXLPipeline.from_pretrained` loads.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import nn

FACTS = "training.json"


def vae_from(size: int, channels: Sequence[int], layers: int, latent_channels: int, groups: int) -> AutoencoderKL:
    """An autoencoder whose latents are 2^(len(channels) - 1) times smaller than a picture of `size` px."""
    depth = len(channels)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * depth,
        up_block_types=("UpDecoderBlock2D",) * depth,
        block_out_channels=tuple(channels),
        layers_per_block=layers,
        latent_channels=latent_channels,
        norm_num_groups=groups,
        sample_size=size,
        scaling_factor=1.0,
        force_upcast=False,
    )


def save_half(model: nn.Module, folder: Path, **facts: Any) -> None:
    """`model.save_pretrained(folder)` in fp16, the model untouched; `facts` about its training go into `training.json`."""
    half = copy.deepcopy(model).to("cpu", torch.float16).to(memory_format=torch.contiguous_format)
    half.save_pretrained(folder)  # type: ignore[operator]
    if facts:
        (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n")
