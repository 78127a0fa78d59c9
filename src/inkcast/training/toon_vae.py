"""The toon base's autoencoder: 4x smaller, 4 channels, trained to redraw pictures of the drawn world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from inkcast.toon.base import save_half, vae_from
from inkcast.training.drawing import Pictures
from inkcast.training.objective import Source
from inkcast.training.recipe import Recipe, Table

SHOWN = 8
MEASURED = 64


class Parameters(Table):
    """Sizes of the autoencoder and weights of the loss's terms (`kl`, and `edges` for differences of neighbours)."""

    size: int = 128
    channels: tuple[int, ...] = (16, 32, 64)
    layers: int = 1
    latent_channels: int = 4
    groups: int = 8
    l1: float = 1.0
    l2: float = 1.0
    kl: float = 1e-6
    edges: float = 0.0
    measured: int = MEASURED


class Reconstruction(nn.Module):
    """`l1 |x' - x| + l2 (x' - x)^2 + kl KL + edges |grad x' - grad x|`: means over numbers, KL summed per picture."""

    def __init__(self, vae: Any, weights: Parameters) -> None:
        super().__init__()
        self.vae = vae
        self.weights = weights

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        picture, weights = batch["picture"], self.weights
        latents = self.vae.encode(picture).latent_dist
        redrawn = self.vae.decode(latents.sample()).sample.float()
        l1, l2, kl = F.l1_loss(redrawn, picture), F.mse_loss(redrawn, picture), latents.kl().float().mean()
        loss = weights.l1 * l1 + weights.l2 * l2 + weights.kl * kl
        if weights.edges:
            loss = loss + weights.edges * sum(
                F.l1_loss(redrawn.diff(dim=axis), picture.diff(dim=axis)) for axis in (2, 3)
            )
        return {"loss": loss, "l1": l1, "psnr": psnr(l2), "kl": kl}


def psnr(mse: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of pictures in [-1, 1]: `10 log10(2^2 / mse)`."""
    return 10 * torch.log10(4 / mse.detach().clamp(min=1e-10))


@dataclass
class ToonVae:
    """Trains on "train" scenes; shows, measures and scales on "validation" ones."""

    module: Reconstruction
    source: Source
    unseen: Pictures
    device: torch.device
    measured: int

    def pictures(self, start: int, count: int) -> Float[Tensor, "b 3 h w"]:
        return torch.stack([self.unseen[start + n]["picture"] for n in range(count)]).to(self.device)

    def redraw(self, pictures: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, Tensor]:
        latents = self.module.vae.encode(pictures).latent_dist.mode()
        return latents, self.module.vae.decode(latents).sample.clamp(-1, 1)

    def picture(self) -> UInt8[Tensor, "h w 3"]:
        """A row of unseen pictures over a row of what the autoencoder makes of them."""
        given = self.pictures(0, SHOWN)
        rows = torch.stack([given, self.redraw(given)[1]])
        grid = rearrange(rows, "row b c h w -> (row h) (b w) c")
        return ((grid + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()

    def export(self, folder: Path) -> None:
        """A diffusers folder; `scaling_factor` is 1 / the latents' standard deviation; the PSNR stands beside it."""
        latents, errors = [], []
        for start in range(0, self.measured, SHOWN):
            given = self.pictures(start, SHOWN)
            encoded, redrawn = self.redraw(given)
            latents.append(encoded.float())
            errors.append(F.mse_loss(redrawn, given, reduction="none").mean((1, 2, 3)))
        deviation = float(torch.cat(latents).std())
        self.module.vae.register_to_config(scaling_factor=round(1 / deviation, 6))
        save_half(self.module.vae, folder, psnr=round(float(psnr(torch.cat(errors)).mean()), 3))


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> ToonVae:
    vae = vae_from(
        parameters.size, parameters.channels, parameters.layers, parameters.latent_channels, parameters.groups
    )
    source, unseen = Pictures(recipe.seed, parameters.size), Pictures(recipe.seed, parameters.size, "validation")
    return ToonVae(Reconstruction(vae, parameters), source, unseen, device, parameters.measured)
