"""Lettering shaped like its balloon: short lines above and below, long ones in the middle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inkcast.page.breaking import Run, fill

POWER = 2.5  # of the superellipse |x/a|^p + |y/b|^p = 1; 2 is an ellipse
_PITCH = 1.16  # em from line to line
_LETTER = 0.42  # em from a line's middle to the top of its letters
_PAD_X, _PAD_Y = 0.62, 0.72  # em of air beside and above the text
_MOST_LINES = 14
_WISHED_ASPECT = 1.6


@dataclass(frozen=True)
class Oval:
    """Lines and the half axes (em) of the superellipse around them; `cost` grows as it gets large or lean."""

    lines: tuple[str, ...]
    half_width: float
    half_height: float
    cost: float


def ovals(run: Run) -> list[Oval]:
    """The shapes worth trying for a text, cheapest first."""
    ideal = math.sqrt(run.length / _PITCH / _WISHED_ASPECT)
    few, many = max(1, round(ideal * 0.55)), min(math.ceil(ideal * 1.7) + 1, len(run.pieces), _MOST_LINES)
    found = [oval for count in range(min(few, many), many + 1) if (oval := _tightest(run, count)) is not None]
    return sorted(found, key=lambda oval: oval.cost)


def profile(count: int) -> tuple[float, list[float]]:
    """Half height (em) of an oval of `count` lines, and the share of its width that each line may use."""
    half_height = count * _PITCH / 2 + _PAD_Y
    reaches = [abs((line - (count - 1) / 2) * _PITCH) + _LETTER for line in range(count)]
    return half_height, [(1.0 - (reach / half_height) ** POWER) ** (1 / POWER) for reach in reaches]


def _tightest(run: Run, count: int) -> Oval | None:
    """The narrowest oval that holds the pieces in exactly `count` lines."""
    half_height, shares = profile(count)
    low = max(0.5, run.length / count / 2)
    high = max(run.length / count * 2.0, *run.widths) + 4.0 if count > 1 else run.length / 2 / shares[0] + 1.0
    best: list[str] | None = None
    while high - low > 0.1:
        half_width = (low + high) / 2
        lines = fill(run, [2 * (half_width * share - _PAD_X) for share in shares])
        if lines is not None:
            best, high = lines, half_width
        else:
            low = half_width
    if best is None or len(best) != count:
        return None
    lean = high / half_height / _WISHED_ASPECT
    cost = high * half_height * (1.0 + 0.5 * max(lean, 1 / lean) ** 1.5) * (1.0 + 0.6 * _raggedness(best, shares))
    return Oval(tuple(best), high, half_height, cost)


def _raggedness(lines: Sequence[str], shares: Sequence[float]) -> float:
    """Mean squared share of the lines' room left empty, told by their numbers of letters."""
    filled = [len(line) / share for line, share in zip(lines, shares, strict=True)]
    return sum((1.0 - share / max(filled)) ** 2 for share in filled) / len(filled)
