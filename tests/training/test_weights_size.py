"""How large the toon base is with all its engines: what ships, and what the recipes would add."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from inkcast.assets import toon_weights
from inkcast.engines.any_story.router import RouterSize
from inkcast.engines.any_story.weights import fresh_parts, save_encoders, save_router
from inkcast.engines.checkpoints import LEVELS
from inkcast.engines.ip_adapter.weights import fresh_adapter, save_adapter
from inkcast.engines.story_maker import weights as story_maker
from inkcast.sampling.controlnet import load_controlnet, save_controlnet
from inkcast.sdxl.backbone import load_backbone
from inkcast.sdxl.resampler import ResamplerSize
from inkcast.training import any_story as any_story_training
from inkcast.training import ip_adapter as ip_adapter_training
from inkcast.training import pose_controlnet as pose_training
from inkcast.training import story_maker as story_maker_training
from inkcast.training.recipe import load_recipe

LIMIT = 44_000_000
RECIPES = Path(__file__).parents[2] / "recipes"


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def assert_nearly(net: Any, read: Any) -> None:
    """Every matrix within half a step of its channel's int8 scale, plus float16's rounding."""
    for (name, value), (other, packed) in zip(net.state_dict().items(), read.state_dict().items(), strict=True):
        assert name == other
        step = value.abs().max() / LEVELS if value.ndim > 1 else value.abs().max() / 1024
        assert float((value - packed).detach().abs().max()) <= float(step) * 0.51 + 1e-6, name


def test_what_ships_and_what_the_recipes_add_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Untrained engines of the recipes' sizes, saved as their trainings would, beside the base that ships."""
    torch.manual_seed(0)
    base, features = load_backbone("toon", device="cpu"), 128
    channels = base.unet.config.cross_attention_dim

    table = load_recipe(RECIPES / "ip-adapter-toon.toml").parameters
    adapter = ip_adapter_training.Parameters.model_validate(table)
    size = ResamplerSize(
        features,
        channels,
        adapter.channels,
        adapter.depth,
        adapter.heads,
        adapter.head_dim,
        adapter.queries,
        adapter.widening,
    )
    ip = tmp_path / "engines" / "ip-adapter"
    save_adapter(fresh_adapter(base, size), ip / "adapter.safetensors", int8=adapter.int8)

    one, two = (
        any_story_training.Parameters.model_validate(load_recipe(RECIPES / f"any-story-stage{n}-toon.toml").parameters)
        for n in (1, 2)
    )
    router = two.router
    parts = fresh_parts(
        base,
        one.qformer.resampler(features, channels, one.tokens),
        RouterSize(router.qformer.resampler(features, router.features, 1), router.heads, router.head_dim),
    )
    assert parts.router is not None
    with torch.no_grad():  # as training moves it: by a sixth
        for weight in parts.reference_net.parameters():
            weight.add_(weight.square().mean().sqrt() / 6 * torch.randn_like(weight))
    save_encoders(parts, tmp_path / "engines" / "any-story", packed_over=base.unet if one.int8 else None)
    save_router(parts.router, tmp_path / "engines" / "any-story", int8=two.int8)

    maker = story_maker_training.Parameters.model_validate(load_recipe(RECIPES / "story-maker-toon.toml").parameters)
    perceiver = maker.sizes.perceiver(features, channels, 128, maker.people)
    story_maker.save_adapter(
        story_maker.fresh_adapter(base.unet, perceiver, maker.rank),
        story_maker.Facts(),
        tmp_path / "engines" / "story-maker" / story_maker.FILE,
        int8=maker.int8,
    )

    pose = pose_training.Parameters.model_validate(load_recipe(RECIPES / "pose-controlnet-toon.toml").parameters)
    net = pose_training.fresh_controlnet(base, pose.hint_channels, attention=pose.attention)
    save_controlnet(net, tmp_path / "controlnet")
    assert_nearly(net, load_controlnet(tmp_path / "controlnet", torch.float32))

    shipped = toon_weights()
    rest = {
        path.name: size_of(path) for path in sorted(shipped.iterdir()) if path.name not in ("engines", "controlnet")
    }
    engines = {path.name: size_of(path) for path in sorted((tmp_path / "engines").iterdir())}
    planned = rest | engines | {"controlnet": size_of(tmp_path / "controlnet")}
    planned["together"] = sum(planned.values())
    with capsys.disabled():
        sys.stdout.write("\n" + "".join(f"{name:15}{size / 1e6:6.2f} MB\n" for name, size in planned.items()))
    assert planned["together"] <= LIMIT
    assert size_of(shipped) <= LIMIT
