"""What judges say of pictures in a world of plain colours, where every number is known."""

from __future__ import annotations

import math
import re
from dataclasses import asdict
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.evaluation.colours import BLUE, GREEN, RED, WHITE, Halves, MeanColour, Tint, character, commission, halves

from inkcast.evaluation.evidence.outcome import Outcome, Row, as_csv
from inkcast.evaluation.figures import bars_svg
from inkcast.evaluation.groups import cids, clustered, differences, estimates, sections, story_characters
from inkcast.evaluation.judging import Judges, JudgeScorer
from inkcast.evaluation.people import FacePeople, within
from inkcast.evaluation.report import cell
from inkcast.evaluation.suites import Seen
from inkcast.evaluation.toon_report import between
from inkcast.vision.face import SeenFace

EYES, COLOUR = Halves(), MeanColour()
ALL = Judges(faces=EYES, words=COLOUR, clip=COLOUR, dino=COLOUR, people=EYES, looks=Tint())
ANN, BO = character("red", RED), character("blue", BLUE)


def see(picture: np.ndarray, *cast: object, judges: Judges = ALL) -> Seen:
    return JudgeScorer(judges).score([commission("x", *cast)], [picture])[0]  # type: ignore[arg-type]


def test_one_character_that_is_there() -> None:
    scores = see(halves(RED, WHITE), ANN).scores
    assert scores["face_sim"] == pytest.approx(1)
    assert scores["face_found"] == 1
    assert scores["likeness"] == pytest.approx(1)
    assert scores["occm"] == 100
    assert scores["copy_paste"] == pytest.approx(0.5), "a plain colour is its own mirror image"
    assert math.isnan(scores["swap_score"])
    whole = np.array([1.0, 0.5, 0.5]) / np.linalg.norm([1.0, 0.5, 0.5])
    assert scores["clip_i"] == scores["dino"] == pytest.approx(whole[0], abs=1e-6)
    assert scores["clip_t"] == pytest.approx(whole[0], abs=1e-6), "the prompt says red"


def test_an_empty_picture_scores_nothing() -> None:
    scores = see(halves(WHITE, WHITE), ANN, BO).scores
    assert scores["face_sim"] == scores["face_found"] == scores["likeness"] == scores["likeness_least"] == 0
    assert scores["occm"] == pytest.approx(100 * math.exp(-1), rel=1e-5)
    assert math.isnan(scores["copy_paste"])


def test_of_two_the_lost_one_decides() -> None:
    both = see(halves(BLUE, RED), ANN, BO)
    assert both.scores["face_sim"] == pytest.approx(1), "found in whatever order"
    assert both.scores["swap_score"] == pytest.approx(1)
    np.testing.assert_allclose(both.vectors[ANN.id], [1, 0, 0], atol=1e-6)
    lost = see(halves(RED, WHITE), ANN, BO)
    assert lost.scores["face_sim"] == lost.scores["likeness_least"] == 0
    assert lost.scores["face_found"] == 0.5
    assert lost.scores["likeness"] == pytest.approx(0.5)
    assert set(lost.vectors) == {ANN.id}
    twice = see(halves(RED, RED), ANN, BO)
    assert twice.scores["face_sim"] == pytest.approx(0), "the second red person is nothing like the blue reference"
    blend = see(halves((128, 0, 128), (128, 0, 128)), ANN, BO).scores
    assert blend["swap_score"] == pytest.approx(0)


def test_each_member_has_numbers_of_their_own() -> None:
    lost = see(halves(RED, WHITE), ANN, BO)
    ann, bo = lost.members[ANN.id], lost.members[BO.id]
    assert (ann["face_sim"], ann["likeness"], ann["swap_score"]) == pytest.approx((1, 1, 1))
    assert (bo["face_sim"], bo["likeness"]) == (0, 0)
    assert math.isnan(bo["swap_score"])
    assert math.isnan(bo["copy_paste"])
    for both in (lost, see(halves(BLUE, RED), ANN, BO), see(halves(RED, GREEN), ANN, BO)):
        each = list(both.members.values())
        assert both.scores["face_sim"] == min(one["face_sim"] for one in each)
        assert both.scores["likeness"] == pytest.approx(np.mean([one["likeness"] for one in each]))
        assert both.scores["swap_score"] == pytest.approx(np.nanmean([one["swap_score"] for one in each]))


def test_what_no_judge_reads_is_not_measured() -> None:
    assert set(see(halves(RED, WHITE), ANN, judges=Judges(clip=COLOUR)).scores) == {"clip_i"}
    faceless = character("white", WHITE)
    assert math.isnan(see(halves(RED, WHITE), faceless).scores["face_sim"])
    assert see(halves(WHITE, WHITE)).scores["occm"] == 100, "nobody is asked for"


def test_people_around_faces_keep_to_their_part_of_the_picture() -> None:
    class OneFace:
        dim = 3

        def read(self, picture: np.ndarray) -> tuple[SeenFace, ...]:
            return (SeenFace((4, 4, 8, 8), np.zeros((5, 2)), 1.0, np.array([1.0, 0, 0])),)

    (crop,) = FacePeople(OneFace(), side=16).find(halves(RED, GREEN))
    assert crop.shape == (16, 16, 3)
    assert COLOUR.embed(_tensor(crop))[0, 1] < COLOUR.embed(_tensor(crop))[0, 0], "the green half is outside the reach"
    assert within((1.0, 0.0, 3.0, 2.0), (4, 4)).sum() == 4


def _tensor(picture: np.ndarray):  # type: ignore[no-untyped-def]
    from inkcast.vision.crops import to_tensor

    return to_tensor(picture[None])


def test_intervals_are_over_clusters() -> None:
    values, clusters = [1.0] * 50 + [0.0] * 50, ["a"] * 50 + ["b"] * 50
    together = clustered(values, clusters)
    assert (together.mean, together.low, together.high, together.count) == (0.5, 0.0, 1.0, 100)
    alone = clustered(values, [str(k) for k in range(100)])
    assert 0.35 < alone.low < alone.high < 0.65
    assert clustered([1.0, math.nan, 0.0, 0.0], list("abcd"), [3.0, 1.0, 1.0, 0.0]).mean == 0.75
    assert clustered([math.nan], ["a"]).count == 0


def test_one_cluster_has_no_interval() -> None:
    alone = clustered([0.2, 0.4], ["a", "a"])
    assert (alone.mean, alone.count, alone.bounded) == (pytest.approx(0.3), 2, False)
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)
    assert str(alone) == "0.300"
    assert cell(alone) == "0.300<br><small>n = 2</small>"
    assert between(asdict(alone)) == "0.300"
    assert as_csv(Outcome((Row("one", "arm", "looks", alone),))).splitlines()[1] == f"one,arm,looks,{alone.mean},,,2"
    ElementTree.fromstring(drawn := bars_svg({"looks": alone}, "looks"))
    assert "nan" not in drawn
    assert "H" not in "".join(re.findall(r' d="([^"]*)"', drawn)), "no line across an interval"
    less = differences(
        [commission("a", ANN)],
        *([Seen({"swap_rate": rate, "swap_asked": 2.0})] for rate in (0.5, 0.0)),
    )["swap_rate"]
    assert (less.mean, less.bounded, less.count) == (0.5, False, 1)
    assert clustered([0.2, 0.4], ["a", "b"]).bounded


def test_a_share_of_a_count_is_weighed_by_it() -> None:
    asked = [commission(name, ANN) for name in "ab"]
    seen = [Seen({"swap_rate": 0.5, "swap_asked": 2.0}), Seen({"swap_rate": 0.0, "swap_asked": 6.0})]
    found = estimates(asked, seen)
    assert found["swap_rate"].mean == pytest.approx(1 / 8)
    assert "swap_asked" not in found


def test_gains_are_differences_of_pairs() -> None:
    asked = [commission(name, ANN) for name in "abc"]
    seen = [Seen({"place": value, "looks": 1.0}) for value in (1.0, 0.0, 1.0)]
    plain = [Seen({"place": value}) for value in (1.0, 1.0, 0.0)]
    found = differences(asked, seen, plain)
    assert set(found) == {"place"}
    assert found["place"].mean == 0
    assert found["place"].low < 0 < found["place"].high


def test_shares_are_compared_over_the_same_clusters() -> None:
    """By hand: 3 of 12 less 3 of 6; the interval from every cluster's counts, drawn alike for both arms."""
    asked = [commission(name, ANN, cluster=name[0]) for name in ("a1", "a2", "b1", "c1", "d1")]
    ours = [(0.5, 2.0), (0.0, 4.0), (0.5, 4.0), (math.nan, 0.0), (0.0, 2.0)]
    theirs = [(0.5, 2.0), (math.nan, 0.0), (1.0, 2.0), (math.nan, 0.0), (0.0, 2.0)]
    arms = [[Seen({"swap_rate": rate, "swap_asked": count}) for rate, count in arm] for arm in (ours, theirs)]
    found = differences(asked, *arms)
    assert set(found) == {"swap_rate"}
    less = found["swap_rate"]
    assert (less.mean, less.count) == (pytest.approx(3 / 12 - 3 / 6), 4)
    sums = np.array([[(1, 6), (2, 4), (0, 2)], [(1, 2), (2, 2), (0, 2)]], dtype=float)  # of a, b and d
    drawn = sums[:, np.random.default_rng(0).integers(3, size=(2000, 3))].sum(2)
    apart = drawn[0, :, 0] / drawn[0, :, 1] - drawn[1, :, 0] / drawn[1, :, 1]
    assert (less.low, less.high) == pytest.approx(tuple(np.quantile(apart, [0.025, 0.975])))
    same = differences(asked, arms[0], arms[0])["swap_rate"]
    assert (same.mean, same.low, same.high) == (0, 0, 0), "an arm does not differ from itself"
    nobody = [Seen({"swap_rate": math.nan, "swap_asked": 0.0})] * 5
    assert differences(asked, arms[0], nobody) == {}


def test_sections_and_stories() -> None:
    first = commission("1", ANN, section="one", cluster="story")
    second = commission("2", ANN, BO, section="two", cluster="story")
    third = commission("3", ANN, section="one", cluster="story")
    assert sections([first, second, third]) == {"one": [0, 2], "two": [1]}
    east, diagonal = np.array([1.0, 0.0]), np.array([0.6, 0.8])
    known = {ANN.id: east[None], BO.id: east[None]}
    seen = [Seen({}, {ANN.id: east}, known), Seen({}, {}, known), Seen({}, {ANN.id: diagonal}, known)]
    ann, bo = story_characters([first, second, third], seen)
    assert (ann.found, ann.expected) == (2, 3)
    assert ann.cross == pytest.approx(0.8)
    assert ann.own == pytest.approx(0.6)
    assert (bo.found, bo.cross) == (0, 0.0)
    assert math.isnan(bo.own)
    assert cids([ann, bo])["cids_cross"].mean == pytest.approx(0.4)
