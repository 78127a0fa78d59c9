"""Faces: eyes, mouths, and what makes each kind of creature itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from inkcast.toon.canvas import DARK, RGB, WHITE, mix
from inkcast.toon.world import EYE_COLORS

if TYPE_CHECKING:
    from inkcast.toon.head import Head


def draw_face(head: Head) -> None:
    shift = 0.42 if head.view == "side" else 0.0
    kind = head.look.kind
    if head.look.human:
        _human_extras(head, shift)
    else:
        _CREATURES[kind](head, shift)
    for side in (-1, 1):
        if head.view == "side" and side < 0:
            continue
        u = shift + 0.1 if head.view == "side" else side * (0.44 if kind in ("alien", "robot") else 0.40)
        _eye(head, u, 0.06 if kind != "dinosaur" else -0.12, side)
    _mouth(head, shift)


def _eye(head: Head, u: float, v: float, side: int) -> None:
    iris = EYE_COLORS[head.look.eyes]
    wide = 0.27 if head.look.kind == "alien" else 0.225
    narrow = 0.8 if head.view == "side" else 1.0
    head.pen.fill(head.oval(u, v, wide * narrow, 0.30), WHITE)
    group = head.pen.canvas.group()
    head.pen.fill(head.oval(u + 0.02, v + 0.03, 0.165 * narrow, 0.225), iris, group)
    head.pen.fill(head.oval(u + 0.02, v + 0.04, 0.075 * narrow, 0.11), mix(iris, (0, 0, 0), 0.75), group)
    head.pen.fill(head.oval(u - 0.05, v - 0.08, 0.065, 0.075), WHITE, group)
    if head.look.kind == "girl":
        lash = head.poly(
            (u - side * 0.2, v - 0.2),
            (u + side * 0.22, v - 0.24),
            (u + side * 0.36, v - 0.38),
            (u + side * 0.05, v - 0.37),
        )
        head.pen.fill(lash, DARK, head.group)
    if head.look.kind == "boy":
        inner, outer = u - side * 0.2, u + side * 0.24
        brow = head.poly((inner, v - 0.5), (outer, v - 0.42), (outer, v - 0.31), (inner, v - 0.36))
        head.pen.fill(brow, mix(head.hair, DARK, 0.55), head.group)


def _mouth(head: Head, shift: float) -> None:
    kind = head.look.kind
    if kind == "robot":
        head.pen.fill(
            head.poly((shift - 0.4, 0.5), (shift + 0.4, 0.5), (shift + 0.4, 0.7), (shift - 0.4, 0.7)),
            DARK,
            head.group,
        )
        for k in range(3):
            u = shift - 0.3 + 0.22 * k
            head.pen.fill(head.poly((u, 0.53), (u + 0.13, 0.53), (u + 0.13, 0.67), (u, 0.67)), WHITE, head.group)
        return
    color = (176, 44, 60) if kind == "girl" else (120, 52, 52)
    u = shift * 1.15
    mouth = [(u - 0.2, 0.53), (u, 0.58), (u + 0.2, 0.53), (u + 0.1, 0.68), (u - 0.1, 0.68)]
    if kind in ("cat", "bear", "rabbit"):
        mouth = [(a, b + 0.1) for a, b in mouth]
    head.pen.fill(head.poly(*mouth), color, head.group)


def _human_extras(head: Head, shift: float) -> None:
    if head.view == "side":
        head.pen.fill(head.oval(0.98, 0.24, 0.13, 0.11), head.skin, head.group)
        head.pen.fill(head.oval(-0.12, 0.18, 0.15, 0.2), mix(head.skin, (150, 60, 40), 0.25))
    else:
        for side in (-1, 1):
            head.pen.fill(head.oval(side * 1.0, 0.12, 0.15, 0.19), head.skin)
        head.pen.fill(head.oval(0, 0, 1, 1), head.skin, head.group)
        head.pen.fill(head.oval(0, 0.34, 0.07, 0.06), mix(head.skin, (130, 50, 30), 0.4), head.group)
    if head.look.kind == "girl":
        for u in (0.36,) if head.view == "side" else (-0.62, 0.62):
            head.pen.fill(head.oval(u, 0.46, 0.17, 0.11), mix(head.skin, (255, 90, 110), 0.5), head.group)


def _snout(head: Head, shift: float, ru: float, rv: float, v: float, nose: RGB) -> None:
    pale = mix(head.skin, WHITE, 0.6)
    head.pen.fill(head.oval(shift * 1.5, v, ru, rv), pale, head.group)
    head.pen.fill(head.oval(shift * 1.9, v - rv * 0.45, 0.13, 0.1), nose, head.group)


def _cat(head: Head, shift: float) -> None:
    _snout(head, shift, 0.4, 0.3, 0.56, (238, 116, 130))
    for side in (-1, 1):
        for k in (-1, 1):
            ends = np.array([head.p(shift + side * 0.42, 0.55 + 0.05 * k), head.p(shift + side * 1.05, 0.5 + 0.16 * k)])
            head.pen.stroke(ends, 0.008, DARK, head.group)


def _bear(head: Head, shift: float) -> None:
    _snout(head, shift, 0.46, 0.36, 0.54, DARK)


def _rabbit(head: Head, shift: float) -> None:
    _snout(head, shift, 0.36, 0.26, 0.52, (238, 116, 130))
    u = shift * 1.3
    head.pen.fill(head.poly((u - 0.13, 0.74), (u + 0.13, 0.74), (u + 0.13, 0.98), (u - 0.13, 0.98)), WHITE)


def _robot(head: Head, shift: float) -> None:
    head.pen.fill(head.oval(shift, 0.06, 0.86, 0.42), mix(head.skin, DARK, 0.55), head.group)


def _dinosaur(head: Head, shift: float) -> None:
    head.pen.fill(head.oval(shift * 1.6, 0.5, 0.74, 0.46), mix(head.skin, WHITE, 0.3))
    for side in (-1, 1):
        head.pen.fill(head.oval(shift * 1.8 + side * 0.2, 0.3, 0.06, 0.07), DARK, head.group)


def _alien(head: Head, shift: float) -> None:
    for u, v in ((-0.3, -0.72), (0.02, -0.84), (0.32, -0.7)):
        head.pen.fill(head.oval(u, v, 0.1, 0.09), mix(head.skin, DARK, 0.3), head.group)


_CREATURES: dict[str, Callable[[Head, float], None]] = {
    "cat": _cat,
    "bear": _bear,
    "rabbit": _rabbit,
    "robot": _robot,
    "dinosaur": _dinosaur,
    "alien": _alien,
}
