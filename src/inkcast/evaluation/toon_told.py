"""Looks told in words, one at a time: what the base can draw at all, whoever asks it, and how often it swaps them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from inkcast.evaluation.batches import Batching, draw_all
from inkcast.evaluation.intervals import Estimate, bootstrap
from inkcast.evaluation.matching import Case, Matched, match, swap_rate
from inkcast.evaluation.oracle import OracleReader
from inkcast.evaluation.toon_looks import STYLE, LookCase, look_cases
from inkcast.evaluation.toon_words import plain
from inkcast.sdxl.backbone import Backbone
from inkcast.toon.captions import told, with_article
from inkcast.vision.detector import ToonDetector

PHRASES = ("body", "hair", "hair_color", "eyes", "top", "pattern", "bottom_color", "accessory")
TOLD_TOGETHER = {"bottom_color": ("bottom_color", "bottom")}
"""What a phrase tells beside the attribute that it is named after: "red shorts"."""


@dataclass(frozen=True)
class Told:
    """Of one attribute, told of everybody in a picture of `people`: how often it is seen, and of those in whom it
    differs, how often another's is seen instead."""

    attribute: str
    people: int
    right: Estimate
    swapped: Estimate


def told_cases(phrase: str, count: int, people: int, seed: int) -> list[LookCase]:
    """Of `look_cases`, those in which that phrase of `told` can be said of everybody: "a girl with red hair"."""
    found = []
    for case in look_cases(count, people, seed):
        words = [told(look).get(phrase) for look in case.cast]
        if all(words):
            names = (f"{with_article(look.kind)} with {w}" for look, w in zip(case.cast, words, strict=True))
            found.append(replace(case, names=tuple(names)))
    return found


def evaluate_told(
    base: Backbone,
    oracle: OracleReader,
    detector: ToonDetector,
    phrase: str,
    cases: Sequence[LookCase],
    batching: Batching,
    progress: Callable[[int], None] = lambda drawn: None,
) -> tuple[list[Told], UInt8[np.ndarray, "n h w 3"]]:
    """Draw the cases of a phrase by words alone, and read the attributes that it tells; somebody who is missing shows
    none. Also the pictures."""
    made = [plain(base, case.panel.wording(STYLE)) for case in cases]
    pictures = draw_all(base, made, [case.seed for case in cases], batching.of(None, base), progress)
    matched = match(oracle, detector, [Case(case.cast) for case in cases], pictures)
    return [told_of(attribute, matched) for attribute in TOLD_TOGETHER.get(phrase, (phrase,))], pictures


def told_of(attribute: str, matched: Sequence[Matched]) -> Told:
    """Means over pictures."""
    right = bootstrap([one.accuracy((attribute,)) for one in matched])
    return Told(attribute, len(matched[0].case.cast), right, swap_rate(matched, (attribute,)))
