"""Boxes, ovals and lines against each other, for many positions at once. Lengths in millimetres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inkcast.page.ovals import POWER
from inkcast.page.patterns import Box

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def grown(box: Box, by: float) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def meets(boxes: Array, box: Box, margin: float = 0.0) -> Flags:
    """Which of `boxes` [n, 4] come closer than `margin` to `box`."""
    return (
        (boxes[:, 0] < box[2] + margin)
        & (boxes[:, 2] > box[0] - margin)
        & (boxes[:, 1] < box[3] + margin)
        & (boxes[:, 3] > box[1] - margin)
    )


def oval_meets(boxes: Array, box: Box, margin: float = 0.0) -> Flags:
    """Which of the superellipses in `boxes` [n, 4] come closer than about `margin` to `box`."""
    centre_x, centre_y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    half_x, half_y = (boxes[:, 2] - boxes[:, 0]) / 2, (boxes[:, 3] - boxes[:, 1]) / 2
    near_x = np.clip(centre_x, box[0] - margin, box[2] + margin) - centre_x
    near_y = np.clip(centre_y, box[1] - margin, box[3] + margin) - centre_y
    return (np.abs(near_x) / half_x) ** POWER + (np.abs(near_y) / half_y) ** POWER < 1.0


def overlap(boxes: Array, box: Box) -> Array:
    """The area each of `boxes` [n, 4] shares with `box`."""
    width = np.minimum(boxes[:, 2], box[2]) - np.maximum(boxes[:, 0], box[0])
    height = np.minimum(boxes[:, 3], box[3]) - np.maximum(boxes[:, 1], box[1])
    return np.maximum(width, 0.0) * np.maximum(height, 0.0)


def crosses(x0: Array, y0: Array, x1: float, y1: float | Array, box: Box) -> Flags:
    """Which of the straight lines from (x0, y0) [n] to (x1, y1) pass through `box`."""
    return _crosses(x0, y0, x1 - x0, y1 - y0, box[0], box[1], box[2], box[3])


def crossed(boxes: Array, start: tuple[float, float], end: tuple[float, float]) -> Flags:
    """Through which of `boxes` [n, 4] one straight line passes."""
    x0, y0 = np.full(len(boxes), start[0]), np.full(len(boxes), start[1])
    return _crosses(x0, y0, end[0] - x0, end[1] - y0, boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3])


def _crosses(
    x: Array, y: Array, dx: Array, dy: Array, x0: Array | float, y0: Array | float, x1: Array | float, y1: Array | float
) -> Flags:
    dx, dy = np.where(np.abs(dx) < 1e-9, 1e-9, dx), np.where(np.abs(dy) < 1e-9, 1e-9, dy)
    a, b, c, d = (x0 - x) / dx, (x1 - x) / dx, (y0 - y) / dy, (y1 - y) / dy
    enter = np.maximum(np.minimum(a, b), np.minimum(c, d))
    leave = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return (enter < leave) & (leave > 0.0) & (enter < 1.0)


def leaves(box: Box, start: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Where the ray from `start` inside `box` through `towards` leaves the box."""
    dx, dy = towards[0] - start[0], towards[1] - start[1]
    steps = [1e9]
    if abs(dx) > 1e-9:
        steps.append(((box[2] if dx > 0 else box[0]) - start[0]) / dx)
    if abs(dy) > 1e-9:
        steps.append(((box[3] if dy > 0 else box[1]) - start[1]) / dy)
    step = max(min(steps), 0.0) if len(steps) > 1 else 0.0
    return start[0] + dx * step, start[1] + dy * step
