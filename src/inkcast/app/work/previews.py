"""A panel as it forms: latents turned into colours by one matrix, at next to no cost beside the base's decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from inkcast.images import encode_png

if TYPE_CHECKING:
    from inkcast.sampling.sampler import Step
    from inkcast.sdxl.backbone import Backbone

SIDE = 256  # longest side of a preview in pixels
GRID = 24  # latents on one side of what the matrix is fitted to


@dataclass(frozen=True)
class LatentColours:
    """`matrix` takes a latent pixel and a one to red, green and blue in 0..1."""

    matrix: Float[Tensor, "5 3"]

    def preview(self, step: Step) -> bytes:
        """A small PNG file of the first picture that `step` has in the making."""
        latents = step.latents[0].detach().float().cpu()
        latents = latents / max(float(latents.std()), 1.0)  # some schedulers' latents carry the noise at full size
        columns = torch.cat([latents, torch.ones_like(latents[:1])]).flatten(1).T
        colours = (columns @ self.matrix).clamp(0, 1).reshape(*latents.shape[1:], 3)
        small = Image.fromarray((colours * 255).round().to(torch.uint8).numpy())
        scale = SIDE / max(small.size)
        size = max(round(small.width * scale), 1), max(round(small.height * scale), 1)
        return encode_png(small.resize(size, Image.Resampling.BICUBIC))


@torch.no_grad()
def fit_colours(base: Backbone) -> LatentColours:
    """The matrix that comes nearest (least squares) to what the base's decoder makes of smooth random latents."""
    vae = base.vae
    chance = torch.Generator().manual_seed(0)
    coarse = torch.randn(4, vae.config.latent_channels, GRID // 4, GRID // 4, generator=chance)
    latents = torch.nn.functional.interpolate(coarse, size=(GRID, GRID), mode="bicubic")
    pictures = _decoded(vae, latents, base.device)
    pooled = torch.nn.functional.adaptive_avg_pool2d(pictures, GRID)
    columns = latents.movedim(1, -1).flatten(0, 2)
    columns = torch.cat([columns, torch.ones(len(columns), 1)], dim=1)
    return LatentColours(torch.linalg.lstsq(columns, pooled.movedim(1, -1).flatten(0, 2)).solution)


def _decoded(vae: Any, latents: Tensor, device: torch.device) -> Float[Tensor, "n 3 height width"]:
    """In float32 where the decoder would overflow; its precision is put back afterwards."""
    dtype = next(vae.parameters()).dtype
    upcast = dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
    if upcast:
        vae.to(torch.float32)
    try:
        scaled = (latents / vae.config.scaling_factor).to(device, torch.float32 if upcast else dtype)
        return (vae.decode(scaled).sample.float().cpu() / 2 + 0.5).clamp(0, 1)
    finally:
        if upcast:
            vae.to(dtype)
