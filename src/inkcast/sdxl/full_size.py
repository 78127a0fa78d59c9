"""UNets without their weights, SDXL's own and a folder's: to count parameters, and to check names and shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from inkcast.errors import BaseModelError
from inkcast.files import shown


def sdxl_unet() -> Any:
    """The configuration of stabilityai/stable-diffusion-xl-base-1.0 on the meta device: it takes no memory."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )


def unet_layout(folder: Path) -> Any:
    """The UNet that a base's folder describes, on the meta device. Raises `BaseModelError` if it describes none."""
    from diffusers import UNet2DConditionModel

    try:
        config = json.loads((folder / "unet" / "config.json").read_text())
        with torch.device("meta"):
            return UNet2DConditionModel.from_config(config)
    except (OSError, ValueError, TypeError) as error:
        raise BaseModelError(f"{shown(folder)} is no base: its unet/config.json is missing or broken") from error
