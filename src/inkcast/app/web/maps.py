"""Routing maps laid over a panel: who acts where, each in their own colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageColor

from inkcast.app.web.boxes import colour

if TYPE_CHECKING:
    from jaxtyping import Float

DARK = 0.2  # of what a map does not hold


def maps_of(strip: Image.Image, picture: Image.Image) -> Float[np.ndarray, "maps h w"]:
    """The maps in what `drawing.routes.routes_picture` made of the picture: itself, then a copy lit by each map."""
    pixels = np.asarray(strip.convert("L"), dtype=float)
    width = picture.width
    plain = pixels[:, :width].clip(1)
    lit = [pixels[:, start : start + width] for start in range(width, strip.width, width)]
    return ((np.stack(lit) / plain - DARK) / (1 - DARK)).clip(0, 1)


def overlaid(picture: Image.Image, maps: Float[np.ndarray, "maps h w"]) -> Image.Image:
    """The picture tinted by whoever's map is strongest; the last map is the background's and stays plain."""
    base = np.asarray(picture.convert("RGB"), dtype=float)
    winner = maps.argmax(0)
    for index in range(len(maps) - 1):
        tint = np.array(ImageColor.getrgb(colour(index)), dtype=float)
        share = (0.55 * (winner == index))[..., None]
        base = base * (1 - share) + tint * share
    return Image.fromarray(base.astype(np.uint8))
