"""Panels packed into rows and pages: the cheapest way to give every panel the area and the shape it asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate, pairwise

from inkcast.page.patterns import Box, Split
from inkcast.page.weighing import Weight

_MOST_IN_ROW = 3
_MOST_ON_PAGE = 7


def pack(weights: Sequence[Weight], first: Box, inner: Box, gutter: float) -> list[Split]:
    """One pattern a page. `first` and `inner` (mm) are what the first page and the others have for panels."""
    count = len(weights)
    best: list[tuple[float, int, Split | None]] = [(math.inf, 0, None)] * (count + 1)
    best[0] = (0.0, 0, None)
    for start in range(count):
        for many in range(1, min(_MOST_ON_PAGE, count - start) + 1):
            page = weights[start : start + many]
            cost, split = _best_page(page, first if start == 0 else inner, gutter)
            cost += best[start][0] + _fullness(page, last=start + many == count)
            if cost < best[start + many][0]:
                best[start + many] = (cost, start, split)
    pages: list[Split] = []
    end = count
    while end > 0:
        _, start, found = best[end]
        assert found is not None
        pages.append(found)
        end = start
    return pages[::-1]


def _fullness(page: Sequence[Weight], last: bool) -> float:
    """What it costs that the wished areas do not add up to a page; an airy last page costs less."""
    off = math.log(sum(weight.area for weight in page))
    return 5.0 * off * off * (0.35 if last and off < 0 else 1.0)


def _best_page(page: Sequence[Weight], inner: Box, gutter: float) -> tuple[float, Split]:
    return min(
        (_score(page, counts, inner, gutter) for counts in _compositions(len(page))), key=lambda scored: scored[0]
    )


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
    heights = [
        sum(weight.area for weight in page[end - many : end]) ** 0.65 for many, end in zip(counts, ends, strict=True)
    ]
    cost = 0.0
    parts: list[tuple[float, Split | None]] = []
    for many, end, share_of_height in zip(counts, ends, heights, strict=True):
        row = page[end - many : end]
        shares = [(weight.area * weight.aspect) ** 0.5 for weight in row]
        row_height = height * share_of_height / sum(heights)
        for weight, share in zip(row, shares, strict=True):
            aspect = (width - gutter * (many - 1)) * share / sum(shares) / row_height
            cost += math.log(aspect / weight.aspect) ** 2 + 4.0 * max(0.0, abs(math.log(aspect)) - 0.69) ** 2
        parts.append(
            (share_of_height, Split("columns", tuple((share, None) for share in shares)) if many > 1 else None)
        )
    cost += 0.25 * sum(a == b for a, b in pairwise(counts))
    return cost, Split("rows", tuple(parts))
