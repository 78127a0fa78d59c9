"""The commands over a tiny random base: what they draw, measure, write and refuse."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from tests import tiny
from tests.evaluation.colours import BLUE, RED, character, commission
from typer.testing import CliRunner

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.cli.evaluate import app
from inkcast.engines.any_story.options import Options
from inkcast.engines.engine import Conditioning, PanelPrompt, Style
from inkcast.engines.stable_identity.learn import Learning
from inkcast.engines.stable_identity.prior import famous
from inkcast.errors import EngineError, OutputError, UsageError
from inkcast.evaluation.batches import Batching
from inkcast.evaluation.data_suites import data_suite
from inkcast.evaluation.judging import Judges
from inkcast.evaluation.matching import SCORED, Case, Matched
from inkcast.evaluation.measuring import (
    Choices,
    JudgeSources,
    check_pairs,
    engines_of,
    evaluate_data,
    evaluate_toon,
    judge_facts,
    judges_of,
)
from inkcast.evaluation.oracle import SceneReading
from inkcast.evaluation.suites import PLAIN, BasePainter, Seen
from inkcast.evaluation.toon_base import Eyes
from inkcast.evaluation.toon_suite import by_trait, looks_chance, member_scores, oracle_scores, toon_suite
from inkcast.evaluation.toon_words import plain
from inkcast.events import Event, Note
from inkcast.sdxl.backbone import Backbone
from inkcast.toon.dataset import sample_look
from inkcast.toon.world import Look, split_of

GIRL = Look("girl", "tan", "round", "bob", "black", "blue", "red", "plain", "skirt", "blue", "none")


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eyes")
    tiny.eyes(folder)
    return folder


class Named:
    """An engine that says the character's name; it counts what it is asked."""

    name: ClassVar[str] = "named"
    digest = "d"

    def __init__(self, base: Backbone) -> None:
        self.base, self.calls, self.is_active = base, Counter[str](), False

    def encode(self, character: Character) -> Identity:
        self.calls[f"encode {character.name}"] += 1
        return Identity(self.name, self.digest)

    def condition(self, panel: PanelPrompt, cast: Mapping[CharacterId, Identity], style: Style) -> Conditioning:
        assert self.is_active
        assert {member.id for member in panel.members} <= cast.keys()
        return plain(self.base, panel.wording(style, {member.id: member.name for member in panel.members}))

    @contextmanager
    def active(self) -> Iterator[None]:
        self.is_active = True
        yield
        self.is_active = False


def test_a_painter_encodes_each_character_once_and_repeats_itself(backbone: Backbone) -> None:
    engine = Named(backbone)
    painter = BasePainter(backbone, engine, Batching(steps=1, size=2))
    ann, bo = character("girl", RED), character("cat", BLUE)
    asked = [commission("park", ann), commission("the park", ann, bo)]
    first = painter.paint(asked)
    again = painter.paint(asked)
    assert engine.calls == {"encode girl": 1, "encode cat": 1}
    assert not engine.is_active
    assert painter.name == "named"
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    words = BasePainter(backbone, None, Batching(steps=1, size=2))
    assert words.name == PLAIN
    assert np.abs(words.paint(asked)[0].astype(int) - first[0]).max() > 0, "'a girl' is not 'girl'"


def test_a_painter_s_digest_follows_the_settings_and_the_weights(backbone: Backbone) -> None:
    base = BasePainter(backbone, None, Batching(steps=1)).digest
    other = Named(backbone)
    other.digest = "e"
    digests = {
        base,
        BasePainter(backbone, None, Batching(steps=2)).digest,
        BasePainter(backbone, None, Batching(steps=1, guidance=4.0)).digest,
        BasePainter(backbone, Named(backbone), Batching(steps=1)).digest,
        BasePainter(backbone, other, Batching(steps=1)).digest,
    }
    assert len(digests) == 5
    assert BasePainter(backbone, None, Batching(steps=1)).digest == base


def test_a_painter_s_digest_follows_options_and_learning(backbone: Backbone) -> None:
    """All that decides what a face's words become, steps too; what only saves memory does not."""

    def digest(**changes: object) -> str:
        engine = Named(backbone)
        for name, value in changes.items():
            setattr(engine, name, value)
        return BasePainter(backbone, engine, Batching(steps=1)).digest

    fame = famous(backbone.tokenizers)
    ways = [{"steps": 9}, {"alpha": 0.1}, {"rate": 1e-3}, {"seed": 1}, {"prior": False}, {}]
    learned = [digest(learning=Learning(**way), fame=fame) for way in ways]  # type: ignore[arg-type]
    options = [digest(options=Options(router=mode)) for mode in ("off", "coarse")]  # type: ignore[arg-type]
    assert len({digest(), *learned, *options}) == len(ways) + 3
    assert digest(learning=Learning(checkpointing=True), fame=fame) == learned[-1]
    assert digest(options=Options()) == digest(), "as usual"


def test_the_toon_suite_asks_for_unseen_casts_of_their_own() -> None:
    chosen = toon_suite({1: 5, 2: 4, 3: 2}, seed=7)
    assert [one.section for one in chosen.suite.commissions].count("two characters") == 4
    looks = [look for case in chosen.cases.values() for look in case.cast]
    assert len(looks) == 5 + 8 + 6
    assert all(split_of(look) == "test" for look in looks)
    more = toon_suite({1: 6, 2: 4, 3: 2}, seed=7)
    assert {one.key: one.words for one in chosen.suite.commissions}.items() <= {
        one.key: one.words for one in more.suite.commissions
    }.items()


def test_what_the_oracle_reads_becomes_scores() -> None:
    chosen = toon_suite({2: 1}, seed=3)
    (case,) = chosen.cases.values()

    class Reads:
        def __init__(self, look: object) -> None:
            self.look = look

        def word(self, name: str) -> str:
            return "some other thing" if name == "action" else str(getattr(self.look, name))

    first, second = case.cast
    scene = SceneReading({"place": case.place})
    scores = oracle_scores(case, Matched(Case(case.cast), (Reads(second), None), 1), scene)  # type: ignore[arg-type]
    shared = sum(getattr(first, name) == getattr(second, name) for name in SCORED)
    assert scores["looks"] == pytest.approx(shared / len(SCORED) / 2)
    assert scores["found"] == 0.5
    assert (scores["place"], scores["action"]) == (1, 0)
    assert scores["swap_rate"] == 1, "all that differs is the other's"
    assert scores["swap_asked"] == len(SCORED) - shared
    assert scores["look.top"] == (0.5 if first.top == second.top else 0.0)

    ann, bo = member_scores(case, Matched(Case(case.cast), (Reads(second), None), 1))  # type: ignore[arg-type]
    assert (ann["found"], ann["swap_rate"], bo["found"], bo["looks"]) == (1, 1, 0, 0)
    assert math.isnan(bo["swap_rate"])
    assert scores["looks"] == pytest.approx((ann["looks"] + bo["looks"]) / 2)
    assert ann["look.top"] == (first.top == second.top)


def test_chance_is_what_strangers_of_the_same_kind_share() -> None:
    """By hand from the world's distribution: even but for accessories, a quarter of them none from the start."""
    girl = looks_chance(replace(next(iter(toon_suite({1: 1}, 0).cases.values())), cast=(GIRL,)))
    none = 1 / 4 + 3 / 4 / 9
    accessory = none**2 + 8 * (3 / 4 / 9) ** 2
    assert accessory == pytest.approx(1 / 6)
    eighth, third, sixth = 1 / 8, 1 / 3, 1 / 6
    assert girl["look.body"] == girl["look.top"] == girl["look.eyes"] == pytest.approx(eighth)
    assert girl["look.hair"] == pytest.approx(1 / 12)
    assert girl["look.accessory"] == pytest.approx(accessory)
    assert girl["looks"] == pytest.approx((5 * eighth + 2 * third + 1 / 12 + sixth + accessory) / 10)
    assert girl["face_looks"] == pytest.approx((3 * eighth + third + 1 / 12) / 5)

    rng = np.random.default_rng(0)
    many = [sample_look(rng, "test", "girl") for _ in range(600)]
    for name in SCORED:
        counts = Counter(getattr(look, name) for look in many)
        agree = sum(count * (count - 1) for count in counts.values()) / (600 * 599)
        assert girl[f"look.{name}"] == pytest.approx(agree, abs=0.02), name


def test_looks_by_kind_and_skin_count_single_characters_only() -> None:
    chosen = toon_suite({1: 12, 2: 2}, seed=1)
    seen = [Seen({"looks": float(len(chosen.cases[one.key].cast) == 1)}) for one in chosen.suite.commissions]
    found = by_trait(chosen.cases, chosen.suite.commissions, seen)
    assert sum(one.count for one in found["kind"].values()) == 12
    assert all(one.mean == 1 for one in found["kind"].values())
    humans = sum(case.cast[0].human for case in chosen.cases.values() if len(case.cast) == 1)
    assert sum(one.count for one in found["skin tone"].values()) == humans


def test_engines_are_those_with_weights_and_learners_only_by_name(backbone: Backbone) -> None:
    heard: list[Event] = []
    assert engines_of(backbone, (), heard.append) == ()
    texts = [event.text for event in heard if isinstance(event, Note)]
    assert any("stable-identity learns every character" in text for text in texts)
    assert any("no engine" in text for text in texts)
    assert engines_of(backbone, ("stable-identity",), heard.append) == ("stable-identity",)
    with pytest.raises(EngineError, match=r"has no engines/ip-adapter/adapter\.safetensors"):
        engines_of(backbone, ("ip-adapter",), heard.append)


def test_pairs_of_words_alone_are_refused_before_drawing(eyes: Path, tiny_base_folder: Path, tmp_path: Path) -> None:
    choices = Choices(str(tiny_base_folder), pairs=2)
    with pytest.raises(UsageError, match="two painters"):
        evaluate_toon(tmp_path / "out", choices, {1: 1}, eyes=eyes)
    assert not (tmp_path / "out").exists()
    check_pairs(choices, ("any-story",))


def test_judges_are_known_by_their_weights(eyes: Path, tmp_path: Path) -> None:
    shutil.copytree(eyes, tmp_path / "moved")
    assert Eyes(tmp_path / "moved").digest == Eyes(eyes).digest
    for part in ("oracle", "detector", "face_judge", "judge", "image_encoder"):
        before = Eyes(tmp_path / "moved").digest
        (weights,) = (tmp_path / "moved" / part).glob("*.safetensors")
        weights.write_bytes(weights.read_bytes()[:-1] + b"?")
        assert Eyes(tmp_path / "moved").digest != before, part
    pack = tmp_path / "pack"
    pack.mkdir()
    sources = JudgeSources(faces=pack)
    found = []
    for data in (b"one", b"two", b"one"):
        (pack / "w600k.onnx").write_bytes(data)
        found.append(judge_facts(sources, Judges())["faces"])
    assert found[0] == found[2] != found[1]


def test_other_data_need_to_be_told_to_replace(eyes: Path, tiny_base_folder: Path, tmp_path: Path) -> None:
    """The same names and as many pictures, of somebody else."""
    picture, out = tmp_path / "data" / "a" / "0.png", tmp_path / "out"
    picture.parent.mkdir(parents=True)
    choices = Choices(str(tiny_base_folder), batching=Batching(steps=1, size=20))

    def evaluated(colour: str) -> None:
        Image.new("RGB", (32, 32), colour).save(picture)
        suite = data_suite("storymaker", tmp_path / "data", 0, 1, 1)
        evaluate_data(replace(suite, commissions=suite.commissions[:1]), out, choices, JudgeSources(), eyes=eyes)

    evaluated("red")
    evaluated("red")
    with pytest.raises(OutputError, match="other choices"):
        evaluated("blue")


def test_somebody_must_judge(eyes: Path) -> None:
    with pytest.raises(UsageError, match="give --clip, --dino or --faces"):
        judges_of("some/base", JudgeSources(), "cpu", None)
    assert judges_of("some/base", JudgeSources(), "cpu", eyes).people is not None
    named = judges_of("toon", JudgeSources(clip="some/clip"), "cpu", eyes)
    assert named.words is named.clip is named.looks
    assert named.people is None


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def test_toon_on_the_command_line(eyes: Path, tiny_base_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    where = ["--out", str(out), "--base", str(tiny_base_folder), "--eyes", str(eyes)]
    few = ["--one", "2", "--two", "1", "--three", "1", "--steps", "1", "--batch", "2"]
    assert str(out) in invoke("toon", *few, *where)
    found = json.loads((out / "evaluation.json").read_text())
    assert found["facts"]["counts"] == {"1": 2, "2": 1, "3": 1}
    assert set(found["tables"]) == {"one character", "two characters", "three characters", "all"}
    row = found["tables"]["all"][PLAIN]
    assert {"looks", "found", "place", "action", "clip_i", "dino", "occm", "likeness", "look.top"} <= row.keys()
    assert row["place"]["count"] == 4
    assert sum(value["count"] for value in found["extras"][PLAIN]["kind"].values()) == 2
    rows = list(csv.DictReader((out / "evaluation.csv").open()))
    assert len(rows) == 4
    assert all((out / row["picture"]).is_file() for row in rows)
    members = list(csv.DictReader((out / "members.csv").open()))
    assert Counter(row["key"] for row in members) == {"1/0": 1, "1/1": 1, "2/0": 2, "3/0": 3}
    assert {"looks", "look.accessory", "found", "likeness", "face_sim"} <= members[0].keys()
    for row in rows:
        own = [float(member["looks"]) for member in members if member["key"] == row["key"]]
        assert float(row["looks"]) == pytest.approx(np.mean(own), abs=1e-5)
    assert set(found["chance"]) == set(found["tables"])
    assert found["chance"]["one character"]["look.top"] == pytest.approx(1 / 8)
    assert "<td>by chance</td>" in (out / "report.html").read_text()
    assert all((out / file).is_file() for figures in found["figures"].values() for file in figures.values())
    assert f"by kind {PLAIN}.svg".replace(" ", "-") in {path.name for path in (out / "figures").iterdir()}
    before = (out / "evaluation.json").read_bytes()
    invoke("toon", *few, *where)
    assert (out / "evaluation.json").read_bytes() == before


def test_a_data_suite_on_the_command_line(eyes: Path, tiny_base_folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), "red").save(tmp_path / "data" / name / "0.png")
    out = tmp_path / "report"
    where = ["--out", str(out), "--base", str(tiny_base_folder), "--eyes", str(eyes)]
    few = ["--limit", "1", "--images", "1", "--steps", "1", "--batch", "20"]
    invoke("storymaker", str(tmp_path / "data"), *few, *where)
    found = json.loads((out / "evaluation.json").read_text())
    assert found["pictures"] == 20
    assert found["tables"][""][PLAIN]["clip_i"]["count"] == 20
    assert (out / "report.html").stat().st_size > 1000


def test_preferences_on_the_command_line(tmp_path: Path) -> None:
    study = {"study": "s", "pairs": [{"commission": "1", "left": "a", "right": "b"}]}
    (tmp_path / "pairs.json").write_text(json.dumps(study))
    given = [{"pair": 0, "question": "words", "choice": "right"}]
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"study": "s", "rater": "r", "answers": given}))
    assert "words: a over b: 0.000" in invoke("preferences", str(tmp_path), str(answers))
    found = json.loads(invoke("preferences", str(tmp_path), str(answers), "--json"))
    assert found["raters"] == 1
    assert found["preferences"][0]["losses"] == 1
