"""A drawn panel as the page sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

PixelBox = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels of the panel's picture, half open


@dataclass(frozen=True)
class Figure:
    """Where a cast member stands in a drawn panel; `face` is None where no face was found."""

    name: str
    box: PixelBox
    face: PixelBox | None = None


@dataclass(frozen=True)
class DrawnPanel:
    picture: Image.Image
    figures: tuple[Figure, ...] = ()
