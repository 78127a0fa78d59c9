"""From labels to a picture: outline, shade and the six drawing styles."""

from __future__ import annotations

import cv2
import numpy as np

from inkcast.toon.canvas import Canvas

_OUTLINE = np.array((40, 32, 48), np.float32)


def _edges(groups: np.ndarray) -> np.ndarray:
    """True where a pixel's group differs from its right or lower neighbour's."""
    edge = np.zeros(groups.shape, bool)
    edge[:, :-1] |= groups[:, 1:] != groups[:, :-1]
    edge[:-1] |= groups[1:] != groups[:-1]
    return edge


def _shaded(labels: np.ndarray, groups: np.ndarray, reach: int) -> np.ndarray:
    """True near the lower right border of every shape that has an owner: a simple cel shadow."""
    shade = np.zeros(labels.shape, bool)
    shade[:-reach, :-reach] = groups[reach:, reach:] != groups[:-reach, :-reach]
    return shade


def _palette(canvas: Canvas, style: str, night: bool) -> np.ndarray:
    """Colours [labels, 3] as float32 in the chosen style."""
    colors = np.asarray(canvas.colors, np.float32)
    owned = (np.asarray(canvas.owners) > 0)[:, None]
    gray = colors @ np.array((0.299, 0.587, 0.114), np.float32)
    if style == "line art":
        light = 255 - (255 - gray[:, None]) * np.where(owned, 0.16, 0.06)
        return np.where(gray[:, None] < 70, np.where(owned, 95.0, 225.0), light) * np.ones(3, np.float32)
    if style == "noir":
        tone = np.where(owned, 58 + gray[:, None] * 0.74, 12 + gray[:, None] * 0.34)
        return tone * np.array((0.90, 0.96, 1.10), np.float32)
    if style == "pastel":
        return colors + (np.array((255, 246, 240), np.float32) - colors) * 0.42
    if style == "watercolor":
        return colors + (np.array((252, 248, 238), np.float32) - colors) * np.where(owned, 0.14, 0.34)
    return colors


def _ink(colors: np.ndarray, style: str) -> np.ndarray:
    """Outline colours [labels, 3]: near black round the actors, a deeper tone of itself in the place."""
    if style == "line art":
        return np.full_like(colors, 45.0)
    if style in ("pastel", "watercolor"):
        return colors * 0.62
    if style == "noir":
        return colors * 0.18
    return colors * 0.30 + _OUTLINE * 0.55


def finish(canvas: Canvas, style: str, seed: int, night: bool = False) -> np.ndarray:
    """The picture, uint8 [size, size, 3] RGB.

    Groups are compared at the supersampled size; the result is averaged down, which is all the antialiasing there is.
    """
    labels = canvas.labels
    groups = np.asarray(canvas.groups, np.uint16)[labels]
    owners = np.asarray(canvas.owners, np.uint8)
    palette = _palette(canvas, style, night)
    ink = _ink(palette, style)
    ink[owners == 0] = palette[owners == 0] * (0.45 if style == "line art" else 0.80)
    # the table holds every label three times: plain, shaded, outlined
    shade = palette * (0.96 if style == "line art" else 0.86)
    shade[owners == 0] = palette[owners == 0]
    table = np.clip(np.concatenate([palette, shade, ink]), 0, 255).astype(np.uint8)
    n = len(palette)
    reach = max(1, round(canvas.size * canvas.scale / 110))
    index = labels.astype(np.int32)
    index += _shaded(labels, groups, reach) * np.int32(n)
    edge = _edges(groups)
    if canvas.size > 160:
        edge = cv2.dilate(edge.view(np.uint8), np.ones((canvas.size // 100, canvas.size // 100), np.uint8)).view(bool)
    if style != "watercolor":
        index[edge] = labels[edge] + 2 * n
    picture = cv2.resize(table[index], (canvas.size, canvas.size), interpolation=cv2.INTER_AREA)
    if style == "pixel":
        return _pixelate(picture)
    if style == "watercolor":
        return _wash(picture, edge, seed)
    return picture


def _pixelate(picture: np.ndarray) -> np.ndarray:
    """Blocks of two pixels at 128 (so 64 blocks a side), colours in steps of 16."""
    size = picture.shape[0]
    small = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)
    small = np.minimum((small.astype(np.uint16) + 8) // 16 * 16, 255).astype(np.uint8)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_NEAREST)


def _wash(picture: np.ndarray, edge: np.ndarray, seed: int) -> np.ndarray:
    """Uneven pigment, and a darker rim where a wash has dried."""
    size = picture.shape[0]
    rng = np.random.default_rng(seed + 77)
    cloud = rng.standard_normal((9, 9)).astype(np.float32)
    cloud = cv2.resize(cloud, (size, size), interpolation=cv2.INTER_CUBIC) * 0.05
    rim = cv2.resize(edge.view(np.uint8) * np.float32(1), (size, size), interpolation=cv2.INTER_AREA)
    rim = cv2.GaussianBlur(rim, (0, 0), size / 150)
    return np.clip(picture * (1 + cloud - 0.42 * rim)[..., None], 0, 255).astype(np.uint8)
