"""A suite end to end with a fake painter: pictures kept, runs gone on with, results that say what was drawn."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from tests.evaluation.colours import BLUE, RED, Halver, Halves, MeanColour, Tint, character, commission

from inkcast.errors import BaseModelError, OutputError, UsageError
from inkcast.evaluation.figures import bars
from inkcast.evaluation.intervals import Estimate
from inkcast.evaluation.judging import Judges, JudgeScorer
from inkcast.evaluation.pairs import count_answers, wilson
from inkcast.evaluation.results import Results
from inkcast.evaluation.running import run_suite
from inkcast.evaluation.suites import PLAIN, Suite, painted, picture_key
from inkcast.events import Event, Progress

ANN, BO = character("red", RED), character("blue", BLUE)
SUITE = Suite(
    "colours",
    (
        *(commission(f"one-{k}", ANN, section="one", cluster="a") for k in range(3)),
        *(commission(f"two-{k}", ANN, BO, section="two", cluster="b") for k in range(2)),
    ),
    "plain <colours>",
)
FACTS = {"steps": 1}


def run(
    out: Path, *painters: Halver, pairs: int = 0, facts: dict[str, int] = FACTS, overwrite: bool = False
) -> Results:
    eyes = Halves()
    judges = Judges(eyes, MeanColour(), MeanColour(), None, eyes, Tint())
    return run_suite(SUITE, painters, JudgeScorer(judges), out, facts, pairs=pairs, overwrite=overwrite)


def both() -> tuple[Halver, Halver]:
    return Halver(PLAIN, "0", blank=True), Halver("halver <1>")


def test_results_say_who_drew_what_how_well(tmp_path: Path) -> None:
    run(tmp_path, *both())
    found = json.loads((tmp_path / "evaluation.json").read_text())
    assert found["finished"]
    assert found["painters"] == {PLAIN: "0", "halver <1>": "1"}
    one = found["tables"]["one"]
    assert one[PLAIN]["face_sim"]["mean"] == 0
    assert one["halver <1>"]["face_sim"] == {"mean": 1, "low": None, "high": None, "count": 3}, "one cast"
    assert found["tables"]["all"]["halver <1>"]["face_sim"] == {"mean": 1, "low": 1, "high": 1, "count": 5}
    assert found["tables"]["one"]["halver <1>"]["cids_self"]["mean"] == pytest.approx(1)
    assert found["gains over words alone"]["two"]["halver <1>"]["likeness"]["mean"] == pytest.approx(1)
    assert PLAIN not in found["gains over words alone"]["two"]
    rows = list(csv.DictReader((tmp_path / "evaluation.csv").open()))
    assert len(rows) == 10
    last = rows[-1]
    assert (last["painter"], last["key"], last["section"], last["seed"]) == ("halver <1>", "two-1", "two", "5")
    assert last["words"] == "a red and a blue in two-1"
    assert float(last["face_sim"]) == 1
    with Image.open(tmp_path / last["picture"]) as picture:
        assert picture.getpixel((0, 0)) == RED
    assert rows[0]["swap_score"] == "", "one character has nobody to be swapped with"


def test_every_member_has_a_line_of_their_own(tmp_path: Path) -> None:
    run(tmp_path, *both())
    rows = list(csv.DictReader((tmp_path / "members.csv").open()))
    assert len(rows) == 2 * (3 + 2 * 2)
    assert [(row["key"], row["member"]) for row in rows[3:7]] == [
        ("two-0", "red"),
        ("two-0", "blue"),
        ("two-1", "red"),
        ("two-1", "blue"),
    ]
    last = rows[-1]
    assert (last["painter"], last["section"], last["seed"], last["name"]) == ("halver <1>", "two", "5", "blue")
    assert (tmp_path / last["picture"]).is_file()
    assert float(last["face_sim"]) == float(last["likeness"]) == float(last["swap_score"]) == 1
    assert {row["face_sim"] for row in rows if row["painter"] == PLAIN} == {"0"}


def test_the_report_s_figures_are_files_too(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "evaluation.json").write_text("{}")
    (tmp_path / "figures" / "four-characters-looks.svg").write_text("of other choices")
    run(tmp_path, *both(), overwrite=True)
    named = json.loads((tmp_path / "evaluation.json").read_text())["figures"]
    assert set(named) == {"one", "two", "all"}
    files = [file for figures in named.values() for file in figures.values()]
    assert named["two"]["face_sim"] == "figures/two-face-sim.svg"
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {Path(file).name for file in files}
    page = (tmp_path / "report.html").read_text()
    for file in files:
        drawn = (tmp_path / file).read_text()
        assert drawn.strip() in page
        assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    assert "halver &lt;1&gt;" in (tmp_path / named["one"]["face_sim"]).read_text()


def test_what_chance_gives_stands_beside_what_was_reached(tmp_path: Path) -> None:
    shares = {one.key: {"likeness": 0.1 if one.section == "one" else 0.4} for one in SUITE.commissions}
    judges = JudgeScorer(Judges(clip=MeanColour(), people=Halves(), looks=Tint()))
    run_suite(replace(SUITE, chance=shares), both(), judges, tmp_path, FACTS)
    found = json.loads((tmp_path / "evaluation.json").read_text())["chance"]
    assert found["one"] == {"likeness": pytest.approx(0.1)}
    assert found["all"] == {"likeness": pytest.approx((3 * 0.1 + 2 * 0.4) / 5)}
    page = (tmp_path / "report.html").read_text()
    lines = re.findall(r"<tr><td>by chance</td>(.*?)</tr>", page)
    assert [re.findall(r"\d\.\d+", line) for line in lines] == [["0.100"], ["0.400"], ["0.220"]]
    assert "likeness ↑, by chance 0.22" in page
    assert "stroke-dasharray" in (tmp_path / "figures" / "all-likeness.svg").read_text()


def test_a_stopped_run_goes_on_and_a_repeated_one_draws_nothing(tmp_path: Path) -> None:
    class Stopped(Halver):
        def paint(self, commissions):  # type: ignore[no-untyped-def]
            if self.calls:
                raise KeyboardInterrupt
            return super().paint(commissions)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Stopped())
    assert not json.loads((tmp_path / "evaluation.json").read_text())["finished"]
    again = Halver()
    run(tmp_path, again)
    assert again.calls == ["one-2", "two-0", "two-1"]
    once = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    third = Halver()
    run(tmp_path, third)
    assert third.calls == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == once


def test_a_group_with_a_missing_picture_is_drawn_whole(tmp_path: Path) -> None:
    paths = painted(SUITE, Halver(), tmp_path)
    paths[1].unlink()
    again = Halver()
    assert painted(SUITE, again, tmp_path) == paths
    assert again.calls == ["one-0", "one-1"], "so that a picture never depends on what was there before"


@pytest.mark.parametrize(
    "other",
    [
        replace(SUITE.commissions[0], seed=99),
        replace(SUITE.commissions[0], cast=(character("red", BLUE),)),
        replace(SUITE.commissions[0], panel=replace(SUITE.commissions[0].panel, parts=("other words",))),
        replace(SUITE.commissions[0], panel=replace(SUITE.commissions[0].panel, settings={"subject_scale": 0.5})),
    ],
    ids=["seed", "references", "words", "settings"],
)
def test_the_key_holds_all_that_decides_a_picture(other) -> None:  # type: ignore[no-untyped-def]
    first = SUITE.commissions[0]
    assert picture_key(Halver(), first) != picture_key(Halver(), other)
    assert picture_key(Halver(), first) != picture_key(Halver(digest="2"), first)
    assert picture_key(Halver(), first) == picture_key(Halver(), replace(first, section="elsewhere"))


def test_a_digest_stands_for_data_words_and_seeds() -> None:
    first, *rest = SUITE.commissions
    others = [
        replace(first, seed=99),
        replace(first, cast=(character("red", BLUE),)),
        replace(first, panel=replace(first.panel, parts=("other words",))),
    ]
    digests = {SUITE.digest, *(replace(SUITE, commissions=(one, *rest)).digest for one in others)}
    assert len(digests) == 4
    assert replace(SUITE, commissions=(replace(first, cast=(character("red", RED),)), *rest)).digest == SUITE.digest


def test_a_judge_that_cannot_be_loaded_is_found_before_anything_is_drawn(tmp_path: Path) -> None:
    class Missing(MeanColour):
        def embed(self, pictures):  # type: ignore[no-untyped-def]
            raise BaseModelError("no such model")

    class Blind(Halves):
        def read(self, picture):  # type: ignore[no-untyped-def]
            raise BaseModelError("no such pack")

        find = read

    for name in ("clip", "words", "dino", "looks", "faces", "people"):
        painter, judge = Halver(), Blind() if name in ("faces", "people") else Missing()
        with pytest.raises(BaseModelError, match="no such"):
            run_suite(SUITE, [painter], JudgeScorer(Judges(**{name: judge})), tmp_path, FACTS)  # type: ignore[arg-type]
        assert painter.calls == []
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["{", "[]", '{"finished": true}', "\udcff"])
def test_broken_results_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "evaluation.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(OutputError, match=r"evaluation\.json' is damaged: .*--overwrite"):
        run(tmp_path, Halver())
    run(tmp_path, Halver(), overwrite=True)
    assert json.loads((tmp_path / "evaluation.json").read_text())["finished"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text("chapter one")
    with pytest.raises(OutputError, match=r"holds no evaluation\.json"):
        run(tmp_path, Halver())
    assert [path.name for path in tmp_path.iterdir()] == ["novel.txt"]


def test_other_choices_need_to_be_told_to_replace(tmp_path: Path) -> None:
    run(tmp_path, Halver())
    with pytest.raises(OutputError, match="other choices"):
        run(tmp_path, Halver(), facts={"steps": 2})
    replaced = Halver()
    run(tmp_path, replaced, facts={"steps": 2}, overwrite=True)
    assert replaced.calls == [], "the painter's digest is the same, so are its pictures"
    assert json.loads((tmp_path / "evaluation.json").read_text())["facts"]["steps"] == 2


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    heard: list[Event] = []
    judges = JudgeScorer(Judges(clip=MeanColour()))
    run_suite(SUITE, [Halver()], judges, tmp_path, FACTS, report=heard.append)
    assert Progress("halver", 5, 5) in heard
    assert Progress("halver: judged", 5, 5) in heard


def test_the_report_is_one_page_that_needs_nothing_else(tmp_path: Path) -> None:
    run(tmp_path, *both())
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "plain &lt;colours&gt;" in page
    assert "halver &lt;1&gt;" in page
    assert "<colours>" not in page
    assert page.count("<img ") == (3 + 2 * 2) + 2 * 5, "every reference, and what both painters drew"
    assert "Face Sim ↑" in page
    assert "1.000 to 1.000" in page
    assert "Less words alone" in page


def test_bars_reach_as_far_as_their_means() -> None:
    drawn = bars(
        {"low": Estimate(0.25, 0.2, 0.3, 9), "high": Estimate(0.5, 0.4, 0.6, 9), "no": Estimate(0, 0, 0, 0)}, "x"
    )
    widths = [float(width) for width in re.findall(r'<rect[^>]*width="([\d.]+)"', drawn)]
    assert len(widths) == 2
    assert widths[1] == pytest.approx(2 * widths[0])
    below = bars({"swapped": Estimate(-0.5, -0.6, -0.4, 9), "kept": Estimate(0.5, 0.4, 0.6, 9)}, "x")
    left, right = (float(x) for x in re.findall(r'<rect x="([\d.]+)"', below))
    assert left < right
    assert bars({}, "x") == ""


def test_names_and_numbers_fit_beside_their_bars() -> None:
    """In DejaVu Sans, the widest of the usual fonts, where a digit takes 8.3 px."""
    name, counts = "without poses in training", Estimate(100.0, 99.5, 100.0, 9)
    drawn = bars({name: counts}, "OCCM")
    width = int(re.findall(r'width="(\d+)" height', drawn)[0])
    (end, start), text = re.findall(r'<text x="(\d+)"', drawn), str(counts)
    assert int(end) >= 7.7 * len(name)
    digits = sum(letter.isdigit() for letter in text)
    assert int(start) + 8.3 * digits + 4.8 * (len(text) - digits) <= width


def test_raters_do_not_see_who_drew(tmp_path: Path) -> None:
    run(tmp_path, *both(), pairs=4)
    page, key = (tmp_path / "pairs.html").read_text(), json.loads((tmp_path / "pairs.json").read_text())
    assert "halver" not in page
    assert PLAIN not in page
    assert len(key["pairs"]) == 4
    assert all({pair["left"], pair["right"]} == {PLAIN, "halver <1>"} for pair in key["pairs"])
    assert len({pair["commission"] for pair in key["pairs"]}) == 4
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert data["study"] == key["study"]
    assert [pair["words"] for pair in data["pairs"]] == [
        next(one.words for one in SUITE.commissions if one.key == pair["commission"]) for pair in key["pairs"]
    ]


def test_answers_are_counted_by_who_drew_not_by_side(tmp_path: Path) -> None:
    run(tmp_path, *both(), pairs=4)
    key = json.loads((tmp_path / "pairs.json").read_text())
    sides = ["left" if pair["left"] == "halver <1>" else "right" for pair in key["pairs"]]
    files = []
    for rater, choices in (("r", sides), ("s", [*sides[:2], "neither", {"left": "right", "right": "left"}[sides[3]]])):
        answers = [{"pair": k, "question": "likeness", "choice": choice} for k, choice in enumerate(choices)]
        answers.insert(0, {"pair": 0, "question": "likeness", "choice": "neither"})
        files.append(tmp_path / f"{rater}.answers")
        files[-1].write_text(json.dumps({"study": key["study"], "rater": rater, "answers": answers}))
    (found,), raters = count_answers(tmp_path, files)
    assert raters == 2
    assert (found.first, found.second) == ("halver <1>", PLAIN)
    assert (found.wins, found.losses, found.ties) == (6, 1, 1)
    assert found.share == pytest.approx(6.5 / 8)
    assert found.low < found.share < found.high
    assert count_answers(tmp_path, [files[0], files[0]])[0][0].wins == 4, "a file handed in twice counts once"
    files[0].write_text(json.dumps({"study": "another", "rater": "r", "answers": []}))
    with pytest.raises(UsageError, match="answers study another"):
        count_answers(tmp_path, files)


def test_wilson_against_its_published_form() -> None:
    found = wilson(9, 10)
    assert (found.low, found.high) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    unanimous = wilson(78, 78)
    assert unanimous.low == pytest.approx(78 / (78 + 1.959964**2), rel=1e-6)
    assert unanimous.high == pytest.approx(1)
    assert wilson(0, 0).count == 0


def test_pairs_need_two_painters(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two engines"):
        run(tmp_path, Halver(), pairs=2)
