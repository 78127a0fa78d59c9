"""Routing maps against masks: a router that knows scores 1, one that is blind does not."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.engines.any_story.parts import engine as any_story

from inkcast.engines.any_story.losses import instance_targets
from inkcast.errors import EngineError
from inkcast.evaluation.routing import (
    Iou,
    RoutingCase,
    apart,
    layer_ious,
    measure_routing,
    routing_cases,
    routing_of,
    timesteps,
    true_gate,
    write_routing,
)
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.fitting import resolutions
from inkcast.toon.world import split_of


@dataclass
class Knowing:
    """The engine, its router replaced by one that is told the masks; `blind` gives everything to the first subject."""

    engine: object
    case: RoutingCase
    latent: tuple[int, int]
    blind: bool = False
    name = "knowing"

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(self.engine, name)

    def condition(self, panel, cast, style):  # type: ignore[no-untyped-def]
        made = self.engine.condition(panel, cast, style)  # type: ignore[attr-defined]
        return replace(made, positive=replace(made.positive, router=self.route))

    def route(self, layer: str, latents: torch.Tensor) -> torch.Tensor:
        size = resolutions(self.latent)[latents.shape[1]]
        masks = instance_targets(torch.from_numpy(self.case.masks[None].astype(np.float32)), size)
        background = 1 - masks.amax(1, keepdim=True)
        maps = torch.cat([masks, background], dim=1)
        if self.blind:
            maps = torch.zeros_like(maps)
            maps[:, 0] = 1
        return maps


def test_cases_are_unseen_and_everybody_shows() -> None:
    cases = routing_cases(6, seed=5, side=64)
    assert all(split_of(look) == "test" for case in cases for look in case.looks)
    assert all(case.masks.mean((1, 2)).min() >= 0.02 for case in cases)
    assert all(len(case.panel.members) == len(case.masks) for case in cases)
    np.testing.assert_array_equal(routing_cases(3, seed=5, side=64)[2].picture, cases[2].picture)


def test_noise_levels_cover_the_schedule() -> None:
    assert timesteps(5) == (100, 300, 500, 700, 900)
    assert timesteps(1) == (500,)


def test_masks_are_compared_at_the_layers_resolution() -> None:
    masks = np.zeros((2, 8, 8), bool)
    masks[0, :, :4] = True
    masks[1, 0, 0] = True
    maps = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
    found = layer_ious({"x": maps[None]}, masks, (4, 4))["x"]
    assert found[0] == 1
    assert math.isnan(found[1]), "too small to be seen there"


def test_a_router_that_knows_scores_one_and_a_blind_one_does_not(backbone: Backbone) -> None:
    (case,) = [case for case in routing_cases(12, seed=5, side=backbone.side) if len(case.looks) == 2][:1]
    latent = (backbone.side // backbone.vae_scale_factor,) * 2
    known = measure_routing(backbone, Knowing(any_story(backbone), case, latent), [case], (500,))  # type: ignore[arg-type]
    assert known.finer.mean == 1
    assert len(known.layers) >= 2
    blind = measure_routing(backbone, Knowing(any_story(backbone), case, latent, blind=True), [case], (500,))  # type: ignore[arg-type]
    assert blind.finer.mean < 0.5
    assert set(known.people) == {2}


def test_true_gates_stand_in_for_the_router_s_and_for_nothing_else(backbone: Backbone) -> None:
    """As if the router knew: what the UNet makes of the picture is that, and what the router says of it is its own."""
    (case,) = [case for case in routing_cases(12, seed=5, side=backbone.side) if len(case.looks) == 2][:1]
    latent = (backbone.side // backbone.vae_scale_factor,) * 2
    maps = torch.full((1, 3, latent[0] * latent[1]), 1 / 3)
    knowing = Knowing(any_story(backbone), case, latent)
    torch.testing.assert_close(
        true_gate(case.masks, latent)(maps), knowing.route("x", torch.zeros(1, maps.shape[2], 1))
    )

    said: dict[str, list[torch.Tensor]] = {"wrong": [], "told": [], "right": []}

    def latents_of(engine: object, name: str, true_gates: bool) -> None:
        inner = engine.route  # type: ignore[attr-defined]
        engine.route = lambda layer, z: (said[name].append(z), inner(layer, z))[1]  # type: ignore[attr-defined]
        measure_routing(backbone, engine, [case], (500,), true_gates=true_gates)  # type: ignore[arg-type]

    latents_of(Knowing(any_story(backbone), case, latent, blind=True), "wrong", False)
    latents_of(Knowing(any_story(backbone), case, latent, blind=True), "told", True)
    latents_of(knowing, "right", False)
    assert all(torch.equal(a, b) for a, b in zip(said["told"], said["right"], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(said["told"], said["wrong"], strict=True))
    blind = Knowing(any_story(backbone), case, latent, blind=True)
    found = measure_routing(backbone, blind, [case], (500,), true_gates=True)  # type: ignore[arg-type]
    assert found.finer.mean < 0.5, "the maps are still the router's"


def test_the_engine_s_own_router_is_measured_and_written(backbone: Backbone, tmp_path: Path) -> None:
    cases = routing_cases(2, seed=5, side=backbone.side)
    heard: list[int] = []
    found = measure_routing(backbone, any_story(backbone), cases, (100, 900), heard.append)
    assert heard == [1, 2]
    assert set(found.steps) == {100, 900}
    assert 0 <= found.finer.mean <= 1
    write_routing(tmp_path / "out", found, {"engine": "any-story"})
    written = json.loads((tmp_path / "out" / "routing.json").read_text())
    assert written["finer"]["mean"] == found.finer.mean
    assert set(written["layers"]) == set(found.layers)
    assert "t = 900" in (tmp_path / "out" / "routing.md").read_text()
    with pytest.raises(EngineError, match="routes nothing"):
        measure_routing(backbone, any_story(backbone, router="off"), cases[:1], (500,))


def test_maps_are_compared_render_by_render() -> None:
    """Every subject of every render gains 0.1: a sure gain, though renders differ by far more."""
    places = [
        (layer, pixels, step, render, subject)
        for layer, pixels in (("fine", 16), ("coarse", 4))
        for step in (100, 900)
        for render in range(6)
        for subject in range(2)
    ]
    first = [Iou(*place, 0.1 * place[3] + 0.01 * place[4]) for place in places]
    lost = Iou("fine", 16, 100, 0, 2, math.nan)
    second = [replace(one, value=one.value + (0.1 if one.layer == "fine" else 0.3)) for one in first]
    less = routing_of(apart([*reversed(second), lost], [*first, lost]))
    assert (less.finer.mean, less.finer.low, less.finer.high) == pytest.approx((0.1, 0.1, 0.1))
    assert (less.finer.count, less.steps[900].count) == (24, 12), "each subject at each noise level"
    assert set(less.people) == {2, 3}
    assert less.layers["coarse"].low == pytest.approx(0.3)
    assert routing_of(second).finer.low < routing_of(first).finer.mean, "apart from each other they tell nothing"
