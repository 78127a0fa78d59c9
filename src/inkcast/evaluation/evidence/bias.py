"""Is anybody kept less well? Looks by kind and skin tone, and tones against each other where all else is equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from inkcast.evaluation.groups import clustered
from inkcast.evaluation.intervals import Estimate
from inkcast.evaluation.suites import Commission, Seen
from inkcast.evaluation.toon_looks import LookCase
from inkcast.evaluation.toon_suite import by_trait

APART = "skin tone, less all tones"


def traits(
    cases: Mapping[str, LookCase], commissions: Sequence[Commission], seen: Sequence[Seen]
) -> dict[str, dict[str, Estimate]]:
    """`by_trait`, and each skin tone less the mean of all tones in its block (`kind_cases`)."""
    return {**by_trait(cases, commissions, seen), APART: tones_apart(cases, commissions, seen)}


def tones_apart(
    cases: Mapping[str, LookCase], commissions: Sequence[Commission], seen: Sequence[Seen]
) -> dict[str, Estimate]:
    """Of girls and boys: `looks` of each skin tone less the mean over its block, with intervals over blocks."""
    blocks: dict[str, dict[str, float]] = {}
    for commission, one in zip(commissions, seen, strict=True):
        look = cases[commission.key].cast[0]
        if look.human:
            blocks.setdefault(block_of(commission.key), {})[look.body] = one.scores["looks"]
    apart: dict[str, dict[str, float]] = {}
    for block, tones in blocks.items():
        mean = float(np.mean(list(tones.values())))
        for tone, value in tones.items():
            apart.setdefault(tone, {})[block] = value - mean
    return {tone: clustered(list(own.values()), list(own)) for tone, own in apart.items()}


def block_of(key: str) -> str:
    return key.partition("/")[0]
