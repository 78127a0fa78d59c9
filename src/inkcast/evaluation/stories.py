"""How well the offline parser reads stories: precision, recall and F1 over the corpus of hand-annotated stories."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from inkcast.story.lexicon import UNSPACED, fold
from inkcast.story.parser import CastName, ParsedStory, parse_story

PARTS = ("development", "further", "frozen")
TASKS = ("characters", "speakers", "places")
TARGETS = {"characters": 0.95, "speakers": 0.95, "places": 0.9}


@dataclass(frozen=True)
class ExpectedUnit:
    """A sentence (or quotation with tag) of a corpus story: `story[start:end]` and what a reader finds in it."""

    start: int
    end: int
    characters: frozenset[str]
    speakers: tuple[str, ...]
    place: str


@dataclass(frozen=True)
class CorpusStory:
    name: str
    language: str
    cast: tuple[CastName, ...]
    text: str
    units: tuple[ExpectedUnit, ...]


@dataclass(frozen=True)
class Score:
    """Counts over which precision, recall and F1 are defined."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(self.right + other.right, self.wrong + other.wrong, self.missed + other.missed)

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class Mistake:
    story: str
    task: str
    text: str
    expected: str
    found: str


def load_corpus(part: str) -> tuple[CorpusStory, ...]:
    """The stories of `development` or `frozen`; `story/corpus/README.md` says what the annotations mean."""
    from ruamel.yaml import YAML

    source = resources.files("inkcast.story").joinpath("corpus", f"{part}.yaml").read_text(encoding="utf-8")
    return tuple(_corpus_story(entry) for entry in YAML(typ="safe").load(source))


def _corpus_story(entry: dict) -> CorpusStory:
    joiner = "" if entry["language"] in UNSPACED else " "
    units, text = [], ""
    for said, characters, speakers, place in entry["units"]:
        start = len(text) + (len(joiner) if text else 0)
        text = text + joiner + said if text else said
        names = frozenset(_split(characters))
        units.append(ExpectedUnit(start, len(text), names, tuple(_split(speakers)), place))
    cast = tuple(parse_cast(line) for line in entry["cast"])
    return CorpusStory(entry["id"], entry["language"], cast, text, tuple(units))


def _split(names: str) -> Iterable[str]:
    return (name.strip() for name in names.split(",") if name.strip())


def parse_cast(line: str) -> CastName:
    """`Name (pronouns) = alias; alias`, as the corpus writes a cast member."""
    match = re.fullmatch(r"\s*([^(=]+?)\s*(?:\(([^)]*)\))?\s*(?:=\s*(.*))?", line)
    assert match
    aliases = tuple(alias.strip() for alias in (match[3] or "").split(";") if alias.strip())
    return CastName(match[1], match[2] or "", aliases)


def score_story(story: CorpusStory, parsed: ParsedStory) -> tuple[dict[str, Score], list[Mistake]]:
    """Scores one parsed story against its annotations, unit by unit; a unit split into several panels is their
    union, and each quotation counts where it stands."""
    scores = {task: Score() for task in TASKS}
    mistakes: list[Mistake] = []
    spoken = _spoken(story.text, parsed)
    for unit in story.units:
        panels = [
            panel for panel, span in zip(parsed.script.panels, parsed.sources, strict=True) if _covers(span, unit)
        ]
        said = story.text[unit.start : unit.end]
        found = {presence.name for panel in panels for presence in panel.characters}
        lines = [speaker for position, speaker in spoken if unit.start <= position < unit.end]
        place = panels[-1].place if panels else ""
        results = {
            "characters": (_compare(sorted(unit.characters), sorted(found)), sorted(unit.characters), sorted(found)),
            "speakers": (_compare(unit.speakers, lines), unit.speakers, lines),
            "places": (_compare_place(unit.place, place), unit.place, place),
        }
        for task, (score, expected, got) in results.items():
            scores[task] += score
            if score.wrong or score.missed:
                mistakes.append(Mistake(story.name, task, said, str(expected), str(got)))
    return scores, mistakes


def _spoken(text: str, parsed: ParsedStory) -> list[tuple[int, str]]:
    """Where in the story each balloon's words stand, and who says them."""
    spoken, position = [], 0
    for line in (line for panel in parsed.script.panels for line in panel.dialogue):
        position = text.index(line.text, position)
        spoken.append((position, line.speaker or "-"))
        position += len(line.text)
    return spoken


def _covers(span: tuple[int, int], unit: ExpectedUnit) -> bool:
    shared = min(span[1], unit.end) - max(span[0], unit.start)
    return shared * 2 > min(span[1] - span[0], unit.end - unit.start)


def _compare(expected: Sequence[str], found: Sequence[str]) -> Score:
    remaining = list(expected)
    right = 0
    for name in found:
        if name in remaining:
            remaining.remove(name)
            right += 1
    return Score(right, len(found) - right, len(remaining))


def _compare_place(expected: str, found: str) -> Score:
    if not expected or not found:
        return Score(0, int(bool(found)), int(bool(expected)))
    first, second = fold(expected), fold(found)
    return Score(1, 0, 0) if first in second or second in first else Score(0, 1, 1)


@dataclass(frozen=True)
class PartResult:
    """Scores of one part of the corpus, in all and by language."""

    part: str
    stories: int
    scores: dict[str, Score]
    by_language: dict[str, dict[str, Score]]
    mistakes: tuple[Mistake, ...]


def evaluate_part(part: str) -> PartResult:
    total = {task: Score() for task in TASKS}
    languages: dict[str, dict[str, Score]] = {}
    mistakes: list[Mistake] = []
    stories = load_corpus(part)
    for story in stories:
        scores, wrong = score_story(story, parse_story(story.text, story.cast, language=story.language))
        mistakes += wrong
        own = languages.setdefault(story.language, {task: Score() for task in TASKS})
        for task in TASKS:
            total[task] += scores[task]
            own[task] += scores[task]
    return PartResult(part, len(stories), total, languages, tuple(mistakes))


def evaluate_stories(out: Path | None = None) -> tuple[PartResult, ...]:
    """Measures both parts of the corpus; with `out`, writes `stories.json` and `stories.csv` there."""
    results = tuple(evaluate_part(part) for part in PARTS)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "stories.json").write_text(
            json.dumps([_as_json(result) for result in results], indent=2, ensure_ascii=False), encoding="utf-8"
        )
        rows = ["part,language,task,precision,recall,f1,right,wrong,missed"]
        rows += [",".join(map(str, row)) for result in results for row in _rows(result)]
        (out / "stories.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return results


def _rows(result: PartResult) -> Iterable[tuple[object, ...]]:
    for language, scores in (("all", result.scores), *result.by_language.items()):
        for task, score in scores.items():
            numbers = (f"{value:.4f}" for value in (score.precision, score.recall, score.f1))
            yield (result.part, language, task, *numbers, score.right, score.wrong, score.missed)


def _as_json(result: PartResult) -> dict[str, object]:
    def numbers(scores: dict[str, Score]) -> dict[str, object]:
        return {
            task: {**asdict(score), "precision": score.precision, "recall": score.recall, "f1": score.f1}
            for task, score in scores.items()
        }

    return {
        "part": result.part,
        "stories": result.stories,
        "scores": numbers(result.scores),
        "by_language": {language: numbers(scores) for language, scores in result.by_language.items()},
        "mistakes": [asdict(mistake) for mistake in result.mistakes],
    }


def format_results(results: Sequence[PartResult]) -> str:
    """A table for the terminal: precision, recall and F1 of each task, and whether the aim is met."""
    lines = [f"{'part':<12} {'stories':>7}  {'task':<10} {'precision':>9} {'recall':>7} {'F1':>6}   aim"]
    for result in results:
        for task in TASKS:
            score = result.scores[task]
            verdict = "met" if score.f1 >= TARGETS[task] else "missed"
            numbers = f"{score.precision:>9.3f} {score.recall:>7.3f} {score.f1:>6.3f}   {TARGETS[task]:.2f} {verdict}"
            lines.append(f"{result.part:<12} {result.stories:>7}  {task:<10} {numbers}")
    return "\n".join(lines)
