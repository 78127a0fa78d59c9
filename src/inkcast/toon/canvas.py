"""A canvas of labels: every shape is filled once with a number, and colour, outline, shade and masks are looked up.

Drawing into one label plane keeps a picture to one `fillPoly` a shape; outlines are where the *group* changes, so a
face and its eyes share a group and stay free of lines between them. Coordinates are in final pixels, y down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

RGB = tuple[int, int, int]
Point = tuple[float, float]
SUPERSAMPLE = 2
WHITE = (252, 252, 250)
DARK = (38, 32, 42)
_SHIFT = 4
_CIRCLE = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 20, endpoint=False)), np.sin(a)], 1)
_HALF = np.stack([np.cos(a := np.linspace(-np.pi / 2, np.pi / 2, 7)), np.sin(a)], 1)


class Ink(NamedTuple):
    """A fill: colour, the outline group it belongs to (0: ask for a new one), and whether it takes shade."""

    color: RGB
    group: int


def mix(a: RGB, b: RGB, t: float) -> RGB:
    """Colour at fraction `t` of the way from `a` to `b`."""
    return (
        int(a[0] + (b[0] - a[0]) * t),
        int(a[1] + (b[1] - a[1]) * t),
        int(a[2] + (b[2] - a[2]) * t),
    )


def ellipse(center: Point, rx: float, ry: float, angle: float = 0.0) -> np.ndarray:
    """Polygon [20, 2] of an ellipse; `angle` in radians."""
    points = _CIRCLE * (rx, ry)
    if angle:
        c, s = math.cos(angle), math.sin(angle)
        points = points @ np.array([[c, s], [-s, c]])
    return points + center


def capsule(p: Point, q: Point, r0: float, r1: float) -> np.ndarray:
    """Polygon of a rounded limb from `p` (radius r0) to `q` (radius r1)."""
    angle = math.atan2(q[1] - p[1], q[0] - p[0])
    c, s = math.cos(angle), math.sin(angle)
    turn = np.array([[c, s], [-s, c]])
    return np.concatenate([(_HALF * r1) @ turn + q, (-_HALF * r0) @ turn + p])


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=float)


def smooth(points: Sequence[Point], closed: bool = True, n: int = 4) -> np.ndarray:
    """A Catmull-Rom curve through `points`, `n` samples a segment."""
    p = np.asarray(points, dtype=float)
    before, after, later = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    t = np.linspace(0, 1, n, endpoint=False)[None, :, None]
    a, b, c, d = (v[:, None] for v in (before, p, after, later))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return curve.reshape(-1, 2) if closed else curve[:-1].reshape(-1, 2)


def star(center: Point, radius: float, tips: int = 5, inner: float = 0.45) -> np.ndarray:
    angles = np.arange(2 * tips) * np.pi / tips - np.pi / 2
    radii = np.where(np.arange(2 * tips) % 2, radius * inner, radius)[:, None]
    return np.stack([np.cos(angles), np.sin(angles)], 1) * radii + center


class Canvas:
    """Labels [S·size, S·size], and per label its colour, group and owner (0 the place, k the k-th actor)."""

    def __init__(self, size: int, supersample: int = SUPERSAMPLE) -> None:
        self.size = size
        self.scale = supersample
        self.labels = np.zeros((size * supersample, size * supersample), np.uint16)
        self.colors: list[RGB] = [(255, 255, 255)]
        self.groups: list[int] = [0]
        self.owners: list[int] = [0]
        self.owner = 0
        self._last_group = 0

    def group(self) -> int:
        """A fresh outline group."""
        self._last_group += 1
        return self._last_group

    def label(self, color: RGB, group: int) -> int:
        self.colors.append(color)
        self.groups.append(group)
        self.owners.append(self.owner)
        return len(self.colors) - 1

    def _fixed(self, polygon: np.ndarray) -> np.ndarray:
        return np.rint(polygon * (self.scale << _SHIFT) - (1 << (_SHIFT - 1))).astype(np.int32)

    def fill(self, polygon: np.ndarray, color: RGB, group: int | None = None) -> int:
        """Fill `polygon` [n, 2]; returns its label. Without `group` it gets its own outline."""
        label = self.label(color, self.group() if group is None else group)
        cv2.fillPoly(self.labels, [self._fixed(polygon)], label, cv2.LINE_8, _SHIFT)
        return label

    def fill_all(self, polygons: Sequence[np.ndarray], color: RGB, group: int | None = None) -> int:
        """Fill several polygons as one shape."""
        label = self.label(color, self.group() if group is None else group)
        for polygon in polygons:
            cv2.fillPoly(self.labels, [self._fixed(polygon)], label, cv2.LINE_8, _SHIFT)
        return label

    def stroke(self, points: np.ndarray, width: float, color: RGB, group: int, closed: bool = False) -> int:
        """A line of `width` final pixels through `points`."""
        label = self.label(color, group)
        thickness = max(1, round(width * self.scale))
        cv2.polylines(self.labels, [self._fixed(points)], closed, label, thickness, cv2.LINE_8, _SHIFT)
        return label

    def within(self, label: int, polygons: Sequence[np.ndarray], color: RGB) -> int:
        """Fill `polygons` only where `label` is now: a pattern on a cloth, in the cloth's own outline group."""
        inside = self.label(color, self.groups[label])
        fixed = [self._fixed(polygon) for polygon in polygons]
        low = np.min([f.min(0) for f in fixed], 0) >> _SHIFT
        high = (np.max([f.max(0) for f in fixed], 0) >> _SHIFT) + 2
        limit = self.labels.shape[0]
        x0, y0 = np.clip(low, 0, limit)
        x1, y1 = np.clip(high, 0, limit)
        if x0 >= x1 or y0 >= y1:
            return inside
        stencil = np.zeros((y1 - y0, x1 - x0), np.uint8)
        offset = np.array([x0, y0], np.int32) << _SHIFT
        for f in fixed:
            cv2.fillPoly(stencil, [f - offset], 1, cv2.LINE_8, _SHIFT)
        view = self.labels[y0:y1, x0:x1]
        view[(stencil == 1) & (view == label)] = inside
        return inside

    def owner_map(self) -> np.ndarray:
        """Owner of every final pixel, uint8 [size, size]: the sample nearest to its middle."""
        middle = self.scale // 2
        picked = self.labels[middle :: self.scale, middle :: self.scale]
        return np.asarray(self.owners, np.uint8)[picked]
