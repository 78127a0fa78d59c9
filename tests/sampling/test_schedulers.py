"""Schedulers by name: what they make of a base's noise levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler

from inkcast.engines.any_story.engine import AnyStory
from inkcast.sampling.schedulers import make_scheduler

STEPS = 25


def sdxl(spacing: str) -> EulerDiscreteScheduler:
    """SDXL's noise schedule."""
    betas = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
    return EulerDiscreteScheduler(**betas, steps_offset=1, timestep_spacing=spacing)


def by_hand() -> np.ndarray:
    """Karras et al. 2022, eq. 5 with rho = 7 between the ends of SDXL's schedule, then 0."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    kept = np.cumprod(1 - betas)
    least, most = (((1 - kept[t]) / kept[t]) ** 0.5 for t in (0, 999))
    assert (least, most) == pytest.approx((0.0292, 14.6146), abs=1e-4)
    sigmas = [(most ** (1 / 7) + i / (STEPS - 1) * (least ** (1 / 7) - most ** (1 / 7))) ** 7 for i in range(STEPS)]
    return np.array([*sigmas, 0.0])


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("name", ["euler-karras", "unipc-karras", "dpm++-karras"])
def test_karras_sigmas_span_the_bases_noise_levels(name: str, spacing: str) -> None:
    """Whatever spacing the base asks for."""
    scheduler = make_scheduler(name, sdxl(spacing))
    scheduler.set_timesteps(STEPS)
    np.testing.assert_allclose(scheduler.sigmas.numpy(), by_hand(), rtol=1e-4)
    assert (round(float(scheduler.timesteps[0])), round(float(scheduler.timesteps[-1]))) == (999, 0)


def test_anystory_s_edm_is_euler_s_rule_on_them() -> None:
    """From noise of the greatest sigma, one evaluation a step: x' = x + (sigma' - sigma) noise."""
    scheduler = make_scheduler(AnyStory.scheduler, sdxl("leading"))
    scheduler.set_timesteps(STEPS)
    sigmas = by_hand()
    assert len(scheduler.timesteps) == STEPS
    assert float(scheduler.init_noise_sigma) == pytest.approx(sigmas[0], rel=1e-4)
    x = torch.full((1, 4, 2, 2), 3.0)
    for timestep, now, then in zip(scheduler.timesteps[:3], sigmas, sigmas[1:], strict=False):
        read = scheduler.scale_model_input(x, timestep)
        torch.testing.assert_close(read, x / float(now**2 + 1) ** 0.5, rtol=1e-4, atol=1e-5)
        noise = torch.full_like(x, 0.5)
        following = scheduler.step(noise, timestep, x).prev_sample
        torch.testing.assert_close(following, x + float(then - now) * noise, rtol=1e-4, atol=1e-4)
        x = following
