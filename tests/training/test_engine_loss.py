"""The loss that every engine trains by, worked out one number at a time: what is compared, weighed and added."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inkcast.engines.engine import TrainingBatch
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace
from inkcast.sdxl.backbone import Backbone
from inkcast.training.engine_loss import EngineLoss

TIMESTEPS = (40, 700)
GAMMA = 5.0


class Says(nn.Module):
    """A UNet without attention that answers one thing, and keeps what it was asked."""

    attn_processors: Mapping[str, object] = {}

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    def forward(self, **arguments: Any) -> SimpleNamespace:
        self.asked.append(arguments)
        return SimpleNamespace(sample=self.answer)


class Adds:
    """An engine with two terms of its own."""

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"part": nn.Linear(1, 1)}

    def memory(self, batch: TrainingBatch) -> AttentionMemory:
        return AttentionMemory()

    def losses(self, batch: TrainingBatch, trace: AttentionTrace) -> Mapping[str, Tensor]:
        return {"route": torch.tensor(0.25), "attention": torch.tensor(2.0)}


def sample() -> dict[str, Tensor]:
    """Two rows of latents 4 x 6; the first row's subjects cover its left third and its last line, the second's none."""
    g = torch.Generator().manual_seed(0)
    masks = torch.zeros(2, 2, 8, 12)
    masks[0, 0, :, :4], masks[0, 1, 7, :] = 1, 1
    return {
        "latents": torch.randn(2, 4, 4, 6, generator=g),
        "noise": torch.randn(2, 4, 4, 6, generator=g),
        "timestep": torch.tensor(TIMESTEPS),
        "tokens": torch.zeros(2, 77, dtype=torch.long),
        "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2),
        "references": torch.zeros(2, 2, 3, 8, 8),
        "reference_masks": torch.ones(2, 2, 8, 8),
        "masks": masks,
        "present": torch.tensor([[True, True], [False, False]]),
        "drop": torch.tensor([False, False]),
    }


def covered(row: int, y: int, x: int) -> float:
    """How much of a latent's 2 x 2 mask pixels are a subject's."""
    return 0.0 if row == 1 else 1.0 if x < 2 else 0.5 if y == 3 else 0.0


def alpha(timestep: int) -> float:
    """`prod (1 - beta)` one step after the other."""
    product = 1.0
    for t in range(timestep + 1):
        product *= 1 - (math.sqrt(0.00085) + t / 999 * (math.sqrt(0.012) - math.sqrt(0.00085))) ** 2
    return product


def loss_of(base: Backbone, kind: str, answer: Tensor, **more: Any) -> EngineLoss:
    base.pipeline.scheduler.register_to_config(prediction_type=kind)
    base.pipeline.unet = Says(answer)
    return EngineLoss(base, Adds(), GAMMA, **more)


@pytest.mark.parametrize("focus", [1.0, 3.0])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_the_loss_is_the_weighed_error_of_what_the_base_predicts_and_every_further_term(
    backbone: Backbone, kind: str, focus: float
) -> None:
    batch, answer = sample(), torch.randn(2, 4, 4, 6, generator=torch.Generator().manual_seed(1))
    heard: list[tuple[TrainingBatch, Tensor, Tensor]] = []

    def on_clean(given: TrainingBatch, clean: Tensor, timestep: Tensor) -> Mapping[str, Tensor]:
        heard.append((given, clean, timestep))
        return {"identity": torch.tensor(0.5)}

    module = loss_of(backbone, kind, answer, focus=focus, on_clean=on_clean)
    out = module(batch)
    total = plain = 0.0
    clean = np.zeros((2, 4, 4, 6))
    for row, t in enumerate(TIMESTEPS):
        a = alpha(t)
        mix = np.array([[math.sqrt(a), math.sqrt(1 - a)], [-math.sqrt(1 - a), math.sqrt(a)]])  # (x, eps) -> (x_t, v)
        snr = a / (1 - a)
        weight = min(snr, GAMMA) / (snr if kind == "epsilon" else snr + 1)
        for c, y, x in np.ndindex(4, 4, 6):
            x_0, eps, said = (float(part[row, c, y, x]) for part in (batch["latents"], batch["noise"], answer))
            x_t, v = mix @ (x_0, eps)
            assert float(backbone.unet.asked[0]["sample"][row, c, y, x]) == pytest.approx(x_t, abs=1e-5)
            wrong = (said - (eps if kind == "epsilon" else v)) ** 2
            plain += wrong / (2 * 4 * 4 * 6)
            total += weight * (1 + (focus - 1) * covered(row, y, x)) * wrong / (2 * 4 * 4 * 6)
            # What the clean sample must be, if x_t is the mixture and the prediction is right.
            means = np.array([mix[0], [0, 1] if kind == "epsilon" else mix[1]])
            clean[row, c, y, x] = np.linalg.solve(means, [x_t, said])[0]
    assert float(out["mse"]) == pytest.approx(plain, rel=1e-4)
    assert float(out["loss"]) == pytest.approx(total + 0.25 + 2.0 + 0.5, rel=1e-4)
    assert {name: float(out[name]) for name in out.keys() - {"loss", "mse"}} == {
        "route": 0.25,
        "attention": 2.0,
        "identity": 0.5,
    }
    ((given, found, timestep),) = heard
    np.testing.assert_allclose(found.numpy(), clean, atol=1e-4, rtol=1e-3)
    assert torch.equal(given.masks, batch["masks"])
    assert timestep.tolist() == list(TIMESTEPS)


def test_a_picture_without_latents_is_encoded_at_the_step(backbone: Backbone) -> None:
    batch, answer = sample(), torch.zeros(2, 4, 4, 6)
    backbone.vae.register_to_config(scaling_factor=0.7)
    module = loss_of(backbone, "epsilon", answer)
    picture = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        mean = backbone.vae.quant_conv(backbone.vae.encoder(2 * picture - 1))[:, :4]
    del batch["latents"]
    for given in ({"picture": picture}, {"latents": 0.7 * mean}):
        module(batch | given)
    found, wanted = (asked["sample"] for asked in backbone.unet.asked)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_pictures_are_encoded_in_the_autoencoder_s_own_precision(backbone: Backbone, precision: torch.dtype) -> None:
    """Whatever the rest of the step computes in."""
    seen: list[torch.dtype] = []
    backbone.vae.encoder.conv_in.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    module = loss_of(backbone, "epsilon", torch.zeros(2, 4, 4, 6))
    picture = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(2))
    batch = {name: value for name, value in sample().items() if name != "latents"} | {"picture": picture}
    with torch.autocast("cpu", precision):
        assert nn.functional.conv2d(picture, torch.zeros(1, 3, 1, 1)).dtype == precision
        module(batch)
    module(batch)
    assert seen == [torch.float32] * 2
    given, plain = (asked["sample"] for asked in backbone.unet.asked)
    assert torch.equal(given, plain)
