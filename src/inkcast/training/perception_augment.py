"""Making drawn pictures look decoded, compressed and rescaled, so that generated pictures are read as well."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor


@lru_cache
def cosine_basis(size: int = 8) -> Float[Tensor, "k n"]:
    """The orthonormal DCT-II matrix."""
    k, n = torch.arange(size)[:, None], torch.arange(size)[None]
    basis = torch.cos(math.pi * (n + 0.5) * k / size) * math.sqrt(2 / size)
    basis[0] /= math.sqrt(2)
    return basis


def compress(x: Float[Tensor, "b c h w"], step: float) -> Float[Tensor, "b c h w"]:
    """What quantising 8 x 8 cosine blocks leaves (JPEG's loss); the `step` grows with frequency."""
    height, width = x.shape[-2:]
    basis = cosine_basis().to(x)
    padded = F.pad(x, (0, -width % 8, 0, -height % 8), mode="replicate")
    blocks = rearrange(padded, "b c (y i) (x j) -> b c y x i j", i=8, j=8)
    frequency = torch.arange(8, device=x.device, dtype=x.dtype)
    quantum = step * (1 + frequency[:, None] + frequency[None])
    with torch.autocast(x.device.type, enabled=False):
        coefficients = torch.round(basis @ blocks @ basis.T / quantum) * quantum
        decoded = basis.T @ coefficients @ basis
    out = rearrange(decoded, "b c y x i j -> b c (y i) (x j)")
    return out[..., :height, :width]


def rescale(x: Float[Tensor, "b c h w"], factor: float) -> Float[Tensor, "b c h w"]:
    """Down by `factor` and back up: the blur of a small picture made large."""
    small = F.interpolate(x, scale_factor=1 / factor, mode="bilinear", antialias=True)
    return F.interpolate(small, size=x.shape[-2:], mode="bicubic")


def coarse_noise(x: Float[Tensor, "b c h w"], cell: int, amount: float) -> Float[Tensor, "b c h w"]:
    """Colour noise in cells of `cell` px, as a decoder's errors are."""
    b, c, h, w = x.shape
    noise = torch.randn(b, c, -(-h // cell), -(-w // cell), device=x.device, dtype=x.dtype)
    return x + amount * (noise if cell == 1 else F.interpolate(noise, size=(h, w), mode="bilinear"))


def uniform(low: float, high: float) -> float:
    return low + (high - low) * torch.rand(()).item()


def degrade(x: Float[Tensor, "b c h w"], share: float = 0.7) -> Float[Tensor, "b c h w"]:
    """A `share` of the batch is degraded, in four groups of random strength; all change a little in light and tint."""
    b = x.shape[0]
    gain = 1 + 0.06 * (torch.rand(b, x.shape[1], 1, 1, device=x.device) * 2 - 1)
    shift = 0.03 * (torch.rand(b, x.shape[1], 1, 1, device=x.device) * 2 - 1)
    x = x * gain + shift
    order = torch.randperm(b, device=x.device)
    kept, *groups = order.tensor_split([round(b * (1 - share) + b * share * part / 4) for part in range(4)])
    pieces = [x[kept]]
    for number, group in enumerate(groups):
        piece = x[group]
        if piece.shape[0]:
            if number in (0, 3):
                piece = rescale(piece, uniform(1.2, 3.0 if number == 0 else 2.0))
            if number in (1, 3):
                piece = compress(piece, uniform(0.01, 0.06))
            if number in (2, 3):
                piece = coarse_noise(piece, int(torch.randint(1, 5, ()).item()), uniform(0.01, 0.05))
        pieces.append(piece)
    return torch.cat(pieces)[torch.argsort(order)].clamp(0, 1)
