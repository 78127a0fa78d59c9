"""The autoencoder's objective at a tiny size, and what it exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from inkcast.training.drawing import Pictures
from inkcast.training.objective import build_objective
from inkcast.training.recipe import Recipe
from inkcast.training.toon_vae import Parameters, Reconstruction, psnr
from inkcast.training.trainer import train

TABLE = {"size": 32, "channels": (8, 8, 16), "groups": 4, "latent_channels": 4, "measured": 8}


@pytest.fixture
def recipe(toy_recipe: Callable[..., Recipe]) -> Callable[..., Recipe]:
    def make(**changes: Any) -> Recipe:
        usual: dict[str, Any] = {
            "objective": "toon-vae",
            "parameters": TABLE,
            "steps": 40,
            "batch": 4,
            "ema": 0.0,
            "optimizer": {"learning_rate": 5e-3},
            "checkpoints": {"every": 0, "minutes": 0},
        }
        return toy_recipe("vae", **(usual | changes))

    return make


def test_it_learns_and_exports_what_diffusers_loads(recipe: Callable[..., Recipe]) -> None:
    run = train(recipe(sample_every=30))
    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert sum(losses[-5:]) < 0.85 * sum(losses[:5])
    vae = AutoencoderKL.from_pretrained(run / "export", dtype=torch.float32)
    unseen = Pictures(seed=0, size=32, split="validation")
    given = torch.stack([unseen[n]["picture"] for n in range(8)])
    with torch.no_grad():
        latents = vae.encode(given).latent_dist.mode()
        redrawn = vae.decode(latents).sample.clamp(-1, 1)
    assert latents.shape == (8, 4, 8, 8)
    assert float(latents.std() * vae.config.scaling_factor) == pytest.approx(1.0, abs=0.02)
    errors = (redrawn - given).square().mean((1, 2, 3))
    claimed = json.loads((run / "export" / "training.json").read_text())["psnr"]
    assert claimed == pytest.approx(float(psnr(errors).mean()), abs=0.1)
    assert sorted(path.name for path in (run / "samples").iterdir()) == ["step-00000030.png", "step-00000040.png"]


def test_the_loss_is_the_sum_it_says(recipe: Callable[..., Recipe]) -> None:
    objective = build_objective(recipe(), torch.device("cpu"))
    batch = {"picture": torch.stack([objective.source[n]["picture"] for n in range(2)])}
    vae, given = objective.module.vae, batch["picture"]
    torch.manual_seed(3)
    with torch.no_grad():
        latents = vae.encode(given).latent_dist
        redrawn = vae.decode(latents.sample()).sample
    error = redrawn - given
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    kl = 0.5 * (latents.mean**2 + latents.var - 1 - latents.logvar).sum((1, 2, 3)).mean()
    expected = 2 * error.abs().mean() + 3 * error.square().mean() + 1e-3 * kl + 5 * edges
    weighted = Reconstruction(vae, Parameters(**TABLE, l1=2, l2=3, kl=1e-3, edges=5))
    torch.manual_seed(3)
    with torch.no_grad():
        losses = weighted(batch)
    assert float(losses["loss"]) == pytest.approx(float(expected), rel=1e-4)
    assert float(losses["psnr"]) == pytest.approx(float(10 * torch.log10(4 / error.square().mean())), rel=1e-4)


def test_pictures_follow_from_their_number() -> None:
    pictures = Pictures(seed=1, size=32)
    assert torch.equal(pictures[5]["picture"], Pictures(seed=1, size=32)[5]["picture"])
    assert not torch.equal(pictures[5]["picture"], pictures[6]["picture"])
    assert not torch.equal(pictures[5]["picture"], Pictures(seed=1, size=32, split="validation")[5]["picture"])
    assert pictures[5]["picture"].min() >= -1
    assert pictures[5]["picture"].max() <= 1
    assert pictures[5]["picture"].std() > 0.1


def test_fp16_export_leaves_the_trained_weights_alone(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    objective = build_objective(recipe(), torch.device("cpu"))
    before = {name: value.clone() for name, value in objective.module.state_dict().items()}
    with torch.no_grad():
        objective.export(tmp_path)
    after = objective.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    saved = load_file(tmp_path / "diffusion_pytorch_model.safetensors")
    assert {value.dtype for value in saved.values()} == {torch.float16}
