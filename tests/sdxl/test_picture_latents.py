"""Pictures into the UNet's space, against the autoencoder's own parts."""

from __future__ import annotations

import pytest
import torch

from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.latents import picture_latents

SCALING = 0.7


@pytest.fixture
def base(backbone: Backbone) -> Backbone:
    backbone.vae.register_to_config(scaling_factor=SCALING)
    return backbone


def pictures() -> torch.Tensor:
    """Two, taller than wide, 24 x 16 px: latents of 3 x 2."""
    return torch.rand(2, 3, 24, 16, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def expected(base: Backbone) -> torch.Tensor:
    """SCALING times the mean of what the encoder says of a picture from -1 to 1: its first four channels."""
    means = [base.vae.quant_conv(base.vae.encoder(2 * one[None] - 1))[:, :4] for one in pictures()]
    return torch.cat(means) * SCALING


def test_latents_are_the_autoencoders_mean_times_its_scaling_factor(base: Backbone) -> None:
    found = picture_latents(base, pictures())
    assert found.shape == (2, 4, 3, 2)
    torch.testing.assert_close(found, expected(base))
    assert torch.equal(picture_latents(base, pictures()), found)  # nothing is sampled


@pytest.mark.parametrize("overflows", [True, False])
def test_in_float16_an_autoencoder_that_overflows_runs_in_float32_and_is_given_back(
    base: Backbone, overflows: bool
) -> None:
    wanted = expected(base)
    base.vae.register_to_config(force_upcast=overflows)
    base.vae.to(torch.float16)
    ran: list[torch.dtype] = []
    base.vae.encoder.register_forward_pre_hook(lambda _, args: ran.append(args[0].dtype))
    found = picture_latents(base, pictures())
    assert ran == [torch.float32 if overflows else torch.float16]
    assert {value.dtype for value in (found, *base.vae.state_dict().values())} == {torch.float16}
    torch.testing.assert_close(found.float(), wanted, atol=5e-3, rtol=2e-2)
