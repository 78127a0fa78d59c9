"""Many pictures' scores as means with intervals: by table and metric, against words alone, and over each story."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from inkcast.cast.character import CharacterId
from inkcast.evaluation.intervals import Estimate, bootstrap, ratio_difference
from inkcast.evaluation.metrics import cross_similarity, self_similarity
from inkcast.evaluation.suites import Commission, Seen

WEIGHTS = {"swap_rate": "swap_asked"}
"""Metrics that are shares of a count of their own: their mean weighs each picture by that count."""


def clustered(values: Sequence[float], clusters: Sequence[str], weights: Sequence[float] | None = None) -> Estimate:
    """The mean of the numbers among `values` with a bootstrap interval over clusters, drawn whole.

    Pictures of one identity are not independent (Davison & Hinkley 1997, section 3.8). `count` is of pictures.
    """
    weighed = [1.0] * len(values) if weights is None else weights
    sums = _sums(values, clusters, weighed)
    means = bootstrap([a / b for a, b in sums.values()], [b for _, b in sums.values()])
    return Estimate(means.mean, means.low, means.high, sum(map(_asked, values, weighed)))


def _sums(values: Sequence[float], clusters: Sequence[str], weights: Sequence[float]) -> dict[str, tuple[float, float]]:
    """By cluster the sums of weighed values and of weights, over what was asked."""
    sums: dict[str, tuple[float, float]] = {}
    for value, cluster, weight in zip(values, clusters, weights, strict=True):
        if _asked(value, weight):
            over, under = sums.get(cluster, (0.0, 0.0))
            sums[cluster] = over + value * weight, under + weight
    return sums


def _asked(value: float, weight: float) -> bool:
    return not math.isnan(value) and weight > 0


def sections(commissions: Sequence[Commission]) -> dict[str, list[int]]:
    """Places of each section's commissions, in the order in which sections appear."""
    found: dict[str, list[int]] = {}
    for place, commission in enumerate(commissions):
        found.setdefault(commission.section, []).append(place)
    return found


def metrics_of(seen: Sequence[Seen]) -> list[str]:
    """In order of appearance, those that are only weights left out."""
    return [name for name in dict.fromkeys(name for one in seen for name in one.scores) if name not in WEIGHTS.values()]


def estimates(commissions: Sequence[Commission], seen: Sequence[Seen]) -> dict[str, Estimate]:
    """Every metric over these pictures; those that no picture was asked about are left out."""
    clusters = [one.unit for one in commissions]
    found = {}
    for name in metrics_of(seen):
        weight = WEIGHTS.get(name)
        weights = None if weight is None else [one.scores.get(weight, 0.0) for one in seen]
        estimate = clustered([one.scores.get(name, math.nan) for one in seen], clusters, weights)
        if estimate.count:
            found[name] = estimate
    return found


def differences(commissions: Sequence[Commission], seen: Sequence[Seen], plain: Sequence[Seen]) -> dict[str, Estimate]:
    """What the engine adds to words alone, by metric: the mean difference of pictures with equal prompt and seed; of
    shares of a count of their own the difference of both means. Those that no picture was asked about are left out."""
    clusters = [one.unit for one in commissions]
    known, pairs = metrics_of(plain), list(zip(seen, plain, strict=True))
    found = {}
    for name in [name for name in metrics_of(seen) if name in known]:
        if name in WEIGHTS:
            estimate = _shares_apart(name, clusters, seen, plain)
        else:
            less = [one.scores.get(name, math.nan) - two.scores.get(name, math.nan) for one, two in pairs]
            estimate = clustered(less, clusters)
        if estimate.count:
            found[name] = estimate
    return found


def _shares_apart(name: str, clusters: Sequence[str], seen: Sequence[Seen], plain: Sequence[Seen]) -> Estimate:
    """The weighted mean less that of words alone; `count` is of pictures in which one of both was asked."""
    arms = [
        [(one.scores.get(name, math.nan), one.scores.get(WEIGHTS[name], 0.0)) for one in arm] for arm in (seen, plain)
    ]
    ours, theirs = (_sums([value for value, _ in arm], clusters, [weight for _, weight in arm]) for arm in arms)
    kept = list(dict.fromkeys([*ours, *theirs]))
    nothing = (0.0, 0.0)
    apart = ratio_difference([ours.get(one, nothing) for one in kept], [theirs.get(one, nothing) for one in kept])
    count = sum(_asked(*one) or _asked(*two) for one, two in zip(*arms, strict=True))
    return replace(apart, count=count if apart.count else 0)


@dataclass(frozen=True)
class StoryCharacter:
    """CIDS of one character in one cluster (a story, or all pictures of one identity); `found` of `expected` times."""

    cluster: str
    character: str
    cross: float
    own: float
    found: int
    expected: int


def story_characters(commissions: Sequence[Commission], seen: Sequence[Seen]) -> list[StoryCharacter]:
    """`cross`: the mean similarity of the people matched to a character and its references, 0 if never found (as in
    ViStoryBench); `own`: among those people, NaN with fewer than two."""
    people: dict[tuple[str, CharacterId], list[np.ndarray]] = {}
    expected: dict[tuple[str, CharacterId], int] = {}
    references: dict[tuple[str, CharacterId], np.ndarray] = {}
    for commission, one in zip(commissions, seen, strict=True):
        for member in commission.cast:
            key = (commission.cluster, member.id)
            found = people.setdefault(key, [])
            expected[key] = expected.get(key, 0) + 1
            if member.id in one.vectors:
                found.append(one.vectors[member.id])
                references[key] = one.references[member.id]
    return [
        StoryCharacter(
            key[0],
            key[1],
            cross_similarity(np.stack(found), references[key]) if found else 0.0,
            self_similarity(np.stack(found)) if found else math.nan,
            len(found),
            expected[key],
        )
        for key, found in people.items()
    ]


def cids(characters: Sequence[StoryCharacter]) -> dict[str, Estimate]:
    """`cids_cross` and `cids_self`: over characters, with intervals over clusters."""
    clusters = [one.cluster for one in characters]
    values = {"cids_cross": [one.cross for one in characters], "cids_self": [one.own for one in characters]}
    found = {name: clustered(own, clusters) for name, own in values.items()}
    return {name: estimate for name, estimate in found.items() if estimate.count}
