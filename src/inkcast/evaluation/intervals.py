"""How sure a mean is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Estimate:
    """A mean over `count` cases with the bounds of its 95 % interval; all NaN without a case, the bounds with one."""

    mean: float
    low: float
    high: float
    count: int

    @property
    def bounded(self) -> bool:
        return not math.isnan(self.low)

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})" if self.bounded else f"{self.mean:.3f}"


def bootstrap(
    values: Sequence[float], weights: Sequence[float] | None = None, draws: int = 2000, seed: int = 0
) -> Estimate:
    """The weighted mean with its percentile bootstrap interval (Efron 1979), cases drawn again with replacement."""
    x = np.asarray(values, dtype=np.float64)
    if not len(x):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=np.float64)
    chosen = np.random.default_rng(seed).integers(len(x), size=(draws, len(x)))
    means = (x * w)[chosen].sum(1) / w[chosen].sum(1).clip(min=1e-12)
    low, high = _bounds(means, len(x))
    return Estimate(float((x * w).sum() / max(w.sum(), 1e-12)), low, high, len(x))


def ratio_difference(
    first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]], draws: int = 2000, seed: int = 0
) -> Estimate:
    """The first ratio of sums less the second, with its percentile bootstrap interval, the same cases drawn for both.

    A case is its part of numerator and denominator; draws that leave a denominator empty do not count.
    """
    sums = np.asarray([first, second], dtype=np.float64).reshape(2, -1, 2)
    if not sums[..., 1].any(1).all():
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    chosen = np.random.default_rng(seed).integers(sums.shape[1], size=(draws, sums.shape[1]))
    known, drawn = (ratios[0] - ratios[1] for ratios in (_ratios(sums.sum(1)), _ratios(sums[:, chosen].sum(2))))
    low, high = _bounds(drawn, sums.shape[1])
    return Estimate(float(known), low, high, sums.shape[1])


def _bounds(drawn: Float[np.ndarray, " draws"], cases: int) -> tuple[float, float]:
    """The middle 95 %; one case tells nothing of how much others would differ."""
    if cases < 2:
        return math.nan, math.nan
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _ratios(sums: Float[np.ndarray, "*any 2"]) -> Float[np.ndarray, "*any"]:
    """NaN over an empty denominator."""
    over, under = sums[..., 0], sums[..., 1]
    return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)
