"""Skeletons as pose maps: OpenPose's 18 points joined by its 17 limbs, each in its colour, on black."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

# fmt: off
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)
COLORS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255),
    (255, 0, 170), (255, 0, 85),
)
# fmt: on


def pose_map(skeletons: Sequence[Float[np.ndarray, "18 3"]], side: int) -> UInt8[np.ndarray, "side side 3"]:
    """Draws skeletons (x, y in px of a square of `side`, and whether seen); limbs at 0.6 of their colour's strength."""
    canvas = np.zeros((side, side, 3), np.uint8)
    thick = max(1, round(side / 128))
    for points in skeletons:
        for number, (a, b) in enumerate(LIMBS):
            if points[a, 2] > 0 and points[b, 2] > 0:
                color = tuple(int(0.6 * value) for value in COLORS[number])
                cv2.line(canvas, _pixel(points[a]), _pixel(points[b]), color, thick, cv2.LINE_AA)
    for points in skeletons:
        for point, color in zip(points, COLORS, strict=True):
            if point[2] > 0:
                cv2.circle(canvas, _pixel(point), thick, color, -1, cv2.LINE_AA)
    return canvas


def _pixel(point: Float[np.ndarray, 3]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
