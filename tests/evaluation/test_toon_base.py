"""The toon base's measurement: what counts as visible, right, matched, swapped; and the whole at tiny sizes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny
from typer.testing import CliRunner

from inkcast.cli.evaluate import app
from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.engine import Style
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.engines.story_maker.engine import StoryMaker
from inkcast.evaluation.batches import Batching, draw_all, form
from inkcast.evaluation.intervals import bootstrap
from inkcast.evaluation.matching import SCORED, Case, Matched, likeness, match, shared
from inkcast.evaluation.oracle import LookReading, OracleReader, SceneReading
from inkcast.evaluation.toon_eyes import accuracy_of, tally, verification
from inkcast.evaluation.toon_looks import STYLE, chance, look_cases, star_cases
from inkcast.evaluation.toon_report import grid, table
from inkcast.evaluation.toon_told import PHRASES, TOLD_TOGETHER, told_cases, told_of
from inkcast.evaluation.toon_truth import Truth, decided_pixels
from inkcast.evaluation.toon_words import Prompt, judge_scene, plain, said_colors, said_kinds
from inkcast.sampling.sampler import DrawSettings, draw
from inkcast.sdxl.backbone import Backbone
from inkcast.toon.captions import told
from inkcast.toon.dataset import stars
from inkcast.toon.labels import LOOK_HEADS
from inkcast.toon.renderer import render
from inkcast.toon.world import Actor, Look, Scene, Thing, split_of
from inkcast.vision.detector import Found, ToonDetector

GIRL = Look("girl", "tan", "long", "bun", "red", "green", "blue", "dotted", "skirt", "white", "cap")
CAT = Look("cat", "gray", "round", "tufted", "black", "amber", "red", "plain", "shorts", "black", "none")


def reading(look: Look, action: str = "standing", sure: float = 0.9) -> LookReading:
    odds = {}
    for name, words in LOOK_HEADS.items():
        value = action if name == "action" else getattr(look, name, words[0])
        row = np.full(len(words), (1 - sure) / (len(words) - 1))
        row[words.index(value)] = sure
        odds[name] = row
    return LookReading(odds)


def test_the_interval_holds_the_mean_and_shrinks_with_cases() -> None:
    few, many = bootstrap([0, 1] * 5), bootstrap([0, 1] * 500)
    assert few.low < few.mean == 0.5 < few.high
    assert many.high - many.low < (few.high - few.low) / 5
    assert many.high - many.low == pytest.approx(2 * 1.96 * 0.5 / 1000**0.5, rel=0.1)
    assert bootstrap([1.0, 0.0], [3.0, 1.0]).mean == 0.75
    assert bootstrap([]).count == 0


def test_an_attribute_is_visible_where_changing_it_changes_pixels() -> None:
    scene = Scene((Actor(GIRL, x=0.3), Actor(Thing("lantern", "red", "black"), x=0.75)), place="park")
    truth = Truth(render(scene, 128), tuple(decided_pixels(render(scene, 128), k) for k in range(2)))
    assert truth.visible(0, "top")
    assert truth.visible(1, "color")
    behind = replace(scene, actors=(replace(scene.actors[0], view="back"),))
    assert decided_pixels(render(behind, 128), 0)["eyes"] == 0
    close = replace(scene, actors=(replace(scene.actors[0], x=0.5),), shot="close-up")
    assert decided_pixels(render(close, 128), 0)["bottom_color"] == 0
    gray = Truth(render(replace(scene, style="noir"), 128), truth.pixels)
    assert not gray.visible(0, "top")
    assert gray.visible(0, "hair")
    assert gray.visible(0, "kind")


def test_accuracy_stands_beside_the_most_common_answer() -> None:
    found = accuracy_of("x", [("a", "a"), ("a", "b"), ("b", "b"), ("a", "a")])
    assert (found.right, found.chance, found.count) == (0.75, 0.75, 4)


def test_found_boxes_are_counted_against_the_wanted_ones() -> None:
    true = [(0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 44, 4)]
    found = [(1, 0, 11, 10), (60, 60, 70, 70), (40, 0, 44, 4)]
    counts, matches = tally(found, true, [True, True, False])
    assert counts == (1, 2, 2), "one right, one false alarm, one missed; the small one neither counts nor hurts"
    assert (0, 0) in matches
    assert tally([], true, [True, True, False])[0] == (0, 0, 2)


def test_verification_of_perfect_and_of_useless_vectors() -> None:
    identities = np.repeat(np.arange(6), 4)
    perfect = verification(np.eye(6)[identities], identities)
    assert perfect.accuracy == perfect.area == 1
    noise = np.random.default_rng(0).normal(size=(24, 64))
    useless = verification(noise / np.linalg.norm(noise, axis=1, keepdims=True), identities)
    assert 0.3 < useless.area < 0.7


class Told:
    """An oracle and a detector that answer what they are told."""

    def __init__(self, looks: list[LookReading]) -> None:
        self.answers = looks

    def looks(self, pictures: np.ndarray, boxes: list[list[tuple[float, ...]]]) -> list[list[LookReading]]:
        assert [len(own) for own in boxes] == [len(self.answers)]
        return [self.answers]

    def find(self, pictures: np.ndarray) -> list[tuple[Found, ...]]:
        people = [Found("character", (0, 0, 9, 9), 0.9) for _ in self.answers]
        return [(*people, Found("thing", (0, 0, 5, 5), 0.9))]


def matched(*looks: LookReading) -> Matched:
    told = Told(list(looks))
    (result,) = match(told, told, [Case((GIRL, CAT))], np.zeros((1, 128, 128, 3), np.uint8))  # type: ignore[arg-type]
    return result


def test_people_are_matched_by_likeness_in_any_order() -> None:
    result = matched(reading(CAT), reading(GIRL))
    assert result.accuracy() == 1
    assert result.swaps() == (0, len([n for n in SCORED if getattr(GIRL, n) != getattr(CAT, n)]) * 2)
    assert likeness(GIRL, reading(GIRL)) == pytest.approx(0.9)


def test_a_missing_person_scores_nothing() -> None:
    result = matched(reading(CAT))
    assert result.readings[0] is None
    assert result.accuracy() == 0.5
    assert matched().accuracy() == 0


def test_anothers_top_is_a_swap_and_a_new_colour_is_not() -> None:
    swapped = matched(reading(replace(GIRL, top=CAT.top)), reading(CAT))
    assert swapped.swaps()[0] == 1
    assert swapped.accuracy() == pytest.approx(1 - 0.5 / len(SCORED))
    assert matched(reading(replace(GIRL, top="yellow")), reading(CAT)).swaps()[0] == 0


def test_only_what_the_prompt_says_is_judged() -> None:
    actors = (Actor(GIRL, "waving"), Actor(CAT, "waving"))
    scene = Scene(actors, place="beach", style="noir")
    prompt = Prompt("a girl with red hair and a blue top and tom waving on the beach, noir", scene, 0)
    assert said_colors(prompt, actors[0]) == {"hair_color": "red", "top": "blue"}
    assert said_colors(prompt, actors[1]) == {}
    assert said_kinds(prompt) == ["girl"]
    words = {"place": "beach", "count": "1", "style": "flat", "time": "day", "weather": "rain", "shot": "wide"}
    assert judge_scene(prompt, SceneReading(words), [reading(CAT, "waving")]) == {
        "place": [1.0],
        "number of characters": [0.0],
        "style": [0.0],
        "time": [],
        "weather": [],
        "shot": [],
        "action": [0.5],
        "kind": [0.0],
    }


def test_each_figure_counts_for_one_word_only() -> None:
    assert shared(["cat", "cat", "girl"], ["cat", "girl", "girl", "bear"]) == pytest.approx(2 / 3)
    assert shared(["cat"], []) == 0
    assert shared(["cat", "cat"], ["cat", "cat"]) == 1


def test_cases_name_kinds_only_and_are_unseen() -> None:
    for case in look_cases(20, 2, seed=3):
        assert all(split_of(look) == "test" for look in case.cast)
        text = case.panel.wording(Style())
        assert all(look.kind in text for look in case.cast)
        assert case.action in text
        for look in case.cast:
            assert not {look.top, look.hair_color, look.body} & set(text.split()) - {"long", "round"}
    guesses = chance([GIRL, CAT])
    assert guesses["top"] == pytest.approx(1 / 8)
    assert guesses["hair"] == pytest.approx((1 / 12 + 1 / 4) / 2)
    assert guesses["accessory"] == pytest.approx((1 / 3) ** 2 + 8 * (1 / 12) ** 2)


def test_looks_are_told_one_at_a_time() -> None:
    assert set(PHRASES) == set(told(GIRL)) == {*told(CAT), "accessory"}
    (first, *_), plain_ones = told_cases("hair_color", 20, 2, seed=3), look_cases(20, 2, seed=3)
    one, other = plain_ones[0].cast
    assert first == replace(plain_ones[0], names=first.names)
    words = first.panel.wording(Style())
    assert [f"{look.kind} with {look.hair_color} " in words for look in (one, other)] == [True, True]
    assert words.endswith(plain_ones[0].panel.wording(Style()).rpartition(other.kind)[2])
    wearing = [case for case in plain_ones if all(look.accessory != "none" for look in case.cast)]
    assert [case.seed for case in told_cases("accessory", 20, 2, seed=3)] == [case.seed for case in wearing]


def test_of_what_is_told_only_that_is_asked() -> None:
    result = matched(reading(replace(GIRL, top=CAT.top, hair="long")), reading(CAT))
    row = told_of("top", [result, matched(reading(GIRL), reading(CAT))])
    assert (row.people, row.right.mean, row.right.count) == (2, 0.75, 2)
    assert row.swapped.mean == 0.25
    assert told_of("hair", [result]).right.mean == 0.5
    assert told_of("hair", [result]).swapped.mean == 0
    assert told_of("top", [matched(reading(GIRL))]).right.mean == 0.5
    alike = Matched(Case((GIRL, replace(CAT, top="blue"))), (reading(GIRL), reading(CAT)), 2)
    assert told_of("top", [alike]).swapped.count == 0


def test_a_batch_draws_what_each_prompt_draws_alone(backbone: Backbone) -> None:
    texts = ["a girl in the park", "two red cat at night", "a bear"]
    conditionings = [plain(backbone, text) for text in texts]
    batching = Batching(steps=2, guidance=3.0, size=2)
    drawn = []
    together = draw_all(backbone, conditionings, [5, 6, 7], batching, drawn.append)
    assert drawn == [2, 1]
    for conditioning, seed, picture in zip(conditionings, (5, 6, 7), together, strict=True):
        settings = DrawSettings((64, 64), steps=2, guidance=3.0, seed=seed)
        (alone,) = draw(backbone, conditioning, settings)
        assert np.abs(np.asarray(alone).astype(int) - picture).max() <= 1


def test_what_is_left_open_is_drawn_as_by_the_engine_itself(backbone: Backbone) -> None:
    """The papers' samplers on an SDXL base, the embedded base's guidance there; what is asked for wins."""
    maker: Any = StoryMaker
    for engine, toon, wanted in (
        (None, False, ("euler", DrawSettings((64, 64)).guidance)),
        (maker, False, ("unipc", 7.5)),
        (AnyStory, False, ("euler-karras", 7.5)),
        (StableIdentity, False, ("dpm++", 8.5)),
        (StableIdentity, True, ("euler", 4.0)),
        (None, True, ("euler", 7.0)),
    ):
        found = Batching().of(engine, replace(backbone, toon=toon))  # type: ignore[arg-type]
        assert (found.scheduler, found.guidance) == wanted
        assert found.of(maker, backbone) == found
    asked = Batching(guidance=2.0, scheduler="ddim").of(maker, backbone)
    assert (asked.scheduler, asked.guidance) == ("ddim", 2.0)


def test_what_cannot_share_a_batch_is_drawn_one_by_one(backbone: Backbone) -> None:
    plain_one = plain(backbone, "a girl")
    regions = torch.ones(1, 1, 8, 8)
    fenced = replace(
        plain_one,
        positive=replace(plain_one.positive, regions=regions),
        negative=replace(plain_one.negative, regions=regions),
    )
    assert form(plain_one) is not None
    assert form(fenced) is None
    pictures = draw_all(backbone, [fenced, plain_one, fenced], [1, 1, 1], Batching(steps=1))
    np.testing.assert_array_equal(pictures[0], pictures[2])
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1


def test_grids_and_tables() -> None:
    pictures = np.stack([np.full((2, 3, 3), k, np.uint8) for k in range(3)])
    whole = grid(pictures, 2)
    assert whole.shape == (4, 6, 3)
    assert whole[0, 4, 0] == 1
    assert whole[2, 0, 0] == 2
    assert whole[3, 5, 0] == 255
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


@pytest.fixture
def eyes(tmp_path: Path) -> Path:
    tiny.eyes(tmp_path / "eyes")
    return tmp_path / "eyes"


def test_readings_come_one_per_box(eyes: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (3, 128, 128, 3), dtype=np.uint8)
    boxes = [[(0.0, 0.0, 60.0, 128.0)], [], [(10.0, 10.0, 60.0, 60.0), (0.0, 0.0, 128.0, 128.0)]]
    reader = OracleReader(eyes / "oracle")
    readings = reader.looks(pictures, boxes)
    assert [len(own) for own in readings] == [1, 0, 2]
    assert readings[0][0].odds["kind"].sum() == pytest.approx(1, abs=1e-5)
    assert len(reader.scenes(pictures)) == 3
    assert len(ToonDetector(eyes / "detector").find(pictures)) == 3


def test_a_mirrored_picture_reads_alike(eyes: Path) -> None:
    pictures = np.random.default_rng(1).integers(0, 255, (2, 128, 128, 3), dtype=np.uint8)
    reader = OracleReader(eyes / "oracle")
    as_is = reader.looks(pictures, [[(20.0, 10.0, 60.0, 90.0)], [(0.0, 30.0, 128.0, 100.0)]])
    mirrored = reader.looks(pictures[:, :, ::-1], [[(68.0, 10.0, 108.0, 90.0)], [(0.0, 30.0, 128.0, 100.0)]])
    for one, other in zip(as_is, mirrored, strict=True):
        for name, odds in one[0].odds.items():
            np.testing.assert_allclose(odds, other[0].odds[name], atol=1e-4)
    assert reader.scenes(pictures) == reader.scenes(pictures[:, :, ::-1])


def test_stars_are_called_by_name_and_by_nothing_else() -> None:
    cases = star_cases(400, seed=3)
    assert {case.names[0] for case in cases} == set(stars())  # everybody's turn comes before the second round
    assert star_cases(5, seed=3) == cases[:5]
    for case, other in zip(cases, look_cases(400, 1, seed=3), strict=True):
        (name,), (look,) = case.names, case.cast
        assert look == stars()[name]
        words = case.panel.wording(STYLE)
        assert name in words
        assert look.kind not in words.split()
        assert (case.seed, case.action, case.place) == (other.seed, other.action, other.place)


def test_the_command_measures_everything_and_says_where(eyes: Path, tiny_base_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    few = ["--renders", "10", "--faces", "4", "--prompts", "3", "--looks", "2", "--told", "2", "--steps", "1"]
    few += ["--batch", "3"]
    where = ["--out", str(out), "--base", str(tiny_base_folder), "--eyes", str(eyes)]
    result = CliRunner().invoke(app, ["toon-base", *few, *where])
    assert result.exit_code == 0, result.output
    assert str(out) in result.output
    figures = json.loads((out / "toon-base.json").read_text())
    assert {row["engine"] for row in figures["looks"]} == {"text only", "by name"}
    assert figures["oracle"]["kind"]["count"] >= 10
    of_one = [row["attribute"] for row in figures["told"] if row["people"] == 1 and row["right"]["count"] == 2]
    assert {*PHRASES, *TOLD_TOGETHER["bottom_color"]} - {*of_one} <= {"accessory"}
    assert 0 < figures["vae_psnr"] < 40
    text = (out / "toon-base.md").read_text()
    for words in (
        "What the oracle reads",
        "3 prompts, 1 steps",
        "Looks of unseen characters",
        "described colors",
        "told in words",
    ):
        assert words in text
    for name in (
        "autoencoder.png",
        "words.png",
        "looks-text-only-1.png",
        "looks-text-only-2.png",
        "looks-by-name-1.png",
        "told-hair-1.png",
        "told-top-2.png",
    ):
        with Image.open(out / name) as picture:
            assert picture.width > 64
