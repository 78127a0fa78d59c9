"""A comic ready to be set: pictures, outlines and lines of text with their places, the same for every format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inkcast.page.patterns import Box

Point = tuple[float, float]
Command = tuple[str, tuple[Point, ...]]  # "move" and "line" (1 point), "cubic" (2 controls, end), "close" (none)
Path = tuple[Command, ...]
Align = Literal["center", "start"]


@dataclass(frozen=True)
class SetPicture:
    """A panel's picture: `source` indexes the drawn panels, `crop` is in its pixels, `box` in mm; `alt` is read aloud.

    `frame` (mm) is the line drawn around it, larger than `box` where the picture does not fill its frame; none where
    the picture runs off the page. `backdrop` is the colour of what is left of the frame.
    """

    source: int
    crop: tuple[int, int, int, int]
    box: Box
    frame: Box | None
    alt: str
    backdrop: str | None = None


@dataclass(frozen=True)
class SetOutline:
    """Paths (mm) that print as one shape: all are stroked, then all filled.

    `role` names fill and stroke in the style.
    """

    paths: tuple[Path, ...]
    role: str
    clip: Box | None = None


@dataclass(frozen=True)
class SetText:
    """Lines of one text.

    `box` (mm) is the block they fill, `size` in points, `turn` in degrees clockwise about its centre.
    """

    lines: tuple[str, ...]
    role: str
    box: Box
    size: float
    language: str
    right_to_left: bool = False
    align: Align = "center"
    turn: float = 0.0


Item = SetPicture | SetOutline | SetText


@dataclass(frozen=True)
class SetPage:
    """One page; `marks` are the bookmarks that lead to it with their depth (1 = page, 2 = panel) and place (mm)."""

    width: float
    height: float
    bleed: float
    items: tuple[Item, ...]
    marks: tuple[tuple[int, str, Point], ...] = ()


@dataclass(frozen=True)
class SetComic:
    title: str
    author: str
    language: str
    right_to_left: bool
    pages: tuple[SetPage, ...]
