"""A stranger with the hero's looks is counted as one: constructed pictures, and readings written by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from inkcast.assets import toon_weights
from inkcast.cli.evaluate import app
from inkcast.engines.any_story.engine import load_engine as load_any_story
from inkcast.engines.any_story.options import Options, panel_options
from inkcast.engines.registry import load_engine
from inkcast.errors import InkcastError
from inkcast.evaluation.batches import Batching
from inkcast.evaluation.matching import SCORED
from inkcast.evaluation.oracle import LookReading
from inkcast.evaluation.passers_by import (
    Encounter,
    counted,
    encounters,
    judged,
    measure_passers_by,
    meeting,
    write_passers_by,
)
from inkcast.evaluation.toon_base import Eyes
from inkcast.evaluation.toon_looks import STYLE
from inkcast.sdxl.backbone import load_backbone
from inkcast.toon.dataset import sample_look
from inkcast.toon.labels import LOOK_HEADS
from inkcast.toon.renderer import reference_sheet
from inkcast.toon.world import Look

HERO = sample_look(np.random.default_rng(5), "test", "girl")


def reading(look: Look) -> LookReading:
    """The oracle, certain of every attribute of this look."""
    values = {name: getattr(look, name, None) for name in LOOK_HEADS}
    return LookReading(
        {name: np.array([float(value == values[name]) for value in words]) for name, words in LOOK_HEADS.items()}
    )


def unlike(look: Look, attributes: int) -> Look:
    """The look with this many of its scored attributes changed."""
    other = look
    for name in SCORED[:attributes]:
        value = next(value for value in LOOK_HEADS[name] if value != getattr(look, name))
        other = replace(other, **{name: value})
    return other


def test_the_likest_is_the_hero_and_the_others_are_strangers() -> None:
    stranger = unlike(HERO, 6)
    found = meeting(HERO, [reading(stranger), reading(HERO)])
    assert found.hero == 1.0
    assert found.strangers == pytest.approx((1 - 6 / len(SCORED),))
    face = ("body", "face", "hair", "hair_color", "eyes")  # the first five of those scored
    assert found.faces == (0.0,)
    assert meeting(HERO, [reading(HERO), reading(unlike(HERO, 2))]).faces == pytest.approx((1 - 2 / len(face),))
    assert math.isnan(meeting(HERO, []).hero)
    assert meeting(HERO, [reading(stranger)]).strangers == ()


def test_copies_are_counted_over_passers_by_not_over_pictures() -> None:
    twin, stranger = reading(HERO), reading(unlike(HERO, len(SCORED)))
    meetings = [meeting(HERO, people) for people in ([twin, twin], [twin, stranger, stranger], [twin])]
    found = counted("any-story", meetings)
    assert found.hero.mean == 1.0
    assert found.stranger.mean == pytest.approx(1 / 3)
    assert found.face.mean == pytest.approx(1 / 3)
    assert found.copies.mean == pytest.approx(1 / 3)
    assert found.met.mean == pytest.approx(2 / 3)


def test_only_the_hero_is_a_member_and_both_are_named() -> None:
    case = Encounter(HERO, "waving", "park", 1)
    assert case.panel.wording(STYLE) == "a girl and a girl waving in the park"
    assert len(case.panel.members) == 1
    first, second = encounters(2, 3), encounters(2, 3)
    assert first == second
    assert first[0].hero != first[1].hero


@pytest.mark.slow
def test_the_embedded_eyes_tell_a_copy_from_a_stranger() -> None:
    """Two figures drawn side by side: the hero twice, and the hero beside somebody unlike them."""
    eyes = Eyes(toon_weights())
    heroes = [sample_look(np.random.default_rng([9, n]), "test", "girl") for n in range(6)]
    strangers = [sample_look(np.random.default_rng([10, n]), "test", "girl") for n in range(6)]

    def pair(left: Look, right: Look) -> np.ndarray:
        sides = [reference_sheet(look, 128).image[:, 32:96] for look in (left, right)]
        return np.concatenate(sides, axis=1)

    cases = [Encounter(hero, "waving", "park", 0) for hero in heroes]
    twins, others = (
        judged(
            "drawn",
            cases,
            np.stack([pair(*two) for two in zip(heroes, beside, strict=True)]),
            eyes.oracle,
            eyes.detector,
        )
        for beside in (heroes, strangers)
    )
    assert twins.met.mean > 0.8
    assert twins.stranger.mean > others.stranger.mean + 0.2


def test_a_stranger_outside_the_hero_s_box_keeps_their_own_looks() -> None:
    """AnyStory as it ships: the hero has the hero's looks, somebody of the same kind beside the box has not."""
    base, eyes = load_backbone("toon", device="cpu"), Eyes(toon_weights())
    cases = encounters(12, 3, boxed=True)
    assert all(case.panel.members[0].box == (0.0, 0.0, 0.5, 1.0) for case in cases)
    assert encounters(1, 3)[0].panel.members[0].box is None
    alone, ours = (
        measure_passers_by(base, engine, eyes.oracle, eyes.detector, cases, Batching(steps=10))
        for engine in (None, load_engine("any-story", base))
    )
    assert ours.met.mean > 0.8
    assert ours.hero.mean > alone.hero.mean + 0.15
    assert ours.stranger.mean < alone.stranger.mean + 0.2
    assert ours.hero.mean > ours.stranger.mean + 0.2


def test_settings_hold_for_every_panel(tmp_path: Path) -> None:
    panel = encounters(2, 3, settings={"one_figure": False})[1].panel
    assert panel.settings == {"one_figure": False}
    assert not panel_options(Options(), panel.settings).one_figure
    call = ["passers-by", "--engine", "any-story", "--out", str(tmp_path / "out"), "--set"]
    for written, told in (
        ("one_figure", "write NAME=VALUE"),
        ("onefigure=false", "any-story has no setting 'onefigure': it has subject_scale"),
        ("one_figure=7", "one_figure is 7: use true or false"),
        ("router=of", "router is 'of': use one of refined"),
    ):
        with pytest.raises(InkcastError, match=told):
            CliRunner().invoke(app, [*call, written], catch_exceptions=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_stranger_anywhere_does_not_get_the_hero_s_looks_or_face() -> None:
    """AnyStory as it ships, without a box: the router tells the two apart, and one figure each keeps the hero's looks
    off the stranger, nearly as far as they meet by chance."""
    base, eyes = load_backbone("toon", device="cpu"), Eyes(toon_weights())
    one, routed, everywhere, alone = (
        measure_passers_by(base, engine, eyes.oracle, eyes.detector, encounters(16, 5), Batching(steps=10))
        for engine in (
            load_any_story(base),
            load_any_story(base, options=Options(one_figure=False)),
            load_any_story(base, options=Options(router="off")),
            None,
        )
    )
    assert one.met.mean > 0.8
    assert one.copies.mean == 0
    assert one.hero.mean > alone.hero.mean + 0.2
    assert one.stranger.mean < alone.stranger.mean + 0.25
    assert one.face.mean < alone.face.mean + 0.2
    assert one.stranger.mean < routed.stranger.mean - 0.05
    apart, blended = (each.hero.mean - each.stranger.mean for each in (one, everywhere))
    assert apart > blended + 0.1


def test_the_figures_are_written(tmp_path: Path) -> None:
    found = [counted("text only", [meeting(HERO, [])]), counted("any-story", [meeting(HERO, [reading(HERO)] * 2)])]
    write_passers_by(tmp_path / "out", found, {"seed": 1})
    told = json.loads((tmp_path / "out" / "passers-by.json").read_text())
    assert [one["painter"] for one in told["passers_by"]] == ["text only", "any-story"]
    assert told["passers_by"][0]["hero"]["mean"] is None
    assert "| any-story |" in (tmp_path / "out" / "passers-by.md").read_text()
