"""Panels packed into rows and pages: the cheapest way to give every panel the area and the shape it asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise

from inkcast.page.patterns import Box, Split
from inkcast.page.weighing import Weight

_MOST_IN_ROW = 3
_MOST_ON_PAGE = 7
_SAME_AGAIN, _SAME_ROW = 0.9, 0.25  # what it costs to cut a page like the one before, a row like the one above


@dataclass(frozen=True)
class _Plan:
    """The cheapest way found to lay out the panels before some panel: its last page's rows,
    and the plan before that page.
    """

    cost: float
    before: _Plan | None = None
    counts: tuple[int, ...] = ()
    page: Split | None = None


def pack(weights: Sequence[Weight], first: Box, inner: Box, gutter: float) -> list[Split]:
    """One pattern a page. `first` and `inner` (mm) are what the first page and the others have for panels."""
    count = len(weights)
    plans = [_Plan(math.inf)] * (count + 1)
    plans[0] = _Plan(0.0)
    for start in range(count):
        before = plans[start]
        for many in range(1, min(_MOST_ON_PAGE, count - start) + 1):
            page = weights[start : start + many]
            full = before.cost + _fullness(page, last=start + many == count)
            for counts in _compositions(many):
                cost, split = _score(page, counts, first if start == 0 else inner, gutter)
                cost += full + _SAME_AGAIN * (counts == before.counts)
                if cost < plans[start + many].cost:
                    plans[start + many] = _Plan(cost, before, counts, split)
    pages: list[Split] = []
    plan: _Plan | None = plans[count]
    while plan is not None and plan.page is not None:
        pages.append(plan.page)
        plan = plan.before
    return pages[::-1]


def _fullness(page: Sequence[Weight], last: bool) -> float:
    """What it costs that the wished areas do not add up to a page; an airy last page costs less."""
    off = math.log(sum(weight.area for weight in page))
    return 5.0 * off * off * (0.35 if last and off < 0 else 1.0)


@cache
def _compositions(count: int) -> tuple[tuple[int, ...], ...]:
    def go(left: int) -> Iterator[tuple[int, ...]]:
        if left == 0:
            yield ()
        for many in range(1, min(_MOST_IN_ROW, left) + 1):
            for rest in go(left - many):
                yield (many, *rest)

    return tuple(go(count))


def _score(page: Sequence[Weight], counts: tuple[int, ...], inner: Box, gutter: float) -> tuple[float, Split]:
    """The cost of cutting a page into rows of `counts` panels: squared log errors of shape, and monotony."""
    width, height = inner[2] - inner[0], inner[3] - inner[1] - gutter * (len(counts) - 1)
    ends = list(accumulate(counts))
    heights = [_height(page[end - many : end]) for many, end in zip(counts, ends, strict=True)]
    cost = 0.0
    parts: list[tuple[float, Split | None]] = []
    for many, end, share_of_height in zip(counts, ends, heights, strict=True):
        row = page[end - many : end]
        shares = [(weight.area * weight.aspect) ** 0.5 for weight in row]
        row_height = height * share_of_height / sum(heights)
        for weight, share in zip(row, shares, strict=True):
            aspect = (width - gutter * (many - 1)) * share / sum(shares) / row_height
            cost += math.log(aspect / weight.aspect) ** 2 + 8.0 * max(0.0, abs(math.log(aspect)) - 0.69) ** 2
        parts.append(
            (share_of_height, Split("columns", tuple((share, None) for share in shares)) if many > 1 else None)
        )
    cost += _SAME_ROW * sum(a == b for a, b in pairwise(counts))
    return cost, Split("rows", tuple(parts))


def _height(row: Sequence[Weight]) -> float:
    """A row's share of the height: a compromise between the area and the shapes that its panels wish for."""
    return sum(weight.area for weight in row) ** 0.65 / sum(weight.aspect for weight in row) ** 0.5
