"""Pictures into the UNet's space."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from inkcast.sdxl.backbone import Backbone


@torch.no_grad()
def picture_latents(base: Backbone, pictures: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n c h w"]:
    """The scaled latents' mean of pictures in [0, 1]; SDXL's own autoencoder overflows in float16, so not there.

    It encodes in its weights' precision, within autocast too.
    """
    vae: Any = base.vae
    before, upcast = vae.dtype, bool(vae.config.force_upcast) and vae.dtype == torch.float16
    if upcast:
        vae.to(torch.float32)
    with torch.autocast(base.device.type, enabled=False):
        latents = vae.encode(pictures.to(base.device, vae.dtype) * 2 - 1).latent_dist.mode() * vae.config.scaling_factor
    if upcast:
        vae.to(before)
    return latents.to(before)
