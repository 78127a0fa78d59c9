"""Diffusion's equations against diffusers' own."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

from inkcast.toon.base import scheduler_from
from inkcast.training.diffusion import alphas_bar, drawn_timestep, min_snr, noised, velocity, weighted_error

ALPHAS = alphas_bar(1000, 0.00085, 0.012)
REFERENCE = DDPMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction"
)


def test_training_and_sampling_share_one_schedule() -> None:
    assert torch.allclose(ALPHAS, REFERENCE.alphas_cumprod, atol=1e-6)
    assert torch.allclose(ALPHAS, scheduler_from().alphas_cumprod, atol=1e-6)


def test_noising_and_target() -> None:
    x, noise, t = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 8, 8), torch.tensor([0, 10, 500, 999])
    assert torch.allclose(noised(x, noise, ALPHAS[t]), REFERENCE.add_noise(x, noise, t), atol=1e-5)
    assert torch.allclose(velocity(x, noise, ALPHAS[t]), REFERENCE.get_velocity(x, noise, t), atol=1e-5)


def test_timesteps_lean_to_noise_as_their_density_says() -> None:
    rng = np.random.default_rng(3)
    for lean in (1.0, 1.6):
        drawn = np.array([drawn_timestep(rng, 1000, lean) for _ in range(20_000)])
        assert drawn.min() >= 0
        assert drawn.max() == 999
        for below in (250, 500, 750):
            assert abs((drawn < below).mean() - (below / 1000) ** lean) < 0.015


def test_min_snr_weights() -> None:
    t = torch.arange(0, 1000, 37)
    snr = compute_snr(REFERENCE, t)
    expected = torch.stack([snr, torch.full_like(snr, 5.0)]).amin(0) / (snr + 1)
    assert torch.allclose(min_snr(ALPHAS[t], 5.0), expected, rtol=1e-3)
    assert torch.equal(min_snr(ALPHAS[t], 0.0), torch.ones_like(snr))


def test_the_error_is_weighted_per_sample() -> None:
    prediction, target = torch.zeros(2, 1, 2, 2), torch.stack([torch.ones(1, 2, 2), 3 * torch.ones(1, 2, 2)])
    loss, each = weighted_error(prediction, target, torch.tensor([1.0, 0.5]))
    assert each.tolist() == [1.0, 9.0]
    assert float(loss) == (1.0 + 4.5) / 2
