"""Referenceable objects: a bag, a lantern, a car, a balloon."""

from __future__ import annotations

import math

import numpy as np

from inkcast.toon.canvas import Canvas, Point, box, ellipse, mix, smooth, star
from inkcast.toon.pose import Pen
from inkcast.toon.world import COLORS, Thing

_DARK = (46, 42, 54)
HEIGHTS = {"bag": 0.36, "lantern": 0.42, "car": 0.62, "balloon": 1.0}  # of a character's height


def draw_thing(canvas: Canvas, thing: Thing, origin: Point, height: float, facing: int) -> None:
    """Draw `thing` standing on `origin`, `height` pixels tall; the canvas's owner must be set."""
    pen = Pen(canvas, origin, height, facing)
    {"bag": _bag, "lantern": _lantern, "car": _car, "balloon": _balloon}[thing.kind](
        pen, COLORS[thing.color], COLORS[thing.trim]
    )


def _bag(pen: Pen, color: tuple[int, int, int], trim: tuple[int, int, int]) -> None:
    handle = np.array([(0.3 * math.cos(a), -0.68 + 0.3 * math.sin(a)) for a in np.linspace(-math.pi, 0, 12)])
    pen.stroke(handle, 0.07, _DARK, pen.canvas.group())
    pen.fill(smooth([(-0.42, -0.68), (0.42, -0.68), (0.52, -0.05), (0.4, 0), (-0.4, 0), (-0.52, -0.05)]), color)
    pen.fill(np.array([(-0.43, -0.7), (0.43, -0.7), (0.45, -0.46), (0.0, -0.3), (-0.45, -0.46)]), trim)
    pen.fill(ellipse((0, -0.36), 0.07, 0.07), (248, 212, 90))


def _lantern(pen: Pen, color: tuple[int, int, int], trim: tuple[int, int, int]) -> None:
    ring = ellipse((0, -0.93), 0.1, 0.07)
    pen.stroke(np.concatenate([ring, ring[:1]]), 0.035, _DARK, pen.canvas.group())
    pen.fill(smooth([(-0.24, -0.8), (0.24, -0.8), (0.36, -0.45), (0.24, -0.1), (-0.24, -0.1), (-0.36, -0.45)]), color)
    pen.fill(ellipse((0, -0.45), 0.15, 0.22), (255, 240, 160))
    pen.fill(box(-0.25, -0.88, 0.25, -0.76), trim)
    pen.fill(box(-0.27, -0.13, 0.27, 0.0), trim)


def _car(pen: Pen, color: tuple[int, int, int], trim: tuple[int, int, int]) -> None:
    pen.fill(smooth([(-0.5, -0.55), (-0.32, -0.95), (0.3, -1.0), (0.56, -0.58)]), mix(color, (0, 0, 0), 0.12))
    for u0, u1 in ((-0.36, -0.02), (0.06, 0.38)):
        pen.fill(np.array([(u0 + 0.06, -0.88), (u1 - 0.04, -0.88), (u1, -0.6), (u0, -0.6)]), (190, 228, 244))
    pen.fill(smooth([(-0.92, -0.5), (-0.6, -0.6), (0.6, -0.6), (0.95, -0.42), (0.95, -0.16), (-0.92, -0.16)]), color)
    pen.fill(box(-0.9, -0.37, 0.93, -0.27), trim)
    for u in (-0.5, 0.52):
        pen.fill(ellipse((u, -0.16), 0.2, 0.17), _DARK)
        pen.fill(ellipse((u, -0.16), 0.09, 0.08), (206, 208, 214))
    pen.fill(ellipse((0.88, -0.42), 0.06, 0.06), (255, 238, 150))


def _balloon(pen: Pen, color: tuple[int, int, int], trim: tuple[int, int, int]) -> None:
    string = np.array([(0.0, -0.5), (0.03, -0.35), (-0.03, -0.2), (0.0, 0.0)])
    pen.stroke(string, 0.018, _DARK, pen.canvas.group())
    pen.fill(np.array([(-0.05, -0.5), (0.05, -0.5), (0.0, -0.57)]), trim)
    body = pen.fill(ellipse((0, -0.77), 0.2, 0.235), color)
    pen.within(body, [star((0, -0.76), 0.12)], trim)
