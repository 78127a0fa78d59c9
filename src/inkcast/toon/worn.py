"""What is worn on the head or round the neck."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from inkcast.toon.canvas import DARK, WHITE, ellipse, mix
from inkcast.toon.pose import Pen

if TYPE_CHECKING:
    from inkcast.toon.head import Head

_GOLD = (248, 196, 44)


def wear(head: Head) -> None:
    name = head.look.accessory
    if name not in ("none", "scarf"):
        _WORN[name](head)


def _glasses(head: Head) -> None:
    if head.view == "back":
        return
    group = head.pen.canvas.group()
    shift = 0.52 if head.view == "side" else 0.0
    for u in (shift,) if shift else (-0.42, 0.42):
        ring = head.oval(u, 0.06, 0.36, 0.38)
        head.pen.stroke(np.concatenate([ring, ring[:1]]), 0.024, (28, 26, 34), group)
    bridge = ((shift - 0.36, 0.02), (-0.3, 0.0)) if shift else ((-0.08, 0.02), (0.08, 0.02))
    head.pen.stroke(head.poly(*bridge), 0.024, (28, 26, 34), group)


def _eyepatch(head: Head) -> None:
    strap = head.poly((-1.0, -0.42), (0.95, 0.02)) if head.view != "back" else head.poly((-1.0, 0.0), (1.0, -0.3))
    head.pen.stroke(strap, 0.022, (28, 26, 34), head.group)
    if head.view != "back":
        u = 0.52 if head.view == "side" else 0.4
        head.pen.fill(head.oval(u, 0.06, 0.34, 0.36), (28, 26, 34))


def _cap(head: Head) -> None:
    teal = (20, 158, 160)
    arc = np.linspace(-math.pi, 0, 10)
    dome = np.array([head.p(1.12 * math.cos(a), -0.38 + 0.86 * math.sin(a)) for a in arc])
    head.pen.fill(dome, teal)
    if head.view == "side":
        head.pen.fill(head.poly((0.8, -0.5), (1.75, -0.42), (1.75, -0.26), (0.8, -0.3)), mix(teal, DARK, 0.25))
    elif head.view == "front":
        head.pen.fill(head.oval(0, -0.4, 1.0, 0.17), mix(teal, DARK, 0.25))
    head.pen.fill(head.oval(0, -1.22, 0.13, 0.11), WHITE)


def _bow(head: Head) -> None:
    rose = (232, 40, 96)
    u, v = (0.55, -0.92) if head.view != "side" else (-0.1, -1.02)
    wings = [head.poly((u, v), (u + s * 0.55, v - 0.34), (u + s * 0.55, v + 0.34)) for s in (-1, 1)]
    head.pen.canvas.fill_all([head.pen.map(w) for w in wings], rose)
    head.pen.fill(head.oval(u, v, 0.16, 0.17), mix(rose, WHITE, 0.3))


def _crown(head: Head) -> None:
    points = [(-0.68, -0.78), (-0.78, -1.5), (-0.36, -1.14), (0, -1.66), (0.36, -1.14), (0.78, -1.5), (0.68, -0.78)]
    head.pen.fill(head.poly(*points), _GOLD)
    head.pen.fill(head.oval(0, -1.0, 0.12, 0.13), (214, 40, 60), head.pen.canvas.group())


def _headphones(head: Head) -> None:
    steel = (60, 66, 84)
    band = np.array([head.p(1.13 * math.cos(a), 1.2 * math.sin(a)) for a in np.linspace(-math.pi, 0, 12)])
    head.pen.stroke(band, 0.04, steel, head.pen.canvas.group())
    for u in (-0.1,) if head.view == "side" else (-1.08, 1.08):
        head.pen.fill(head.oval(u, 0.08, 0.26, 0.38), (34, 190, 214))


def _flower(head: Head) -> None:
    u, v = (0.62, -0.78) if head.view != "side" else (-0.15, -0.82)
    petals = [
        head.oval(u + 0.26 * math.cos(a), v + 0.26 * math.sin(a), 0.2, 0.2)
        for a in np.linspace(0, 2 * math.pi, 5, endpoint=False)
    ]
    head.pen.canvas.fill_all([head.pen.map(q) for q in petals], (255, 250, 252))
    head.pen.fill(head.oval(u, v, 0.17, 0.17), _GOLD)


_WORN: dict[str, Callable[[Head], None]] = {
    "glasses": _glasses,
    "eyepatch": _eyepatch,
    "cap": _cap,
    "bow": _bow,
    "crown": _crown,
    "headphones": _headphones,
    "flower": _flower,
}


def scarf(pen: Pen, down: float) -> None:
    """A scarf round the neck with one hanging end."""
    plum = (206, 36, 130)
    y = -0.525 + down
    pen.fill(np.array([(0.03, y), (0.12, y), (0.13, y + 0.17), (0.05, y + 0.17)]), mix(plum, DARK, 0.15))
    pen.fill(ellipse((0.0, y), 0.15, 0.05), plum)
