"""Routing maps laid over a panel: who acts where, each in their own colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageColor

if TYPE_CHECKING:
    from jaxtyping import Float

DARK = 0.2  # of what a map does not hold
CELL = 8  # pixels on a side of what the maps are read back by: they were drawn on the grid of the latents
BLACK = 6.0  # below this mean of 0..255 nothing can be read back


def maps_of(strip: Image.Image, picture: Image.Image) -> Float[np.ndarray, "maps h w"]:
    """The maps in what `drawing.routes.routes_picture` made of the picture: itself, then a copy lit by each map.

    Where the picture is black, the last map (the background's) has it all.
    """
    pixels = np.asarray(strip.convert("RGB"), dtype=np.float32).mean(2)
    plain, *lit = (_cells(pixels[:, at : at + picture.width]) for at in range(0, strip.width, picture.width))
    maps = ((np.stack(lit) / plain.clip(1) - DARK) / (1 - DARK)).clip(0, 1)
    maps[:-1, plain < BLACK], maps[-1, plain < BLACK] = 0, 1
    return np.stack([_resized(one, picture.size, Image.Resampling.BILINEAR) for one in maps])


def _cells(pixels: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "rows columns"]:
    height, width = pixels.shape
    size = max(width // CELL, 1), max(height // CELL, 1)
    return _resized(pixels, size, Image.Resampling.BOX)


def _resized(
    plane: Float[np.ndarray, "h w"], size: tuple[int, int], how: Image.Resampling
) -> Float[np.ndarray, "h2 w2"]:
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, how))


def overlaid(picture: Image.Image, maps: Float[np.ndarray, "maps h w"], colours: Sequence[str]) -> Image.Image:
    """The picture tinted by whoever's map is strongest; the last map is the background's and stays plain. `colours`
    are those of the others, in the maps' order.
    """
    base = np.asarray(picture.convert("RGB"), dtype=float)
    winner = maps.argmax(0)
    for index, colour in enumerate(colours):
        tint = np.array(ImageColor.getrgb(colour), dtype=float)
        share = (0.55 * (winner == index))[..., None]
        base = base * (1 - share) + tint * share
    return Image.fromarray(base.astype(np.uint8))
