"""The masked two-phase diffusion loss (StableIdentity, arXiv 2401.15975, section 3.4), for eps and v bases."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from inkcast.errors import EngineError
from inkcast.sdxl.backbone import Backbone

HAIR_WEIGHT = 0.1
ALPHA = {"sdxl": 0.5, "sd": 0.6}
"""Which part of the noise levels, from below, is judged by the picture and not by the noise."""


@dataclass(frozen=True)
class Schedule:
    """A base's noise levels: alphas_bar [T], what the UNet predicts, the autoencoder's scaling factor."""

    alphas_bar: Float[Tensor, " T"]
    kind: str
    scaling: float


def schedule_of(base: Backbone) -> Schedule:
    """The base's own, in float32 on its device."""
    scheduler = base.pipeline.scheduler
    alphas_bar = scheduler.alphas_cumprod.float().to(base.device)
    return Schedule(alphas_bar, scheduler.config.prediction_type, float(base.vae.config.scaling_factor))


def noised(
    clean: Float[Tensor, "b c h w"], noise: Float[Tensor, "b c h w"], alphas_bar: Float[Tensor, " b"]
) -> Float[Tensor, "b c h w"]:
    """z_t = sqrt(a) z_0 + sqrt(1 - a) eps (Ho et al. 2020, eq. 4)."""
    a = rearrange(alphas_bar, "b -> b 1 1 1")
    return a.sqrt() * clean + (1 - a).sqrt() * noise


def as_noise_and_clean(
    output: Float[Tensor, "b c h w"], noisy: Float[Tensor, "b c h w"], alphas_bar: Float[Tensor, " b"], kind: str
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
    """The UNet's output as eps and z_0; for v, Salimans & Ho 2022, appendix D. `kind` is the scheduler's word for it.

    Raises:
        EngineError: the base predicts something else.
    """
    a = rearrange(alphas_bar, "b -> b 1 1 1")
    if kind == "epsilon":
        return output, (noisy - (1 - a).sqrt() * output) / a.sqrt()
    if kind == "v_prediction":
        return a.sqrt() * output + (1 - a).sqrt() * noisy, a.sqrt() * noisy - (1 - a).sqrt() * output
    raise EngineError(f"the base predicts {kind!r}: stable-identity learns on bases that predict epsilon or v")


def masked_error(
    prediction: Float[Tensor, "b c h w"], target: Float[Tensor, "b c h w"], weight: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, " b"]:
    """Mean over channels and all pixels, of the face or not: a small face teaches less, as published."""
    return (weight * (prediction - target).square()).flatten(1).mean(dim=1)


def face_weight(face: Float[Tensor, "b 1 h w"], hair: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """M_face + 0.1 M_hair."""
    return face + HAIR_WEIGHT * hair


def two_phase_loss(
    output: Float[Tensor, "b c h w"],
    clean: Float[Tensor, "b c h w"],
    noise: Float[Tensor, "b c h w"],
    timesteps: Int[Tensor, " b"],
    weight: Float[Tensor, "b 1 h w"],
    schedule: Schedule,
    alpha: float,
) -> Float[Tensor, ""]:
    """||M (eps - eps_hat)||^2 for t > alpha T; below, ||M (z_0 - z_0_hat)||^2 in latents over the scaling factor."""
    a = schedule.alphas_bar[timesteps]
    eps, z0 = as_noise_and_clean(output.float(), noised(clean, noise, a), a, schedule.kind)
    early = masked_error(eps, noise, weight)
    late = masked_error(z0 / schedule.scaling, clean / schedule.scaling, weight)
    return torch.where(timesteps > alpha * len(schedule.alphas_bar), early, late).mean()
