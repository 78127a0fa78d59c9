"""Diffusion's equations: noising, the velocity target, the weight of a noise level."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def alphas_bar(steps: int, start: float, end: float) -> Float[Tensor, " steps"]:
    """`prod (1 - beta)` of Stable Diffusion's schedule: betas linear in their square root."""
    return torch.cumprod(1 - torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2, 0).float()


def drawn_timestep(rng: np.random.Generator, steps: int, lean: float) -> int:
    """`floor(steps u^(1 / lean))`, u uniform: every timestep alike at 1, the noisier ones more often above it, with the
    density `lean (t / steps)^(lean - 1)`.
    """
    return int(steps * rng.random() ** (1 / lean))


def noised(x: Tensor, noise: Tensor, a: Float[Tensor, " b"]) -> Tensor:
    """`x_t = sqrt(a) x + sqrt(1 - a) noise` (Ho et al. 2020, eq. 4)."""
    a = a.reshape(-1, *[1] * (x.ndim - 1))
    return a.sqrt() * x + (1 - a).sqrt() * noise


def velocity(x: Tensor, noise: Tensor, a: Float[Tensor, " b"]) -> Tensor:
    """`v = sqrt(a) noise - sqrt(1 - a) x` (Salimans & Ho 2022, appendix D)."""
    a = a.reshape(-1, *[1] * (x.ndim - 1))
    return a.sqrt() * noise - (1 - a).sqrt() * x


def denoised(noisy: Tensor, prediction: Tensor, a: Float[Tensor, " b"], *, velocity: bool) -> Tensor:
    """The clean sample that a predicted velocity means, `sqrt(a) x_t - sqrt(1 - a) v`, or a predicted noise,
    `(x_t - sqrt(1 - a) noise) / sqrt(a)`."""
    a = a.reshape(-1, *[1] * (noisy.ndim - 1))
    if velocity:
        return a.sqrt() * noisy - (1 - a).sqrt() * prediction
    return (noisy - (1 - a).sqrt() * prediction) / a.sqrt()


def min_snr(a: Float[Tensor, " b"], gamma: float) -> Float[Tensor, " b"]:
    """`min(SNR, gamma) / (SNR + 1)`, the velocity error's weight (Hang et al. 2023, section 3.4); 1 if gamma is 0."""
    snr = a / (1 - a)
    return torch.ones_like(a) if not gamma else snr.clamp(max=gamma) / (snr + 1)


def min_snr_noise(a: Float[Tensor, " b"], gamma: float) -> Float[Tensor, " b"]:
    """`min(SNR, gamma) / SNR`, the same weight where the noise is predicted; 1 if gamma is 0."""
    snr = a / (1 - a)
    return torch.ones_like(a) if not gamma else snr.clamp(max=gamma) / snr


def weighted_error(
    prediction: Tensor, target: Tensor, weight: Float[Tensor, " b"], focus: Float[Tensor, "b h w"] | None = None
) -> tuple[Float[Tensor, ""], Float[Tensor, " b"]]:
    """The weighted mean of squared errors, and each sample's unweighted one; `focus` weighs places within a sample."""
    squared = (prediction.float() - target.float()).square()
    each = squared.flatten(1).mean(1)
    focused = each if focus is None else (squared * focus.unsqueeze(1)).flatten(1).mean(1)
    return (weight * focused).mean(), each
