"""Is anybody kept less well? Looks by kind and skin tone, and each against the others where all else is equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from inkcast.evaluation.groups import clustered
from inkcast.evaluation.intervals import Estimate
from inkcast.evaluation.suites import Commission, Seen
from inkcast.evaluation.toon_looks import LookCase
from inkcast.evaluation.toon_suite import by_trait

KINDS_APART, TONES_APART = "kind, less everybody", "skin tone, less all tones"


def traits(
    cases: Mapping[str, LookCase], commissions: Sequence[Commission], seen: Sequence[Seen]
) -> dict[str, dict[str, Estimate]]:
    """`by_trait`, and each kind and skin tone less the mean of its block (`kind_cases`)."""
    apart = {KINDS_APART: kinds_apart(cases, commissions, seen), TONES_APART: tones_apart(cases, commissions, seen)}
    return {**by_trait(cases, commissions, seen), **apart}


def kinds_apart(
    cases: Mapping[str, LookCase], commissions: Sequence[Commission], seen: Sequence[Seen]
) -> dict[str, Estimate]:
    """`looks` of each kind less the mean over everybody in its block, with intervals over blocks."""
    known = zip(commissions, seen, strict=True)
    return _apart([(one.block, cases[one.key].cast[0].kind, own.scores["looks"]) for one, own in known])


def tones_apart(
    cases: Mapping[str, LookCase], commissions: Sequence[Commission], seen: Sequence[Seen]
) -> dict[str, Estimate]:
    """Of girls and boys: `looks` of each skin tone less the mean over its block, with intervals over blocks."""
    known = [(one, cases[one.key].cast[0], own) for one, own in zip(commissions, seen, strict=True)]
    return _apart([(one.block, look.body, own.scores["looks"]) for one, look, own in known if look.human])


def _apart(rows: Sequence[tuple[str, str, float]]) -> dict[str, Estimate]:
    """Of rows of block, name and value: by name the values less the means of their blocks."""
    blocks: dict[str, list[float]] = {}
    for block, _, value in rows:
        blocks.setdefault(block, []).append(value)
    means = {block: float(np.mean(values)) for block, values in blocks.items()}
    found: dict[str, list[tuple[float, str]]] = {}
    for block, name, value in rows:
        found.setdefault(name, []).append((value - means[block], block))
    return {name: clustered([less for less, _ in own], [block for _, block in own]) for name, own in found.items()}
