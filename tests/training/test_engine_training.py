"""Engines over a frozen base: what they are shown, what is trained, what is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from inkcast.engines.ip_adapter.weights import load_adapter
from inkcast.sdxl.backbone import load_backbone
from inkcast.toon.dataset import sample_look, stars
from inkcast.toon.renderer import reference_sheet, render
from inkcast.training.checkpoints import existing
from inkcast.training.ip_adapter import IpAdapterTraining
from inkcast.training.latents import scene_of
from inkcast.training.objective import build_objective, generator
from inkcast.training.recipe import Recipe
from inkcast.training.subjects import nameless, reference_picture
from inkcast.training.trainer import train


@pytest.fixture
def recipe(toon_unet_recipe: Callable[..., Recipe], toy_recipe: Callable[..., Recipe], tmp_path: Path) -> Recipe:
    """An adapter over a tiny untrained base, its cache and an image encoder."""
    torch.manual_seed(0)
    base = build_objective(toon_unet_recipe(), torch.device("cpu"))
    with torch.no_grad():
        base.export(tmp_path / "base")
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8
    )
    CLIPVisionModelWithProjection(vision).save_pretrained(tmp_path / "vision")
    table: dict[str, Any] = {
        "base": tmp_path / "base",
        "cache": tmp_path / "cache",
        "image_encoder": tmp_path / "vision",
        "channels": 16,
        "depth": 1,
        "heads": 2,
        "head_dim": 8,
        "queries": 4,
        "show_steps": 1,
    }
    optimizer = {"learning_rate": 1e-2}
    return toy_recipe("adapter", objective="ip-adapter", parameters=table, optimizer=optimizer, steps=20)


@pytest.fixture
def objective(recipe: Recipe) -> IpAdapterTraining:
    return build_objective(recipe, torch.device("cpu"))  # type: ignore[return-value]


def test_only_the_adapter_is_trained(recipe: Recipe, tmp_path: Path) -> None:
    run = train(recipe)
    assert all(np.isfinite(json.loads(line)["loss"]) for line in (run / "log.jsonl").read_text().splitlines())
    base = load_backbone(tmp_path / "base", device="cpu")
    adapter = load_adapter(base, run / "export" / "adapter.safetensors")
    names = {name for name, _ in adapter.named_parameters()}
    checkpoint = existing(run)[-1] / "weights.safetensors"
    saved = load_file(checkpoint)
    assert {name.removeprefix("parts.") for name in saved} == names
    moved = (
        saved["parts.ip_adapter.1.to_k_ip.weight"]
        - base.unet.get_submodule("down_blocks.1.attentions.0.transformer_blocks.0.attn2").to_k.weight
    )
    assert float(moved.abs().max()) > 1e-3


def test_the_base_stays_as_it_was(objective: IpAdapterTraining) -> None:
    batch = torch.utils.data.default_collate([objective.source[n] for n in range(4)])
    objective.module(batch)["loss"].backward()
    assert all(p.grad is None for p in objective.base.unet.parameters())
    assert all(p.grad is not None for p in objective.module.parameters())


def test_the_loss_sees_references_only_where_they_are_not_dropped(objective: IpAdapterTraining) -> None:
    batch = torch.utils.data.default_collate([objective.source[n] for n in range(2)])
    batch["drop"] = torch.tensor([False, True])
    changed = batch | {"references": 1 - batch["references"]}
    with torch.no_grad():
        for row, differs in ((0, True), (1, False)):
            one = {name: value[row : row + 1] for name, value in batch.items()}
            other = {name: value[row : row + 1] for name, value in changed.items()}
            assert (objective.module(one)["loss"] != objective.module(other)["loss"]) == differs


def test_samples_show_each_subject_elsewhere(objective: IpAdapterTraining) -> None:
    source = objective.source
    for index in range(12):
        sample, again = source[index], source[index]
        assert all(torch.equal(sample[name], again[name]) for name in sample)
        row = int(source.rows[_row_of(source, sample)])
        scene = nameless(scene_of(source.latents.plan, row))
        assert 1 <= len(scene.actors) <= 2
        assert sample["present"].tolist() == [True, len(scene.actors) == 2]
        instances = render(scene, 32).instances[::2, ::2]
        for place in range(len(scene.actors)):
            assert torch.equal(sample["masks"][place].bool(), torch.from_numpy(instances == place + 1))
            assert sample["references"][place].min() < 0.9
        if len(scene.actors) == 1:
            assert bool((sample["references"][1] == 1).all())


def _row_of(source: Any, sample: Any) -> int:
    cached = source.latents.latents[source.rows].astype(np.float32) * source.scale
    return int(np.abs(cached - sample["latents"].numpy()).sum((1, 2, 3)).argmin())


def test_captions_name_kinds_only(objective: IpAdapterTraining) -> None:
    source = objective.source
    named = [any(a.name for a in scene_of(source.latents.plan, int(row)).actors) for row in source.rows]
    texts = [source.tokenizer.decode(source[n]["tokens"]) for n in range(60)]
    assert any(named)
    assert not any(name in text for text in texts for name in stars())
    assert len(set(texts)) > 20


def test_references_are_the_subject_alone_in_other_poses() -> None:
    look = sample_look(generator(0, "look"), "train", "girl")
    pictures = [reference_picture(look, generator(n, "ref"), 128, sheets=0.0) for n in range(6)]
    assert all(picture.shape == (64, 64, 3) for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 6
    assert all(bool((picture[0] == 255).all()) for picture in pictures)
    sheet = reference_picture(look, generator(1, "ref"), 128, sheets=1.0)
    drawn = reference_sheet(look, 128)
    colours = np.unique(drawn.image[drawn.instances == 1], axis=0)
    assert len(colours) > 4
    assert (sheet < 250).any()


def test_shown_samples(objective: IpAdapterTraining) -> None:
    with torch.no_grad():
        picture = objective.picture()
    assert picture.shape == (64, 6 * 32, 3)
    assert picture.dtype == torch.uint8
