"""The papers' claims as experiments: what each draws, writes, and says when weights are missing."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny
from typer.testing import CliRunner

from inkcast.assets import toon_weights
from inkcast.cast.character import Character, Identity
from inkcast.cli.evaluate import app
from inkcast.engines.any_story import figures
from inkcast.engines.any_story.weights import load_parts, save_encoders, save_router
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.errors import OutputError, UsageError
from inkcast.evaluation.batches import Batching
from inkcast.evaluation.evidence import lab as labs
from inkcast.evaluation.evidence.bias import KINDS_APART, TONES_APART, kinds_apart, tones_apart, traits
from inkcast.evaluation.evidence.casts import face_cases, kind_cases, look_alikes
from inkcast.evaluation.evidence.claims import CLAIMS, claim_named
from inkcast.evaluation.evidence.drawing import compared
from inkcast.evaluation.evidence.lab import Lab
from inkcast.evaluation.evidence.painters import PLAIN_SD, TRUE, TruePainter, painters
from inkcast.evaluation.evidence.running import gather_evidence, listing
from inkcast.evaluation.results import Shown, summary
from inkcast.evaluation.suites import PLAIN, BasePainter, Commission, Seen
from inkcast.evaluation.toon_base import Eyes
from inkcast.evaluation.toon_looks import LookCase
from inkcast.evaluation.toon_suite import case_suite
from inkcast.sdxl.backbone import Backbone
from inkcast.toon.dataset import sample_look
from inkcast.toon.world import CREATURES, SKINS, split_of
from inkcast.training.recipe import load_recipe
from inkcast.training.story_maker_ablations import PeopleAlone

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Eyes:
    folder = tmp_path_factory.mktemp("eyes")
    tiny.eyes(folder)
    return Eyes(folder)


@pytest.fixture
def lab(backbone: Backbone, eyes: Eyes, tmp_path: Path) -> Lab:
    """A tiny random base that finds its companions among the eyes."""
    base = replace(backbone, folder=eyes.folder)
    return Lab(base, tmp_path / "runs", True, 2, 7, Batching(steps=1, size=4), learning_steps=1)


def test_arms_differ_and_each_draws_under_its_name(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every arm of every claim is drawn; sides of a comparison are not one and the same picture."""

    # Random maps hardly show two figures: take it that they show one, in the left half.
    def left(routed: np.ndarray, acting: np.ndarray) -> np.ndarray:
        return np.where(np.arange(routed.shape[1]) < routed.shape[1] / 2, np.ones_like(routed), 0)

    monkeypatch.setattr(figures, "one_figure_each", left)
    lab = replace(lab, batching=Batching(steps=2, size=4))
    for name in ("any-story-encoders", "any-story-router", "story-maker-background"):
        claim = claim_named(name)
        cases = list(claim.cases(lab).items())
        suite = case_suite(name, dict(cases[-1:]), "").suite
        arms = list(painters(claim, lab))
        assert len({one.inner.digest for one in arms}) == len(arms), "options count"  # type: ignore[attr-defined]
        drawn = {one.name: one.paint(suite.commissions)[0] for one in arms}
        assert list(drawn) == ["text-only", *(arm.name for arm in claim.arms)]
        pictures = [picture.tobytes() for picture in drawn.values()]
        assert len(set(pictures)) == len(pictures), name


def test_one_claim_end_to_end(lab: Lab, eyes: Eyes, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = gather_evidence(["any-story-refining", "any-story-parameters"], lab, eyes, out)
    found |= gather_evidence(["bias"], replace(lab, count=1), eyes, out)
    for name in found:
        files = {path.name for path in (out / name).iterdir()}
        assert {"table.json", "table.csv", "table.md", "figure.png", "report.html"} <= files, name
        with Image.open(out / name / "figure.png") as figure:
            assert np.asarray(figure).std() > 0
        assert 'src="http' not in (out / name / "report.html").read_text()
    assert json.loads((out / "bias" / "table.json").read_text())["untrained"]
    assert "UNTRAINED" in (out / "bias" / "report.html").read_text()
    assert {row.arm for row in found["any-story-refining"].rows} == {"coarse", "refined"}
    maps = {(row.section, row.arm): row.value for row in found["any-story-refining"].rows}
    less = {section: value for (section, _), value in maps.items() if section.endswith(", less refined")}
    assert {"finer layers, less refined", "finer layers, t = 900, less refined"} < set(less)
    assert any(section.startswith("finer layers, subjects: ") for section in less)
    assert {arm for section, arm in maps if section in less} == {"coarse"}
    for section, value in less.items():
        where = section.removesuffix(", less refined")
        assert value.mean == pytest.approx(maps[where, "coarse"].mean - maps[where, "refined"].mean), section
    assert "| story-maker | " in (out / "bias" / "table.md").read_text()
    drawn = [row for row in found["bias"].rows if row.section == "one character, less ip-adapter"]
    assert {row.arm for row in drawn} == {"any-story", "story-maker"}
    assert {row.metric for row in drawn} == {"looks", "found"}
    rows = list(csv.DictReader((out / "bias" / "table.csv").open()))
    assert {row["arm"] for row in rows} == {"text-only", TRUE, "any-story", "story-maker", "ip-adapter"}
    sections = Counter(row["section"] for row in rows if row["metric"] == "looks")
    assert all(sections[f"skin tone: {tone}"] == sections[f"{TONES_APART}: {tone}"] == 5 for tone in SKINS)
    assert all(sections[f"kind: {kind}"] == sections[f"{KINDS_APART}: {kind}"] == 5 for kind in CREATURES)
    assert {row["low"] for row in rows} == {""}, "one block has no interval"
    assert (out / "bias" / "figures" / "by-skin-tone-any-story.svg").is_file()
    assert "bias" in (out / "evidence.html").read_text()


def test_maps_of_other_choices_need_to_be_told_to_replace(lab: Lab, eyes: Eyes, tmp_path: Path) -> None:
    one, name = replace(lab, count=1), "any-story-routes"
    gather_evidence([name], one, eyes, tmp_path)
    told = json.loads((tmp_path / name / "evaluation.json").read_text())
    assert (told["finished"], told["facts"]["count"], told["facts"]["seed"]) == (True, 1, 7)
    before = (tmp_path / name / "table.json").read_bytes()
    gather_evidence([name], one, eyes, tmp_path)
    assert (tmp_path / name / "table.json").read_bytes() == before
    for other in (replace(one, seed=8), replace(one, count=2)):
        with pytest.raises(OutputError, match="other choices"):
            gather_evidence([name], other, eyes, tmp_path)
    assert (tmp_path / name / "table.json").read_bytes() == before
    gather_evidence([name], replace(one, seed=8), eyes, tmp_path, overwrite=True)
    assert (tmp_path / name / "table.json").read_bytes() != before


def test_the_overview_holds_every_claim_that_was_measured(lab: Lab, eyes: Eyes, tmp_path: Path) -> None:
    bare = replace(lab, untrained=False)
    gather_evidence(["any-story-parameters"], lab, eyes, tmp_path)
    gather_evidence(["story-maker-lora"], bare, eyes, tmp_path)
    told = (tmp_path / "evidence.html").read_text()
    assert re.findall(r"<h2>(.*?)</h2>", told) == ["any-story-parameters", "story-maker-lora"]
    assert ">2.020<" in told.replace("<br>", "<")
    assert "parameters.lora=false" in told
    assert told.count("UNTRAINED") == 1, "said of the claim that was tried out alone"
    (tmp_path / "any-story-parameters" / "table.json").write_text("{}")
    with pytest.raises(OutputError, match=r"any-story-parameters/table\.json' is damaged"):
        gather_evidence(["story-maker-lora"], bare, eyes, tmp_path)


def test_an_engine_is_held_against_words_alone(
    lab: Lab, eyes: Eyes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped and gone on with; the difference is that of pictures of one prompt and seed, by hand from the lines."""
    two = claim_named("obedience-two")
    assert (two.sized(replace(lab, count=0)).count, two.against) == (500, claim_named("obedience").against)
    assert all(len(case.cast) == 2 for case in two.cases(lab).values())
    claim = claim_named("obedience")
    assert claim.sized(replace(lab, count=0)).count == 500
    many, out = replace(lab, count=8), tmp_path / "out"
    paint, calls, most = BasePainter.paint, Counter[str](), {"story-maker": 1}

    def counted(painter: BasePainter, commissions: Sequence[Commission]) -> list[np.ndarray]:
        if calls[painter.name] == most.get(painter.name):
            raise KeyboardInterrupt
        calls[painter.name] += 1
        return paint(painter, commissions)

    monkeypatch.setattr(BasePainter, "paint", counted)
    with pytest.raises(KeyboardInterrupt):
        gather_evidence(["obedience"], many, eyes, out)
    assert calls == {"text-only": 2, "any-story": 2, "story-maker": 1}
    most.clear()
    found = gather_evidence(["obedience"], many, eyes, out)["obedience"]
    assert calls == {"text-only": 2, "any-story": 2, "story-maker": 2, "ip-adapter": 2}

    rows = list(csv.DictReader((out / "obedience" / "evaluation.csv").open()))
    values = {(row["painter"], row["seed"]): float(row["action"]) for row in rows}
    seeds = {seed for _, seed in values}
    assert len(seeds) == 8
    less = {(row.arm, row.metric): row.value for row in found.rows if row.section == "one character, less words alone"}
    assert set(less) == {(arm.name, metric) for arm in claim.arms for metric in ("place", "action")}
    for arm in claim.arms:
        apart = [values[arm.name, seed] - values["text-only", seed] for seed in seeds]
        estimate = less[arm.name, "action"]
        assert (estimate.mean, estimate.count) == (pytest.approx(np.mean(apart)), 8)
        assert estimate.low <= estimate.mean <= estimate.high


def test_the_router_is_held_against_none_and_one_figure_against_the_router() -> None:
    claim = claim_named("any-story-router")
    asked = case_suite("router", look_alikes(Lab(None, count=3, seed=7)), "").suite  # type: ignore[arg-type]
    rate = {"router off": 0.75, "router on": 0.5, "router on, one figure": 0.25, PLAIN: 1.0}
    shown = [
        Shown(name, "", (), tuple(Seen({"looks": one, "swap_rate": one, "swap_asked": 2.0}) for _ in asked.commissions))
        for name, one in rate.items()
    ]
    found = {(row.section, row.arm, row.metric): row.value.mean for row in compared(claim, summary(asked, {}, shown))}
    where = "two characters, less router on"
    assert {key[1:]: mean for key, mean in found.items() if key[0] == where} == {
        (arm, metric): off
        for arm, off in (("router off", 0.25), ("router on, one figure", -0.25))
        for metric in ("looks", "swap_rate")
    }


def blocks() -> dict[str, LookCase]:
    """Two of two girls, alike but for the skin, and a cat; nobody twice."""
    found = {}
    for block in range(2):
        girl, cat = (sample_look(np.random.default_rng(block), "test", kind) for kind in ("girl", "cat"))
        for name, look in (("fair", replace(girl, body="fair")), ("ebony", replace(girl, body="ebony")), ("cat", cat)):
            found[f"{block}/{name}"] = LookCase((look,), "waving", "park", block)
    return found


BLOCKED = blocks()
LOOKS = {"0/fair": 0.9, "0/ebony": 0.5, "0/cat": 0.4, "1/fair": 0.3, "1/ebony": 0.3, "1/cat": 0.0}


def test_tones_and_kinds_are_held_against_others_of_their_block() -> None:
    commissions = case_suite("bias", BLOCKED, "", blocks=True).suite.commissions
    seen = [Seen({"looks": LOOKS[one.key]}) for one in commissions]
    found = tones_apart(BLOCKED, commissions, seen)
    assert (found["fair"].mean, found["ebony"].mean) == (pytest.approx(0.1), pytest.approx(-0.1))
    assert (found["ebony"].low, found["ebony"].high) == (pytest.approx(-0.2), pytest.approx(0))
    assert found["ebony"].count == 2
    kinds = kinds_apart(BLOCKED, commissions, seen)
    assert (kinds["cat"].mean, kinds["girl"].mean) == (pytest.approx(-0.2), pytest.approx(0.1))
    assert (kinds["cat"].low, kinds["cat"].high) == pytest.approx((-0.2, -0.2)), "less by as much in either block"
    assert (kinds["girl"].count, kinds["cat"].count) == (4, 2)


def test_pictures_of_a_block_are_drawn_whole() -> None:
    """Two blocks: whatever is drawn is the mean of one, of the other or of both; six pictures alone would say more."""
    suite = case_suite("bias", BLOCKED, "", blocks=True).suite
    seen = tuple(Seen({"looks": LOOKS[one.key]}) for one in suite.commissions)
    plain = tuple(Seen({"looks": 0.1}) for _ in seen)
    results = summary(suite, {}, [Shown(PLAIN, "", (), plain), Shown("any-story", "", (), seen)])
    looks = results.tables["one character"]["any-story"]["looks"]
    assert (looks.mean, looks.low, looks.high, looks.count) == pytest.approx((0.4, 0.2, 0.6, 6))
    assert set(results.tables["one character"]["any-story"]) == {"looks"}, "strangers of a block are no story"
    gain = results.gains["one character"]["any-story"]["looks"]
    assert (gain.low, gain.high) == pytest.approx((0.1, 0.5))
    girls = traits(BLOCKED, suite.commissions, seen)["kind"]["girl"]
    assert (girls.low, girls.high, girls.count) == pytest.approx((0.3, 0.7, 4))
    assert not any(one.block for one in case_suite("usual", BLOCKED, "").suite.commissions)
    assert claim_named("bias").blocks


def test_the_true_pictures_are_what_the_oracle_can_reach(lab: Lab) -> None:
    one = replace(lab, count=1)
    claim = claim_named("bias")
    _, true = (painter for painter, _ in zip(painters(claim, one), range(2), strict=False))
    assert true.name == TRUE
    cases = claim.cases(one)
    suite = case_suite("bias", cases, "").suite
    place = [key.partition("/")[2] for key in cases].index("ebony")
    drawn = true.paint(suite.commissions)
    assert len(drawn) == len(SKINS) + len(CREATURES)
    assert drawn[0].shape == (lab.base.side, lab.base.side, 3)
    np.testing.assert_array_equal(true.paint(suite.commissions[place:])[0], drawn[place])

    def share(picture: np.ndarray) -> float:
        return float((np.abs(picture.astype(int) - SKINS["ebony"]).max(-1) < 12).mean())

    assert share(drawn[place]) > share(drawn[0]) + 0.01, "the skin that is asked for"
    scene = true.scene(next(iter(cases.values())))  # type: ignore[attr-defined]
    assert (scene.actors[0].view, scene.time, scene.weather) == ("front", "day", "clear")
    assert true.digest == TruePainter(cases, lab.base.side).digest
    moved = {key: replace(case, place="moon") for key, case in cases.items()}
    assert len({true.digest, TruePainter(cases, 32).digest, TruePainter(moved, lab.base.side).digest}) == 3


def test_table_one_is_the_papers(lab: Lab, eyes: Eyes, tmp_path: Path) -> None:
    rows = gather_evidence(["any-story-parameters"], lab, eyes, tmp_path)["any-story-parameters"].rows
    counted = {(row.section, row.arm): row.value.mean for row in rows}
    for part in ("original ReferenceNet", "simplified ReferenceNet"):
        assert round(counted[part, "here"], 2) == counted[part, "paper"]


def test_without_weights_it_says_what_to_train(lab: Lab, eyes: Eyes, tmp_path: Path) -> None:
    bare = replace(lab, untrained=False)
    outcome = gather_evidence(["story-maker-lora"], bare, eyes, tmp_path / "out")["story-maker-lora"]
    assert not outcome.rows
    assert "parameters.lora=false" in outcome.lacking["trained without"]
    told = json.loads((tmp_path / "out" / "story-maker-lora" / "table.json").read_text())
    assert told["lacking"]["StoryMaker"].startswith("needs weights: inkcast train recipes/story-maker-toon.toml --set ")
    text = listing([claim.name for claim in CLAIMS], bare)
    assert "with AdaIN: ready" in text
    assert "like SD 2.1: needs weights" in text


def test_arms_are_trained_alike_but_for_what_they_are_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands that the list tells, read as the command line reads them."""
    monkeypatch.chdir(DOCS.parent)

    def told(claim: str, arm: int) -> dict[str, Any]:
        recipe, *settings = claim_named(claim).arms[arm].training.split(" --set ")
        return load_recipe(Path(recipe), settings).model_dump(exclude={"name", "export", "out"})

    usual = told("story-maker-lora", -1)
    assert (usual["steps"], usual["max_minutes"], usual["parameters"]["poses"]) == (500, 0, False)
    for claim, arm, change in (
        ("story-maker-attention-loss", 0, {"attention_weight": 0}),
        ("story-maker-background", 0, {"background": False}),
        ("story-maker-lora", 0, {"lora": False}),
        ("story-maker-lora", 1, {}),
        ("story-maker-pose", 0, {"own_references": 1}),
    ):
        other = told(claim, arm)
        assert other["parameters"] == usual["parameters"] | change, claim
        assert {**other, "parameters": None} == {**usual, "parameters": None}, claim
    posed = told("story-maker-pose", 1)["parameters"]
    assert posed == {k: v for k, v in told("story-maker-pose", 0)["parameters"].items() if k != "poses"}
    shown = " ".join((DOCS / "evidence.md").read_text().replace("\\\n", " ").split())
    for claim in CLAIMS:
        for arm in claim.arms:
            assert "story-maker" not in arm.run or f"inkcast train {arm.training}" in shown, arm.name


def test_weights_are_found_where_training_left_them(lab: Lab, tmp_path: Path) -> None:
    fresh = labs.any_story(lab, None)
    export = tmp_path / "runs" / "any-story-stage2-toon" / "export"
    save_encoders(fresh.parts, export)  # type: ignore[attr-defined]
    save_router(fresh.parts.router, export)  # type: ignore[attr-defined]
    trained = replace(lab, untrained=False)
    arm = claim_named("any-story-router").arms[0]
    assert arm.weights(trained) == export
    assert not arm.lacks(trained)
    engine = arm.make(trained, export)
    assert engine.options.router == "off"  # type: ignore[attr-defined]
    assert load_parts(lab.base, export).router is not None


def test_stable_identity_s_arms_learn_differently(lab: Lab) -> None:
    engines = [
        arm.make(lab, None)
        for name in ("stable-identity-loss", "stable-identity-prior")
        for arm in claim_named(name).arms
    ]
    assert all(isinstance(engine, StableIdentity) for engine in engines)
    assert [engine.learning.alpha for engine in engines[:4]] == [0.0, 0.4, 0.5, 0.6]  # type: ignore[attr-defined]
    assert [engine.learning.prior for engine in engines[4:]] == [False, True]  # type: ignore[attr-defined]
    assert isinstance(claim_named("story-maker-background").arms[0].make(lab, None), PeopleAlone)


def test_bases_are_compared_by_words_alone_and_by_faces(lab: Lab) -> None:
    """Each arm draws on its own base; a base without eyes of its own is seen by those that ship."""
    other = Backbone("tiny sd", "sd", tiny.sd_pipeline(), lab.base.device, lab.base.dtype, "digest of sd")
    claim = claim_named("bases")
    bare = replace(lab.base, folder=None)
    drawn = {one.name: one for one in painters(claim, replace(lab, base=bare, other_base=other))}
    assert list(drawn) == ["text-only", PLAIN_SD, "like SD 2.1", "like SDXL"]
    inner = {name: one.inner for name, one in drawn.items()}  # type: ignore[attr-defined]
    assert [one.base for one in inner.values()] == [bare, other, other, bare]
    assert [one.engine is None for one in inner.values()] == [True, True, False, False]
    for name in ("like SD 2.1", "like SDXL"):
        assert inner[name].engine.eyes.faces.encoder == toon_weights() / "face"
    assert len({one.digest for one in drawn.values()}) == 4
    assert list(painters(claim, lab))[1].name == "like SDXL", "without the other base it is left out"


def test_a_face_is_learned_once_in_each_way(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four pictures of a face, and two claims with the same arm, learn it once; another way of learning learns anew."""
    kept = replace(lab, count=8, faces=tmp_path / "faces")
    cases = face_cases(kept)
    suite = case_suite("faces", cases, "").suite
    assert [len({case.cast for case in list(cases.values())[k : k + 4]}) for k in (0, 4)] == [1, 1]
    assert len({case.cast for case in cases.values()}) == len({one.cluster for one in suite.commissions}) == 2
    assert all(case.cast[0].human and split_of(case.cast[0]) == "test" for case in cases.values())

    learned = []

    def learn(engine: StableIdentity, who: Character, *, keep: Callable[[Identity], None], **how: object) -> Identity:
        learned.append(engine.learning)
        identity = Identity(engine.name, engine.digest, {"text_encoder": torch.randn(1, 2, 8)})
        keep(identity)
        return identity

    monkeypatch.setattr(StableIdentity, "learn", learn)
    character = suite.commissions[0].cast[0]
    arms = [arm for name in ("stable-identity-loss", "stable-identity-prior") for arm in claim_named(name).arms]
    words = {arm.name: arm.make(kept, None).encode(character).tensors["text_encoder"] for arm in arms}
    assert len(learned) == 5, "alpha 0.5 is what is learned with AdaIN"
    assert torch.equal(words["alpha 0.5"], words["with AdaIN"])
    assert not torch.equal(words["without AdaIN"], words["with AdaIN"])


def test_casts_ask_what_the_claim_is_about(lab: Lab) -> None:
    many = replace(lab, count=64)
    pairs = [case.cast for case in look_alikes(many).values() if len(case.cast) == 2]
    assert all(one.kind == other.kind and one != other for one, other in pairs)
    asked = claim_named("bias").sized(replace(lab, count=0))
    cases = kind_cases(asked)
    looks = [case.cast[0] for case in cases.values()]
    assert all(split_of(look) == "test" for look in looks)
    assert Counter((look.body, look.kind) for look in looks if look.human) == {
        (skin, kind): 12 for skin in SKINS for kind in ("girl", "boy")
    }
    assert Counter(look.kind for look in looks if not look.human) == dict.fromkeys(CREATURES, 24)
    blocks = {key.partition("/")[0]: (case.action, case.place, case.seed) for key, case in cases.items()}
    assert len(blocks) == 24
    assert all(blocks[key.partition("/")[0]] == (case.action, case.place, case.seed) for key, case in cases.items())


def test_an_unknown_claim_and_the_list() -> None:
    with pytest.raises(UsageError, match="any-story-encoders"):
        claim_named("nothing")
    told = (DOCS / "evidence.md").read_text()
    assert all(f"`{claim.name}`" in told for claim in CLAIMS), "every claim stands in docs/evidence.md"
    assert "evidence" in CliRunner().invoke(app, ["--help"]).output
