"""Who is who in a generated picture: characters found by the detector, matched to the cast by their attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from scipy.optimize import linear_sum_assignment

from inkcast.evaluation.intervals import Estimate, bootstrap
from inkcast.evaluation.oracle import LookReading, OracleReader
from inkcast.toon.world import ATTRIBUTES, Look
from inkcast.vision.detector import ToonDetector

SCORED = ATTRIBUTES[1:]
OF_FACE = ("body", "face", "hair", "hair_color", "eyes")


@dataclass(frozen=True)
class Case:
    """Who ought to be in one picture."""

    cast: tuple[Look, ...]


@dataclass(frozen=True)
class Matched:
    """For each member of the case, what the oracle reads off the crop matched to them; None where nobody is left."""

    case: Case
    readings: tuple[LookReading | None, ...]
    found: int

    def accuracy(self, names: Sequence[str] = SCORED) -> float:
        """The share of these attributes that are right, over the cast; a missing person scores 0."""
        members = zip(self.case.cast, self.readings, strict=True)
        return float(np.mean([member_accuracy(look, r, names) for look, r in members]))

    def swaps(self, names: Sequence[str] = SCORED) -> tuple[int, int]:
        """Of attributes in which a member differs from another member: those read as the other's value, and all."""
        each = [self.member_swaps(k, names) for k in range(len(self.readings))]
        return sum(swapped for swapped, _ in each), sum(asked for _, asked in each)

    def member_swaps(self, k: int, names: Sequence[str] = SCORED) -> tuple[int, int]:
        """`swaps` of one member; nothing is asked of a missing one."""
        look, reading = self.case.cast[k], self.readings[k]
        swapped = asked = 0
        for name in names if reading is not None else ():
            others = {getattr(other, name) for i, other in enumerate(self.case.cast) if i != k}
            others.discard(getattr(look, name))
            if others and reading is not None:
                asked += 1
                swapped += reading.word(name) in others
        return swapped, asked

    def acting(self, action: str) -> float:
        """The share of the cast that does `action`; a missing person does nothing."""
        return sum(r is not None and r.word("action") == action for r in self.readings) / len(self.readings)


def member_accuracy(look: Look, reading: LookReading | None, names: Sequence[str] = SCORED) -> float:
    if reading is None:
        return 0.0
    return sum(reading.word(name) == getattr(look, name) for name in names) / len(names)


def likeness(look: Look, reading: LookReading) -> float:
    """The mean probability of the look's own values, kind included."""
    return sum(reading.probability(name, getattr(look, name)) for name in ATTRIBUTES) / len(ATTRIBUTES)


def swap_rate(matched: Sequence[Matched], names: Sequence[str] = SCORED) -> Estimate:
    """`Matched.swaps` over pictures, each weighing as much as is asked of it."""
    asked = [(swapped, count) for swapped, count in (one.swaps(names) for one in matched) if count]
    return bootstrap([swapped / count for swapped, count in asked], [count for _, count in asked])


def figures(
    oracle: OracleReader,
    detector: ToonDetector,
    pictures: UInt8[np.ndarray, "n h w 3"],
    batch: int = 64,
) -> list[list[LookReading]]:
    """For each picture what the oracle reads off every character that the detector finds."""
    boxes = [
        [item.box for item in found if item.label == "character"]
        for start in range(0, len(pictures), batch)
        for found in detector.find(pictures[start : start + batch])
    ]
    return oracle.looks(pictures, boxes)


def match(
    oracle: OracleReader, detector: ToonDetector, cases: Sequence[Case], pictures: UInt8[np.ndarray, "n h w 3"]
) -> list[Matched]:
    """Each picture's found characters as its cast."""
    return [assigned(case, readings) for case, readings in zip(cases, figures(oracle, detector, pictures), strict=True)]


def assigned(case: Case, readings: Sequence[LookReading]) -> Matched:
    """The assignment of what was read of a picture's characters to its cast with the greatest likeness (Hungarian)."""
    chosen: list[LookReading | None] = [None] * len(case.cast)
    if readings and case.cast:
        gain = np.array([[likeness(look, reading) for reading in readings] for look in case.cast])
        for row, column in zip(*linear_sum_assignment(-gain), strict=True):
            chosen[row] = readings[column]
    return Matched(case, tuple(chosen), len(readings))


def shared(wanted: Iterable[str], seen: Iterable[str]) -> float:
    """The share of `wanted` words that are seen, each thing seen counting for one of them."""
    asked = Counter(wanted)
    return (asked & Counter(seen)).total() / asked.total()
