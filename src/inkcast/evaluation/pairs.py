"""Blind comparison by people: a page that hides who drew which picture, and the count of its answers.

`pairs.html` is for raters and holds no engine's name; `pairs.json` is the key, to be kept from them. A rater saves one
JSON file of answers.
"""

from __future__ import annotations

import hashlib
import html
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from inkcast.errors import UsageError
from inkcast.evaluation.figures import picture_address
from inkcast.evaluation.intervals import Estimate
from inkcast.evaluation.results import Results
from inkcast.files import shown, write_text

KEY, PAGE = "pairs.json", "pairs.html"
QUESTIONS = {
    "likeness": "In which picture are the characters more like their references?",
    "words": "Which picture shows better what the words say?",
    "quality": "Which picture is better drawn?",
}
Z95 = 1.959964

Model = TypeVar("Model", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pair(_Strict):
    """One comparison: who drew the left and the right picture of a commission."""

    commission: str
    left: str
    right: str


class Study(_Strict):
    study: str
    pairs: tuple[Pair, ...]


class Answer(_Strict):
    pair: int
    question: Literal["likeness", "words", "quality"]
    choice: Literal["left", "right", "neither"]


class Answers(_Strict):
    """One rater's file; `rater` is a number their browser drew."""

    study: str
    rater: str
    answers: tuple[Answer, ...]


class Preference(_Strict):
    """How often `first` was preferred to `second`; `share` counts a tie as half, with Wilson's 95 % interval."""

    question: str
    first: str
    second: str
    wins: int
    losses: int
    ties: int
    share: float
    low: float
    high: float


def choose_pairs(results: Results, count: int, seed: int) -> list[tuple[int, str, str]]:
    """`count` of all (commission, painter, other painter), every two painters about equally often, sides at random."""
    rng = np.random.default_rng(seed)
    matches = list(itertools.combinations([one.name for one in results.shown], 2))
    places = [rng.permutation(len(results.suite.commissions)).tolist() for _ in matches]
    turns = [(place, *match) for row in zip(*places, strict=True) for place, match in zip(row, matches, strict=True)]
    chosen = [turns[k] for k in rng.permutation(min(count, len(turns)))]
    return [(place, *((a, b) if rng.random() < 0.5 else (b, a))) for place, a, b in chosen]


def write_study(out: Path, results: Results, count: int, seed: int = 0) -> None:
    """`pairs.html` and `pairs.json`. Raises `UsageError` with fewer than two painters."""
    if len(results.shown) < 2:
        raise UsageError("blind pairs need two engines at least: give another --engine")
    chosen = choose_pairs(results, count, seed)
    commissions = results.suite.commissions
    pairs = tuple(Pair(commission=commissions[place].key, left=a, right=b) for place, a, b in chosen)
    digests = [one.digest for one in results.shown]
    name = hashlib.sha256(json.dumps([digests, [pair.model_dump() for pair in pairs]]).encode()).hexdigest()[:16]
    pictures = {one.name: one.paths for one in results.shown}
    shown_pairs = [
        {
            "words": commissions[place].words,
            "references": [picture_address(one.references[0].image, 128) for one in commissions[place].cast],
            "left": picture_address(pictures[a][place], 512),
            "right": picture_address(pictures[b][place], 512),
        }
        for place, a, b in chosen
    ]
    write_text(out / PAGE, page(name, shown_pairs))
    write_text(out / KEY, Study(study=name, pairs=pairs).model_dump_json(indent=2) + "\n")


def page(study: str, pairs: Sequence[Mapping[str, Any]]) -> str:
    data = json.dumps({"study": study, "questions": QUESTIONS, "pairs": pairs}).replace("<", "\\u003c")
    template = resources.files("inkcast.evaluation").joinpath("pairs_page.txt").read_text(encoding="utf-8")
    return template.replace("@TITLE@", html.escape(f"Which picture? {study}")).replace("@DATA@", data)


def count_answers(folder: Path, files: Sequence[Path]) -> tuple[list[Preference], int]:
    """For each question and two painters how often each was preferred, and the number of raters.

    A rater who answered a question twice is counted by the last answer.

    Raises:
        UsageError: no study in the folder, or a file that holds no answers to this study.
    """
    study = _parse(Study, folder / KEY)
    last: dict[tuple[str, int, str], str] = {}
    for path in files:
        answers = _parse(Answers, path)
        if answers.study != study.study:
            raise UsageError(f"{shown(path)} answers study {answers.study}, but {shown(folder)} is {study.study}")
        for answer in answers.answers:
            if not 0 <= answer.pair < len(study.pairs):
                raise UsageError(f"{shown(path)} answers pair {answer.pair}, but there are {len(study.pairs)}")
            last[answers.rater, answer.pair, answer.question] = answer.choice
    tallies: dict[tuple[str, str, str], list[int]] = {}
    for (_, number, question), choice in last.items():
        pair = study.pairs[number]
        first, second = sorted((pair.left, pair.right))
        tally = tallies.setdefault((question, first, second), [0, 0, 0])
        preferred = {"left": pair.left, "right": pair.right}.get(choice)
        tally[2 if preferred is None else 0 if preferred == first else 1] += 1
    found = [preference(*key, *tally) for key, tally in sorted(tallies.items())]
    return found, len({rater for rater, _, _ in last})


def preference(question: str, first: str, second: str, wins: int, losses: int, ties: int) -> Preference:
    share = wilson(wins + ties / 2, wins + losses + ties)
    return Preference(
        question=question,
        first=first,
        second=second,
        wins=wins,
        losses=losses,
        ties=ties,
        share=share.mean,
        low=share.low,
        high=share.high,
    )


def wilson(wins: float, count: int, z: float = Z95) -> Estimate:
    """A share with Wilson's score interval (1927): (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n).

    Unlike the bootstrap it does not shrink to a point where all agree.
    """
    if not count:
        return Estimate(math.nan, math.nan, math.nan, 0)
    p, spread = wins / count, z * z / count
    half = z * math.sqrt(p * (1 - p) / count + spread / (4 * count))
    return Estimate(p, (p + spread / 2 - half) / (1 + spread), (p + spread / 2 + half) / (1 + spread), count)


def _parse(kind: type[Model], path: Path) -> Model:
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {shown(path)}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise UsageError(f"{shown(path)} is no file of blind pairs: {where}: {first['msg']}") from error
