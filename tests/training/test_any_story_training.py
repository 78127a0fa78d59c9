"""AnyStory's objective: two stages from recipes, one after the other, and the engine that comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import adaptive_avg_pool2d
from torch.utils.data import default_collate
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from inkcast.engines.any_story.engine import load_engine
from inkcast.engines.any_story.options import Options
from inkcast.engines.any_story.trainee import unread_parameters
from inkcast.engines.any_story.weights import load_parts
from inkcast.engines.ip_adapter.weights import fresh_adapter, load_adapter, save_adapter
from inkcast.errors import TrainingError
from inkcast.sdxl.backbone import load_backbone
from inkcast.sdxl.resampler import ResamplerSize
from inkcast.training.any_story import AnyStoryTraining, varied
from inkcast.training.engine_loss import training_batch
from inkcast.training.objective import build_objective, generator
from inkcast.training.recipe import Recipe
from inkcast.training.trainer import train


@pytest.fixture
def stage(toon_unet_recipe: Callable[..., Recipe], toy_recipe: Callable[..., Recipe], tmp_path: Path) -> Any:
    """A recipe per stage over a tiny untrained base, its cache and an image encoder."""
    torch.manual_seed(0)
    base = build_objective(toon_unet_recipe(), torch.device("cpu"))
    with torch.no_grad():
        base.export(tmp_path / "base")
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8
    )
    CLIPVisionModelWithProjection(vision).save_pretrained(tmp_path / "vision")

    def make(number: int, **more: Any) -> Recipe:
        small = {"channels": 16, "depth": 1, "heads": 2, "head_dim": 8}
        table: dict[str, Any] = {
            "base": tmp_path / "base",
            "cache": tmp_path / "cache",
            "image_encoder": tmp_path / "vision",
            "stage": number,
            "encoders": tmp_path / "stage1" / "export" if number == 2 else None,
            "tokens": 4,
            "qformer": small,
            "router": {"qformer": small, "features": 16, "heads": 2, "head_dim": 8},
            "int8": False,
            "show_steps": 1,
        }
        return toy_recipe(f"stage{number}", objective="any-story", parameters=table | more, steps=2, batch=4, ema=0.0)

    return make


def test_both_stages_train_what_they_should(stage: Any, tmp_path: Path) -> None:
    first = train(stage(1))
    base = load_backbone(tmp_path / "base", device="cpu")
    trained = load_file(sorted((first / "checkpoints").iterdir())[-1] / "weights.safetensors")
    assert {name.split(".")[1] for name in trained} == {"encoder", "reference_net"}
    unread = {f"parts.reference_net.{name}" for name in unread_parameters(base.unet)}
    assert not unread & set(trained)
    assert (first / "export" / "reference_net.safetensors").is_file()
    assert not (first / "export" / "router.safetensors").exists()

    second = train(stage(2))
    routed = load_file(sorted((second / "checkpoints").iterdir())[-1] / "weights.safetensors")
    assert {name.split(".")[1] for name in routed} == {"router"}
    assert all(np.isfinite(json.loads(line)["route"]) for line in (second / "log.jsonl").read_text().splitlines())
    for part in ("encoder", "reference_net"):  # stage 2 leaves them alone
        ours, theirs = (load_file(run / "export" / f"{part}.safetensors") for run in (first, second))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    story = load_engine(base, weights=second / "export", image_encoder=tmp_path / "vision")
    assert story.parts.router is not None
    assert any((tmp_path / f"stage{n}" / "samples").glob("*.png") for n in (1, 2))


def test_stage_1_can_start_from_an_ip_adapter(stage: Any, tmp_path: Path) -> None:
    """Its tokens, keys and values are the adapter's, through the layers that the adapter has not."""
    base = load_backbone(tmp_path / "base", device="cpu")
    path, deeper = tmp_path / "adapter.safetensors", {"channels": 16, "depth": 3, "heads": 2, "head_dim": 8}
    size = ResamplerSize(16, base.unet.config.cross_attention_dim, 16, 1, 2, 8, 4, 2)
    save_adapter(fresh_adapter(base, size), path)
    adapter = load_adapter(base, path)
    made = build_objective(stage(1, init_plus=path, qformer=deeper), torch.device("cpu"))
    assert isinstance(made, AnyStoryTraining)
    features = torch.randn(2, 5, 16)
    tokens = made.parts.encoder.tokens(features)
    assert torch.allclose(tokens, adapter.image_proj(features), atol=1e-6)
    theirs = adapter.ip_adapter(tokens)
    for layer, ours in made.parts.encoder.to_subject(tokens).items():
        assert torch.allclose(ours.value, theirs[layer].value, atol=1e-6)
    with pytest.raises(TrainingError, match="cannot start from an adapter"):
        build_objective(stage(1, init_plus=path, tokens=8), torch.device("cpu"))


def test_forced_gates_are_the_true_masks_and_teach_the_router_alone(stage: Any) -> None:
    """The UNet draws with what eq. 4 asks for, and passes no gradient; the router hears the routing loss alone."""
    train(stage(1))
    made = build_objective(stage(2, forced=True), torch.device("cpu"))
    assert isinstance(made, AnyStoryTraining)
    batch = default_collate([made.source[index] for index in range(4)])
    losses = made.module(batch)
    assert losses["route"].requires_grad
    assert not losses["mse"].requires_grad
    losses["route"].backward()
    router = made.parts.router
    assert router is not None
    assert any(p.grad is not None and bool(p.grad.any()) for p in router.parameters())

    memory = made.module.engine.memory(
        training_batch(batch, torch.zeros(4, 77, made.base.unet.config.cross_attention_dim))
    )
    subjects = batch["masks"].shape[1]
    for pixels, (height, width) in memory.grid.items():
        gates = memory.gate(torch.rand(4, subjects + 1, pixels))
        assert torch.allclose(gates.sum(dim=1), torch.ones(4, pixels))
        smaller = adaptive_avg_pool2d(batch["masks"], (height, width)).flatten(2)
        assert torch.equal(gates[:, :subjects][smaller > 0.9], torch.ones(int((smaller > 0.9).sum())))
        assert not gates[:, :subjects][smaller == 0].any()


@pytest.mark.parametrize("gates", ["masks", "open"])
def test_either_stage_bears_pictures_that_show_nobody(stage: Any, gates: str) -> None:
    """Every part gets its gradient all the same, which processes wait for; it is zero where references are read."""
    first = build_objective(stage(1, gates=gates), torch.device("cpu"))
    assert isinstance(first, AnyStoryTraining)
    first.export(Path(stage(2).parameters["encoders"]))
    second = build_objective(stage(2), torch.device("cpu"))
    for made in (first, second):
        batch = default_collate([made.source[index] for index in range(2)])
        batch |= {name: torch.zeros_like(batch[name]) for name in ("present", "masks", "reference_masks")}
        batch["references"] = torch.ones_like(batch["references"])
        losses = made.module(batch)
        losses["loss"].backward()
        gradients = [p.grad for p in made.module.parameters() if p.requires_grad]
        assert all(gradient is not None and bool(torch.isfinite(gradient).all()) for gradient in gradients)
        assert bool(torch.isfinite(losses["loss"]))
    reading = [p.grad for p in first.parts.reference_net.parameters() if p.grad is not None]
    assert reading
    assert not any(bool(gradient.any()) for gradient in reading)


def test_either_stage_goes_on_from_an_export(stage: Any, tmp_path: Path) -> None:
    train(stage(1, subject_scale=0.5, reference_strength=2.0))
    shipped = train(stage(2)) / "export"
    base = load_backbone(tmp_path / "base", device="cpu")
    assert load_parts(base, shipped).options == Options(0.5, 2.0), "the encoders' own"
    for number, parts in ((1, ("encoder", "reference_net")), (2, ("encoder", "reference_net", "router"))):
        made = build_objective(stage(number, encoders=shipped), torch.device("cpu"))
        assert isinstance(made, AnyStoryTraining)
        for part in parts:
            known = load_file(shipped / f"{part}.safetensors")
            ours = getattr(made.parts, part).state_dict()
            assert all(torch.equal(ours[name].half(), known[name]) for name in known)
        assert any(p.requires_grad for p in made.module.parameters())


def test_stage_2_needs_stage_1(stage: Any) -> None:
    with pytest.raises(TrainingError, match="stage 2 needs stage 1's export"):
        build_objective(stage(2, encoders=None), torch.device("cpu"))


def test_samples_vary_and_some_leave_a_subject_unnamed(stage: Any) -> None:
    objective: AnyStoryTraining = build_objective(stage(1, augment=1.0, unnamed=1.0), torch.device("cpu"))  # type: ignore
    plain = build_objective(stage(1, augment=0.0, unnamed=0.0), torch.device("cpu"))
    left_out = 0
    for index in range(16):
        sample, again, whole = objective.source[index], objective.source[index], plain.source[index]
        assert all(torch.equal(sample[name], again[name]) for name in sample)
        assert int(sample["present"].sum()) == 1
        assert not sample["masks"][~sample["present"]].any()
        left_out += int(whole["present"].sum()) == 2
        assert torch.equal(sample["latents"], whole["latents"])
        assert not torch.equal(sample["references"], whole["references"])
        outside = sample["reference_masks"] == 0
        assert float(sample["references"].amin(1)[outside].mean()) > 0.97  # white, but for the mask's own edge
    assert left_out > 2


def test_turned_references_keep_picture_and_mask_together() -> None:
    picture, mask = np.ones((3, 32, 32), np.float32), np.zeros((32, 32), np.float32)
    picture[:, 8:24, 12:20], mask[8:24, 12:20] = 0.0, 1.0
    areas = []
    for number in range(8):
        turned, where = varied(picture, mask, generator(number, "turn"))
        assert turned.shape == picture.shape
        assert set(np.unique(where)) <= {0.0, 1.0}
        assert np.abs((turned[0] < 0.5) - where).mean() < 0.05
        areas.append(where.sum())
    assert min(areas) < mask.sum() < max(areas)


def test_shown_samples(stage: Any) -> None:
    objective: AnyStoryTraining = build_objective(stage(1), torch.device("cpu"))  # type: ignore[assignment]
    with torch.no_grad():
        picture = objective.picture()
    assert picture.shape == (16 + 32, 6 * 32, 3)
    assert picture.dtype == torch.uint8
