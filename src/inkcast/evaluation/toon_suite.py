"""The suite `toon`: unseen drawn characters, kinds named and nothing else, judged by the oracle and the other eyes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inkcast.cast.character import CharacterId
from inkcast.evaluation.groups import clustered
from inkcast.evaluation.intervals import Estimate
from inkcast.evaluation.judging import Judges, JudgeScorer
from inkcast.evaluation.matching import OF_FACE, SCORED, Case, Matched, match, member_accuracy
from inkcast.evaluation.oracle import OracleReader, SceneReading
from inkcast.evaluation.people import ToonPeople
from inkcast.evaluation.suites import Commission, Picture, Seen, Suite
from inkcast.evaluation.toon_base import Eyes
from inkcast.evaluation.toon_looks import LookCase, chance, character_of, look_cases
from inkcast.toon.world import Look
from inkcast.vision.clip import ClipVision, ToonJudge
from inkcast.vision.detector import ToonDetector

SECTIONS = {1: "one character", 2: "two characters", 3: "three characters", 4: "four characters"}
LOOK = "look."
REFERENCE_POSE = "standing"


@dataclass(frozen=True)
class ToonSuite:
    """The commissions with the looks they ask for, by key."""

    suite: Suite
    cases: Mapping[str, LookCase]


def toon_suite(counts: Mapping[int, int], seed: int) -> ToonSuite:
    """`counts` says how many pictures have how many people; every picture has a cast of its own."""
    cases = {
        f"{people}/{index}": case
        for people, count in counts.items()
        for index, case in enumerate(look_cases(count, people, seed))
    }
    about = (
        "Drawn characters that nothing was trained on, one 64 px reference each; prompts name kinds, an action and "
        "a place. People are found by the detector and matched to the cast by attributes; the oracle reads each."
    )
    return case_suite("toon", cases, about)


def case_suite(name: str, cases: Mapping[str, LookCase], about: str, *, blocks: bool = False) -> ToonSuite:
    """A suite of these cases, one section for each number of people; pictures of the same cast are a cluster, and with
    `blocks` those whose keys are equal before the slash a block."""
    first: dict[tuple[Look, ...], str] = {}
    commissions = tuple(
        Commission(
            key,
            tuple(character_of(look, number) for number, look in enumerate(case.cast)),
            case.panel,
            case.seed,
            SECTIONS[len(case.cast)],
            first.setdefault(case.cast, key),
            key.partition("/")[0] if blocks else "",
        )
        for key, case in cases.items()
    )
    return ToonSuite(Suite(name, commissions, about, {key: looks_chance(case) for key, case in cases.items()}), cases)


def looks_chance(case: LookCase) -> dict[str, float]:
    """What strangers of the cast's kinds would have of its looks: by attribute, of all, of the face's."""
    guesses = chance(case.cast)
    means = {
        "looks": float(np.mean(list(guesses.values()))),
        "face_looks": float(np.mean([guesses[n] for n in OF_FACE])),
    }
    return means | {LOOK + name: guess for name, guess in guesses.items()}


def toon_judges(eyes: Eyes) -> Judges:
    """The embedded eyes. `looks`, `dino` and `faces` are judges: they condition no engine, and none reads prompts."""
    judge = ToonJudge(eyes.folder / "judge")
    clip = ClipVision(eyes.folder / "image_encoder")
    return Judges(faces=eyes.face_judge, clip=clip, dino=judge, people=ToonPeople(eyes.detector), looks=judge)


@dataclass
class ToonScorer:
    """The common metrics, and what the oracle reads."""

    common: JudgeScorer
    oracle: OracleReader
    detector: ToonDetector
    cases: Mapping[str, LookCase]

    def load(self) -> None:
        self.common.load()
        match(self.oracle, self.detector, [Case(())], np.full((1, 64, 64, 3), 255, np.uint8))
        self.oracle.scenes(np.full((1, 64, 64, 3), 255, np.uint8))

    def score(self, commissions: Sequence[Commission], pictures: Sequence[Picture]) -> list[Seen]:
        cases = [self.cases[one.key] for one in commissions]
        stacked = np.stack(pictures)
        matched = match(self.oracle, self.detector, [Case(case.cast) for case in cases], stacked)
        read = zip(cases, matched, self.oracle.scenes(stacked), strict=True)
        asked = [(oracle_scores(*each), member_scores(each[0], each[1])) for each in read]
        seen = self.common.score(commissions, pictures)
        return [
            replace(one, scores={**scores, **one.scores}, members=joined(commission, members, one))
            for commission, (scores, members), one in zip(commissions, asked, seen, strict=True)
        ]


def joined(
    commission: Commission, members: Sequence[Mapping[str, float]], seen: Seen
) -> dict[CharacterId, Mapping[str, float]]:
    """What the oracle reads of each member, and what the common metrics say of it."""
    return {one.id: {**own, **seen.members.get(one.id, {})} for one, own in zip(commission.cast, members, strict=True)}


def oracle_scores(case: LookCase, matched: Matched, scene: SceneReading) -> dict[str, float]:
    """`looks`: the share of attributes that are right, kind left out, a missing person 0. `swap_rate`: of attributes in
    which another member differs, those read as the other's, weighed by how many were asked. `face_looks`: `looks` of
    skin, face shape, eyes and hair alone."""
    swapped, asked = matched.swaps()
    scores = {
        "looks": matched.accuracy(),
        "found": sum(reading is not None for reading in matched.readings) / len(case.cast),
        "swap_rate": swapped / asked if asked else math.nan,
        "swap_asked": float(asked),
        "place": float(scene.words["place"] == case.place),
        "action": matched.acting(case.action),
        "pose_copied": math.nan if case.action == REFERENCE_POSE else matched.acting(REFERENCE_POSE),
    }
    members = member_scores(case, matched)
    for name in (*(LOOK + name for name in SCORED), "face_looks"):
        scores[name] = float(np.mean([member[name] for member in members]))
    return scores


def member_scores(case: LookCase, matched: Matched) -> list[dict[str, float]]:
    """`oracle_scores` of each member alone, but for what is asked of whole pictures."""
    found = []
    for k, (look, reading) in enumerate(zip(case.cast, matched.readings, strict=True)):
        swapped, asked = matched.member_swaps(k)
        right = {name: float(reading is not None and reading.word(name) == getattr(look, name)) for name in SCORED}
        found.append(
            {
                "found": float(reading is not None),
                "looks": member_accuracy(look, reading),
                "face_looks": float(np.mean([right[name] for name in OF_FACE])),
                "swap_rate": swapped / asked if asked else math.nan,
                "action": float(reading is not None and reading.word("action") == case.action),
                **{LOOK + name: value for name, value in right.items()},
            }
        )
    return found


def by_trait(
    cases: Mapping[str, LookCase], commissions: Sequence[Commission], seen: Sequence[Seen]
) -> dict[str, dict[str, Estimate]]:
    """`looks` of pictures of one character by kind, and of girls and boys by skin tone: is anybody kept less well?"""
    traits: dict[str, Callable[[Look], str | None]] = {
        "kind": lambda look: look.kind,
        "skin tone": lambda look: look.body if look.human else None,
    }
    found: dict[str, dict[str, Estimate]] = {}
    for trait, value_of in traits.items():
        values: dict[str, list[tuple[float, str]]] = {}
        for commission, one in zip(commissions, seen, strict=True):
            cast = cases[commission.key].cast
            value = value_of(cast[0]) if len(cast) == 1 else None
            if value is not None:
                values.setdefault(value, []).append((one.scores["looks"], commission.unit))
        found[trait] = {
            value: clustered([looks for looks, _ in own], [unit for _, unit in own])
            for value, own in sorted(values.items())
        }
    return found
