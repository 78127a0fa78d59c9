"""The twelve hair styles of humans; the ears, antennae, crests and forelocks of creatures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from inkcast.toon.canvas import DARK, capsule, mix, star

if TYPE_CHECKING:
    from inkcast.toon.head import Head


def back_hair(head: Head) -> None:
    style, pen, hair = head.look.hair, head.pen, head.hair
    back = -0.35 if head.view == "side" else 0.0
    if style == "long":
        pen.fill(
            head.curve(
                (back, -1.15),
                (1.15 + back, -0.5),
                (1.22 + back, 0.8),
                (1.05 + back, 1.95),
                (back, 2.0),
                (-1.05 + back, 1.95),
                (-1.22 + back, 0.8),
                (-1.15 + back, -0.5),
            ),
            hair,
        )
    elif style == "bob":
        pen.fill(
            head.curve(
                (back, -1.15),
                (1.2 + back, -0.4),
                (1.28 + back, 0.75),
                (0.8 + back, 0.95),
                (-0.8 + back, 0.95),
                (-1.28 + back, 0.75),
                (-1.2 + back, -0.4),
            ),
            hair,
        )
    elif style == "curly":
        spots = [
            head.oval(1.05 * math.cos(a) + back, 1.05 * math.sin(a) - 0.02, 0.36, 0.36)
            for a in np.linspace(0.6, 2 * math.pi - 0.2, 10) + math.pi / 2 + 0.35
        ]
        pen.canvas.fill_all([pen.map(s) for s in spots], hair)
    elif style == "afro":
        pen.fill(head.oval(back * 0.6, -0.3, 1.5, 1.35), hair)
    elif style == "ponytail":
        if head.view == "side":
            pen.fill(head.curve((-0.8, -0.7), (-1.5, -0.6), (-1.8, 0.3), (-1.5, 1.3), (-1.3, 0.3), (-0.9, -0.1)), hair)
        else:
            pen.fill(head.curve((0.5, -0.9), (1.3, -1.15), (1.75, -0.2), (1.5, 0.95), (1.25, 0.0), (0.8, -0.5)), hair)
    elif style == "pigtails":
        for side in (-1, 1):
            if head.view != "side" or side < 0:
                u = side * (0.85 if head.view == "side" else 1.0)
                pen.fill(
                    head.curve((u, -0.45), (u * 1.55, -0.35), (u * 1.75, 0.4), (u * 1.5, 1.1), (u * 1.2, 0.4)), hair
                )
    elif style == "braids":
        for side in (-1, 1):
            beads = [capsule(head.p(side * 1.02 + back, 0.1), head.p(side * 1.08 + back, 1.9), 0.04, 0.03)]
            beads += [head.oval(side * 1.06 + back, 0.25 + 0.42 * k, 0.2, 0.25) for k in range(5)]
            pen.canvas.fill_all([pen.map(b) for b in beads], hair)
    elif style == "bun":
        pen.fill(head.oval(back * 1.2, -1.22, 0.46, 0.44), hair)
    elif style == "spiky":
        pen.fill(star(head.p(back * 0.5, -0.18), head.rx * 1.62, 11, 0.68), hair)


def _cap(head: Head, lower: list[tuple[float, float]]) -> np.ndarray:
    """Hair over the crown from temple to temple, closed by the fringe line `lower` (right to left)."""
    start = 0.05 if head.view != "side" else 0.35
    end = math.pi - 0.05 if head.view != "side" else math.pi + 0.55
    arc = np.linspace(-end, -start, 12) if head.view != "side" else np.linspace(-end, -start - 0.35, 12)
    crown = [head.p(1.08 * math.cos(a), 1.1 * math.sin(a)) for a in arc]
    return np.array(crown + [head.p(*q) for q in lower])


def fringe(head: Head) -> None:
    style, pen, hair = head.look.hair, head.pen, head.hair
    if style == "mohawk":
        pen.fill(
            head.curve((-0.25, -0.72), (-0.42, -1.35), (-0.15, -1.78), (0.2, -1.75), (0.42, -1.3), (0.25, -0.72)),
            hair,
        )
        return
    if head.view == "side":
        lines = [(0.72, -0.62), (0.25, -0.42), (-0.02, -0.1), (-0.2, 0.35), (-0.75, 0.7)]
    elif style in ("bowl", "bob"):
        lines = [(1.02, 0.05), (0.8, -0.3), (-0.8, -0.3), (-1.02, 0.05)]
    elif style in ("long", "braids", "pigtails"):
        lines = [(1.0, 0.12), (0.72, -0.28), (0.05, -0.72), (-0.72, -0.28), (-1.0, 0.12)]
    elif style in ("spiky", "curly"):
        lines = [
            (0.98, -0.1),
            (0.62, -0.5),
            (0.38, -0.22),
            (0.12, -0.52),
            (-0.16, -0.22),
            (-0.42, -0.52),
            (-0.68, -0.26),
            (-0.98, -0.1),
        ]
    elif style in ("bun", "ponytail"):
        lines = [(1.0, -0.18), (0.6, -0.56), (-0.6, -0.56), (-1.0, -0.18)]
    elif style == "afro":
        lines = [(1.0, -0.1), (0.55, -0.5), (0, -0.58), (-0.55, -0.5), (-1.0, -0.1)]
    else:
        lines = [(1.0, -0.15), (0.75, -0.36), (-0.15, -0.62), (-0.55, -0.3), (-1.0, -0.08)]
    pen.fill(_cap(head, lines), hair)


def back_of_head(head: Head) -> None:
    if not head.look.human:
        forelock(head)
        return
    style = head.look.hair
    if style == "mohawk":
        head.pen.fill(head.curve((-0.25, 0.7), (-0.35, -1.2), (0, -1.8), (0.35, -1.2), (0.25, 0.7)), head.hair)
        return
    if style != "ponytail":
        back_hair(head)
    hung = style in ("long", "bob", "afro", "curly")
    head.pen.fill(head.oval(0, -0.08, 1.08, 1.02), head.hair, head.pen.canvas.groups[-1] if hung else None)
    if style == "ponytail":
        head.pen.fill(head.curve((-0.2, -0.6), (0.2, -0.6), (0.42, 0.4), (0.12, 1.6), (-0.2, 0.4)), head.hair)


def forelock(head: Head) -> None:
    if head.look.kind in ("cat", "bear", "rabbit"):
        head.pen.fill(
            head.poly(
                (-0.34, -0.82),
                (-0.4, -1.22),
                (-0.12, -1.02),
                (0.04, -1.34),
                (0.16, -1.02),
                (0.42, -1.18),
                (0.34, -0.8),
                (0.0, -0.56),
            ),
            head.hair,
        )


def ears(head: Head) -> None:
    kind = head.look.kind
    if kind == "dinosaur":
        _crest(head)
        return
    sides = (-1, 1)
    for side in sides:
        if kind in ("robot", "alien"):
            _antenna(head, side)
        else:
            _ear(head, side)


def _ear(head: Head, side: int) -> None:
    """An animal's ear: fur outside, the ear colour inside; the style decides how it ends."""
    long = {"cat": 0.85, "bear": 0.62, "rabbit": 1.55}[head.look.kind]
    wide = {"cat": 0.42, "bear": 0.4, "rabbit": 0.32}[head.look.kind]
    u, v, style = side * 0.62, -0.62, head.look.hair
    if style == "floppy":
        outer = head.curve(
            (u * 0.7, -0.95), (u * 1.5, -1.15), (u * 2.1, -0.4), (u * 1.95, -0.7 + long * 0.85), (u * 1.6, -0.2)
        )
        inner = head.curve(
            (u * 1.3, -0.88), (u * 1.6, -0.9), (u * 1.92, -0.35), (u * 1.88, -0.8 + long * 0.78), (u * 1.65, -0.3)
        )
    elif style == "round":
        outer = head.oval(u * 1.05, v - long * 0.42, wide, long * 0.55)
        inner = head.oval(u * 1.05, v - long * 0.42, wide * 0.64, long * 0.38)
    else:
        tip = (u * 1.35, v - long)
        outer = head.poly((u - wide, v + 0.1), (tip[0] - 0.05, tip[1]), (tip[0] + 0.05, tip[1]), (u + wide, v + 0.1))
        inner = head.poly((u - wide * 0.55, v), (tip[0], tip[1] + long * 0.22), (u + wide * 0.55, v))
    head.pen.fill(outer, head.skin)
    head.pen.fill(inner, head.hair)
    if style == "tufted":
        head.pen.fill(star(head.p(u * 1.35, v - long - 0.02), 0.34 * head.rx, 6, 0.5), head.hair)


def _antenna(head: Head, side: int) -> None:
    style = head.look.hair
    tip = (side * 0.62, -1.62) if style != "floppy" else (side * 1.45, -0.95)
    bend = (side * 0.55, -1.3) if style != "floppy" else (side * 0.75, -1.6)
    head.pen.stroke(
        np.array([head.p(side * 0.35, -0.8), head.p(*bend), head.p(*tip)]),
        0.028,
        mix(head.skin, DARK, 0.4),
        head.pen.canvas.group(),
    )
    if style == "round":
        head.pen.fill(head.oval(*tip, 0.27, 0.27), head.hair)
    elif style == "tufted":
        head.pen.fill(star(head.p(*tip), 0.36 * head.rx, 5, 0.45), head.hair)
    elif style == "upright":
        head.pen.fill(
            head.poly((tip[0] - 0.22, tip[1] + 0.3), (tip[0], tip[1] - 0.34), (tip[0] + 0.22, tip[1] + 0.3)),
            head.hair,
        )
    else:
        head.pen.fill(head.oval(tip[0], tip[1] + 0.1, 0.18, 0.32), head.hair)


def _crest(head: Head) -> None:
    style, pen = head.look.hair, head.pen
    angles = np.linspace(-2.6, -0.55, 5) if head.view != "side" else np.linspace(-3.4, -1.2, 5)
    for a in angles:
        c, s = math.cos(a), math.sin(a)
        if style == "round":
            shape = head.oval(1.08 * c, 1.1 * s, 0.25, 0.25)
        elif style == "floppy":
            shape = head.oval(1.12 * c + 0.1, 1.12 * s, 0.16, 0.36, a + 0.9)
        else:
            reach = 1.5 if style == "upright" else 1.34
            shape = head.poly(
                (0.95 * math.cos(a - 0.24), 0.95 * math.sin(a - 0.24)),
                (reach * c, reach * s),
                (0.95 * math.cos(a + 0.24), 0.95 * math.sin(a + 0.24)),
            )
        pen.fill(shape, head.hair)
        if style == "tufted":
            pen.fill(star(head.p(1.36 * c, 1.36 * s), 0.2 * head.rx, 5, 0.5), head.hair)
