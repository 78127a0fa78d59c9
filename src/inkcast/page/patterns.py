"""Page patterns: how a page is cut into cells. `LAYOUTS` holds every pattern a person can name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in millimetres from the top left corner of the trimmed page
CaptionPlace = Literal["auto", "below", "inside"]


@dataclass(frozen=True)
class Split:
    """A region cut along one axis; each part has a weight and is a cell (None) or cut again.

    Parts are in reading order.
    """

    axis: Literal["rows", "columns"]
    parts: tuple[tuple[float, Split | None], ...]


@dataclass(frozen=True)
class Layout:
    """A named way to lay out a comic.

    `pages` are used in turn; none means that panels are packed into rows by importance and amount of text.
    `heights` (strips only) are panel heights as fractions of the page's width, used in turn: the page grows downwards.
    """

    name: str
    about: str
    pages: tuple[Split, ...] = ()
    heights: tuple[float, ...] = ()
    right_to_left: bool = False
    full_bleed: bool = False
    captions: CaptionPlace = "auto"
    lettering: float = 1.0
    size: tuple[float, float] | None = None


def rows(*parts: tuple[float, Split | None]) -> Split:
    return Split("rows", parts)


def columns(*weights: float) -> Split:
    return Split("columns", tuple((weight, None) for weight in weights))


def grid(across: int, down: int) -> Split:
    return rows(*((1.0, columns(*(1.0,) * across)) for _ in range(down)))


_ONE = rows((1.0, None))
_ALL = (
    Layout("auto", "rows packed by importance and amount of text"),
    Layout("classic-4", "two by two", (grid(2, 2),)),
    Layout("classic-6", "two across, three down", (grid(2, 3),)),
    Layout("classic-9", "three by three", (grid(3, 3),)),
    Layout("splash", "one panel fills each page", (_ONE,), full_bleed=True, captions="inside", lettering=1.4),
    Layout("hero", "a wide panel, then four", (rows((1.35, None), (1.0, columns(1, 1)), (1.0, columns(1, 1))),)),
    Layout("finale", "four panels, then a wide one", (rows((1.0, columns(1, 1)), (1.0, columns(1, 1)), (1.35, None)),)),
    Layout(
        "mosaic",
        "a tall panel beside two, then two beside a tall one",
        (
            rows(
                (2.0, Split("columns", ((1.0, None), (1.0, rows((1.0, None), (1.0, None)))))),
                (1.0, columns(3, 2)),
            ),
            rows(
                (1.0, columns(2, 3)),
                (2.0, Split("columns", ((1.0, rows((1.0, None), (1.0, None))), (1.0, None)))),
            ),
        ),
    ),
    Layout("cinema", "three wide panels", (grid(1, 3),)),
    Layout("manga", "packed rows, read from right to left", right_to_left=True, captions="inside", size=(148.0, 210.0)),
    Layout("four-panel", "four panels from top to bottom", (grid(1, 4),), size=(110.0, 297.0)),
    Layout("strip", "four panels side by side on a low page", (rows((1.0, columns(1, 1, 1, 1))),), size=(297.0, 105.0)),
    Layout(
        "webtoon", "one endless column for a phone", heights=(1.0, 0.75, 1.2), lettering=1.4, size=(160.0, 160.0),
    ),
    Layout(
        "storybook", "one picture a page, the text below it", (_ONE,),
        captions="below", lettering=1.25, size=(210.0, 210.0),
    ),
)  # fmt: skip
LAYOUTS: Mapping[str, Layout] = {layout.name: layout for layout in _ALL}


def capacity(node: Split | None) -> int:
    """How many cells a pattern has."""
    return 1 if node is None else sum(capacity(part) for _, part in node.parts)


def cells(node: Split | None, box: Box, gutter: float, right_to_left: bool) -> list[Box]:
    """The boxes of a pattern's cells inside `box`, in reading order."""
    if node is None:
        return [box]
    x0, y0, x1, y1 = box
    along = (x1 - x0 if node.axis == "columns" else y1 - y0) - gutter * (len(node.parts) - 1)
    total = sum(weight for weight, _ in node.parts)
    found: list[Box] = []
    offset = 0.0
    for weight, part in node.parts:
        length = along * weight / total
        if node.axis == "rows":
            inner = (x0, y0 + offset, x1, y0 + offset + length)
        elif right_to_left:
            inner = (x1 - offset - length, y0, x1 - offset, y1)
        else:
            inner = (x0 + offset, y0, x0 + offset + length, y1)
        found += cells(part, inner, gutter, right_to_left)
        offset += length + gutter
    return found
