"""Heads: the face, hair or ears, and what is worn on the head."""

from __future__ import annotations

import math

import numpy as np

from inkcast.toon.canvas import RGB, capsule, ellipse, mix, smooth, star
from inkcast.toon.pose import HEAD, Pen
from inkcast.toon.world import EYE_COLORS, FURS, HAIR_COLORS, SKINS, Look

_SHAPES = {"round": (0.212, 0.205), "long": (0.188, 0.222), "wide": (0.238, 0.192)}
_WHITE = (252, 252, 250)
_DARK = (38, 32, 42)
_GOLD = (248, 196, 44)


def body_color(look: Look) -> RGB:
    return (SKINS if look.human else FURS)[look.body]


class Head:
    """One head in a figure's frame: `down` shifts it (a seated figure), `view` is front, side or back."""

    def __init__(self, pen: Pen, look: Look, view: str, down: float) -> None:
        self.pen, self.look, self.view = pen, look, view
        self.x, self.y = HEAD[0] + (0.015 if view == "side" else 0.0), HEAD[1] + down
        self.rx, self.ry = _SHAPES[look.face]
        self.skin = body_color(look)
        self.hair = HAIR_COLORS[look.hair_color]
        self.group = 0

    def p(self, u: float, v: float) -> tuple[float, float]:
        """A point relative to the middle of the head, in head radii."""
        return self.x + u * self.rx, self.y + v * self.ry

    def oval(self, u: float, v: float, ru: float, rv: float, angle: float = 0.0) -> np.ndarray:
        return ellipse(self.p(u, v), ru * self.rx, rv * self.ry, angle)

    def curve(self, *points: tuple[float, float]) -> np.ndarray:
        return smooth([self.p(*q) for q in points])

    def poly(self, *points: tuple[float, float]) -> np.ndarray:
        return np.array([self.p(*q) for q in points])

    # --- layers, from behind to before -------------------------------------------------------------------------

    def behind(self) -> None:
        """Hair that hangs behind the body (front and side views) or the ears of creatures."""
        if self.look.human:
            if self.view != "back":
                self._back_hair()
        else:
            self._ears()

    def front(self) -> None:
        """Skull, face, fringe, accessory."""
        self.group = self.pen.canvas.group()
        if self.look.kind == "robot":
            self.pen.fill(self._rounded(1.0, 0.95), self.skin, self.group)
        elif self.look.kind == "alien":
            outline = self.curve(
                (0, -1.12), (0.85, -0.75), (1.12, 0), (0.55, 0.75), (0, 1.02), (-0.55, 0.75), (-1.12, 0), (-0.85, -0.75)
            )
            self.pen.fill(outline, self.skin, self.group)
        else:
            self.pen.fill(self.oval(0, 0, 1, 1), self.skin, self.group)
        if self.view == "back":
            self._back_of_head()
        else:
            self._face()
            if self.look.human:
                self._fringe()
            else:
                self._forelock()
        self._accessory()

    def _rounded(self, w: float, h: float) -> np.ndarray:
        return self.curve(
            (-w, -h * 0.55),
            (-w * 0.72, -h),
            (w * 0.72, -h),
            (w, -h * 0.55),
            (w, h * 0.55),
            (w * 0.72, h),
            (-w * 0.72, h),
            (-w, h * 0.55),
        )

    # --- the face ----------------------------------------------------------------------------------------------

    def _face(self) -> None:
        shift = 0.42 if self.view == "side" else 0.0
        kind = self.look.kind
        if self.look.human:
            self._human_extras(shift)
        else:
            getattr(self, f"_{kind}")(shift)
        for side in (-1, 1):
            if self.view == "side" and side < 0:
                continue
            u = shift + 0.1 if self.view == "side" else side * (0.44 if kind in ("alien", "robot") else 0.40)
            self._eye(u, 0.06 if kind != "dinosaur" else -0.12, side)
        self._mouth(shift)

    def _eye(self, u: float, v: float, side: int) -> None:
        iris = EYE_COLORS[self.look.eyes]
        wide = 0.27 if self.look.kind == "alien" else 0.225
        narrow = 0.8 if self.view == "side" else 1.0
        self.pen.fill(self.oval(u, v, wide * narrow, 0.30), _WHITE)
        group = self.pen.canvas.group()
        self.pen.fill(self.oval(u + 0.02, v + 0.03, 0.165 * narrow, 0.225), iris, group)
        self.pen.fill(self.oval(u + 0.02, v + 0.04, 0.075 * narrow, 0.11), mix(iris, (0, 0, 0), 0.75), group)
        self.pen.fill(self.oval(u - 0.05, v - 0.08, 0.065, 0.075), _WHITE, group)
        if self.look.kind == "girl":
            lash = self.poly(
                (u - side * 0.2, v - 0.2),
                (u + side * 0.22, v - 0.24),
                (u + side * 0.36, v - 0.38),
                (u + side * 0.05, v - 0.37),
            )
            self.pen.fill(lash, _DARK, self.group)
        if self.look.kind == "boy":
            inner, outer = u - side * 0.2, u + side * 0.24
            brow = self.poly((inner, v - 0.5), (outer, v - 0.42), (outer, v - 0.31), (inner, v - 0.36))
            self.pen.fill(brow, mix(self.hair, _DARK, 0.55), self.group)

    def _mouth(self, shift: float) -> None:
        kind = self.look.kind
        if kind == "robot":
            self.pen.fill(
                self.poly((shift - 0.4, 0.5), (shift + 0.4, 0.5), (shift + 0.4, 0.7), (shift - 0.4, 0.7)),
                _DARK,
                self.group,
            )
            for k in range(3):
                u = shift - 0.3 + 0.22 * k
                self.pen.fill(self.poly((u, 0.53), (u + 0.13, 0.53), (u + 0.13, 0.67), (u, 0.67)), _WHITE, self.group)
            return
        color = (176, 44, 60) if kind == "girl" else (120, 52, 52)
        u = shift * 1.15
        mouth = [(u - 0.2, 0.53), (u, 0.58), (u + 0.2, 0.53), (u + 0.1, 0.68), (u - 0.1, 0.68)]
        if kind in ("cat", "bear", "rabbit"):
            mouth = [(a, b + 0.1) for a, b in mouth]
        self.pen.fill(self.poly(*mouth), color, self.group)

    def _human_extras(self, shift: float) -> None:
        if self.view == "side":
            self.pen.fill(self.oval(0.98, 0.24, 0.13, 0.11), self.skin, self.group)
            self.pen.fill(self.oval(-0.12, 0.18, 0.15, 0.2), mix(self.skin, (150, 60, 40), 0.25))
        else:
            for side in (-1, 1):
                self.pen.fill(self.oval(side * 1.0, 0.12, 0.15, 0.19), self.skin)
            self.pen.fill(self.oval(0, 0, 1, 1), self.skin, self.group)
            self.pen.fill(self.oval(0, 0.34, 0.07, 0.06), mix(self.skin, (130, 50, 30), 0.4), self.group)
        if self.look.kind == "girl":
            for u in (0.36,) if self.view == "side" else (-0.62, 0.62):
                self.pen.fill(self.oval(u, 0.46, 0.17, 0.11), mix(self.skin, (255, 90, 110), 0.5), self.group)

    def _snout(self, shift: float, ru: float, rv: float, v: float, nose: RGB) -> None:
        pale = mix(self.skin, _WHITE, 0.6)
        self.pen.fill(self.oval(shift * 1.5, v, ru, rv), pale, self.group)
        self.pen.fill(self.oval(shift * 1.9, v - rv * 0.45, 0.13, 0.1), nose, self.group)

    def _cat(self, shift: float) -> None:
        self._snout(shift, 0.4, 0.3, 0.56, (238, 116, 130))
        for side in (-1, 1):
            for k in (-1, 1):
                ends = np.array(
                    [self.p(shift + side * 0.42, 0.55 + 0.05 * k), self.p(shift + side * 1.05, 0.5 + 0.16 * k)]
                )
                self.pen.stroke(ends, 0.008, _DARK, self.group)

    def _bear(self, shift: float) -> None:
        self._snout(shift, 0.46, 0.36, 0.54, _DARK)

    def _rabbit(self, shift: float) -> None:
        self._snout(shift, 0.36, 0.26, 0.52, (238, 116, 130))
        u = shift * 1.3
        self.pen.fill(self.poly((u - 0.13, 0.74), (u + 0.13, 0.74), (u + 0.13, 0.98), (u - 0.13, 0.98)), _WHITE)

    def _robot(self, shift: float) -> None:
        self.pen.fill(self.oval(shift, 0.06, 0.86, 0.42), mix(self.skin, _DARK, 0.55), self.group)

    def _dinosaur(self, shift: float) -> None:
        self.pen.fill(self.oval(shift * 1.6, 0.5, 0.74, 0.46), mix(self.skin, _WHITE, 0.3))
        for side in (-1, 1):
            self.pen.fill(self.oval(shift * 1.8 + side * 0.2, 0.3, 0.06, 0.07), _DARK, self.group)

    def _alien(self, shift: float) -> None:
        for u, v in ((-0.3, -0.72), (0.02, -0.84), (0.32, -0.7)):
            self.pen.fill(self.oval(u, v, 0.1, 0.09), mix(self.skin, _DARK, 0.3), self.group)

    # --- hair --------------------------------------------------------------------------------------------------

    def _back_hair(self) -> None:
        style, pen, hair = self.look.hair, self.pen, self.hair
        back = -0.35 if self.view == "side" else 0.0
        if style == "long":
            pen.fill(
                self.curve(
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
                self.curve(
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
                self.oval(1.05 * math.cos(a) + back, 1.05 * math.sin(a) - 0.02, 0.36, 0.36)
                for a in np.linspace(0.6, 2 * math.pi - 0.2, 10) + math.pi / 2 + 0.35
            ]
            pen.canvas.fill_all([pen.map(s) for s in spots], hair)
        elif style == "afro":
            pen.fill(self.oval(back * 0.6, -0.3, 1.5, 1.35), hair)
        elif style == "ponytail":
            if self.view == "side":
                pen.fill(
                    self.curve((-0.8, -0.7), (-1.5, -0.6), (-1.8, 0.3), (-1.5, 1.3), (-1.3, 0.3), (-0.9, -0.1)), hair
                )
            else:
                pen.fill(
                    self.curve((0.5, -0.9), (1.3, -1.15), (1.75, -0.2), (1.5, 0.95), (1.25, 0.0), (0.8, -0.5)), hair
                )
        elif style == "pigtails":
            for side in (-1, 1):
                if self.view != "side" or side < 0:
                    u = side * (0.85 if self.view == "side" else 1.0)
                    pen.fill(
                        self.curve((u, -0.45), (u * 1.55, -0.35), (u * 1.75, 0.4), (u * 1.5, 1.1), (u * 1.2, 0.4)), hair
                    )
        elif style == "braids":
            for side in (-1, 1):
                beads = [capsule(self.p(side * 1.02 + back, 0.1), self.p(side * 1.08 + back, 1.9), 0.04, 0.03)]
                beads += [self.oval(side * 1.06 + back, 0.25 + 0.42 * k, 0.2, 0.25) for k in range(5)]
                pen.canvas.fill_all([pen.map(b) for b in beads], hair)
        elif style == "bun":
            pen.fill(self.oval(back * 1.2, -1.22, 0.46, 0.44), hair)
        elif style == "spiky":
            pen.fill(star(self.p(back * 0.5, -0.18), self.rx * 1.62, 11, 0.68), hair)

    def _cap(self, lower: list[tuple[float, float]]) -> np.ndarray:
        """Hair over the crown from temple to temple, closed by the fringe line `lower` (right to left)."""
        start = 0.05 if self.view != "side" else 0.35
        end = math.pi - 0.05 if self.view != "side" else math.pi + 0.55
        arc = np.linspace(-end, -start, 12) if self.view != "side" else np.linspace(-end, -start - 0.35, 12)
        crown = [self.p(1.08 * math.cos(a), 1.1 * math.sin(a)) for a in arc]
        return np.array(crown + [self.p(*q) for q in lower])

    def _fringe(self) -> None:
        style, pen, hair = self.look.hair, self.pen, self.hair
        if style == "mohawk":
            pen.fill(
                self.curve((-0.25, -0.72), (-0.42, -1.35), (-0.15, -1.78), (0.2, -1.75), (0.42, -1.3), (0.25, -0.72)),
                hair,
            )
            return
        if self.view == "side":
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
        pen.fill(self._cap(lines), hair)

    def _back_of_head(self) -> None:
        if not self.look.human:
            self._forelock()
            return
        style = self.look.hair
        if style == "mohawk":
            self.pen.fill(self.curve((-0.25, 0.7), (-0.35, -1.2), (0, -1.8), (0.35, -1.2), (0.25, 0.7)), self.hair)
            return
        if style != "ponytail":
            self._back_hair()
        hung = style in ("long", "bob", "afro", "curly")
        self.pen.fill(self.oval(0, -0.08, 1.08, 1.02), self.hair, self.pen.canvas.groups[-1] if hung else None)
        if style == "ponytail":
            self.pen.fill(self.curve((-0.2, -0.6), (0.2, -0.6), (0.42, 0.4), (0.12, 1.6), (-0.2, 0.4)), self.hair)

    # --- ears and tufts of creatures ---------------------------------------------------------------------------

    def _forelock(self) -> None:
        if self.look.kind in ("cat", "bear", "rabbit"):
            self.pen.fill(
                self.poly(
                    (-0.34, -0.82),
                    (-0.4, -1.22),
                    (-0.12, -1.02),
                    (0.04, -1.34),
                    (0.16, -1.02),
                    (0.42, -1.18),
                    (0.34, -0.8),
                    (0.0, -0.56),
                ),
                self.hair,
            )

    def _ears(self) -> None:
        kind = self.look.kind
        if kind == "dinosaur":
            self._crest()
            return
        sides = (-1, 1)
        for side in sides:
            if kind in ("robot", "alien"):
                self._antenna(side)
            else:
                self._ear(side)

    def _ear(self, side: int) -> None:
        """An animal's ear: fur outside, the ear colour inside; the style decides how it ends."""
        long = {"cat": 0.85, "bear": 0.62, "rabbit": 1.55}[self.look.kind]
        wide = {"cat": 0.42, "bear": 0.4, "rabbit": 0.32}[self.look.kind]
        u, v, style = side * 0.62, -0.62, self.look.hair
        if style == "floppy":
            outer = self.curve(
                (u * 0.7, -0.95), (u * 1.5, -1.15), (u * 2.1, -0.4), (u * 1.95, -0.7 + long * 0.85), (u * 1.6, -0.2)
            )
            inner = self.curve(
                (u * 1.3, -0.88), (u * 1.6, -0.9), (u * 1.92, -0.35), (u * 1.88, -0.8 + long * 0.78), (u * 1.65, -0.3)
            )
        elif style == "round":
            outer = self.oval(u * 1.05, v - long * 0.42, wide, long * 0.55)
            inner = self.oval(u * 1.05, v - long * 0.42, wide * 0.64, long * 0.38)
        else:
            tip = (u * 1.35, v - long)
            outer = self.poly(
                (u - wide, v + 0.1), (tip[0] - 0.05, tip[1]), (tip[0] + 0.05, tip[1]), (u + wide, v + 0.1)
            )
            inner = self.poly((u - wide * 0.55, v), (tip[0], tip[1] + long * 0.22), (u + wide * 0.55, v))
        self.pen.fill(outer, self.skin)
        self.pen.fill(inner, self.hair)
        if style == "tufted":
            self.pen.fill(star(self.p(u * 1.35, v - long - 0.02), 0.34 * self.rx, 6, 0.5), self.hair)

    def _antenna(self, side: int) -> None:
        style = self.look.hair
        tip = (side * 0.62, -1.62) if style != "floppy" else (side * 1.45, -0.95)
        bend = (side * 0.55, -1.3) if style != "floppy" else (side * 0.75, -1.6)
        self.pen.stroke(
            np.array([self.p(side * 0.35, -0.8), self.p(*bend), self.p(*tip)]),
            0.028,
            mix(self.skin, _DARK, 0.4),
            self.pen.canvas.group(),
        )
        if style == "round":
            self.pen.fill(self.oval(*tip, 0.27, 0.27), self.hair)
        elif style == "tufted":
            self.pen.fill(star(self.p(*tip), 0.36 * self.rx, 5, 0.45), self.hair)
        elif style == "upright":
            self.pen.fill(
                self.poly((tip[0] - 0.22, tip[1] + 0.3), (tip[0], tip[1] - 0.34), (tip[0] + 0.22, tip[1] + 0.3)),
                self.hair,
            )
        else:
            self.pen.fill(self.oval(tip[0], tip[1] + 0.1, 0.18, 0.32), self.hair)

    def _crest(self) -> None:
        style, pen = self.look.hair, self.pen
        angles = np.linspace(-2.6, -0.55, 5) if self.view != "side" else np.linspace(-3.4, -1.2, 5)
        for a in angles:
            c, s = math.cos(a), math.sin(a)
            if style == "round":
                shape = self.oval(1.08 * c, 1.1 * s, 0.25, 0.25)
            elif style == "floppy":
                shape = self.oval(1.12 * c + 0.1, 1.12 * s, 0.16, 0.36, a + 0.9)
            else:
                reach = 1.5 if style == "upright" else 1.34
                shape = self.poly(
                    (0.95 * math.cos(a - 0.24), 0.95 * math.sin(a - 0.24)),
                    (reach * c, reach * s),
                    (0.95 * math.cos(a + 0.24), 0.95 * math.sin(a + 0.24)),
                )
            pen.fill(shape, self.hair)
            if style == "tufted":
                pen.fill(star(self.p(1.36 * c, 1.36 * s), 0.2 * self.rx, 5, 0.5), self.hair)

    # --- accessories -------------------------------------------------------------------------------------------

    def _accessory(self) -> None:
        name = self.look.accessory
        if name not in ("none", "scarf"):
            getattr(self, f"_wear_{name}")()

    def _wear_glasses(self) -> None:
        if self.view == "back":
            return
        group = self.pen.canvas.group()
        shift = 0.52 if self.view == "side" else 0.0
        for u in (shift,) if shift else (-0.42, 0.42):
            ring = self.oval(u, 0.06, 0.36, 0.38)
            self.pen.stroke(np.concatenate([ring, ring[:1]]), 0.024, (28, 26, 34), group)
        bridge = ((shift - 0.36, 0.02), (-0.3, 0.0)) if shift else ((-0.08, 0.02), (0.08, 0.02))
        self.pen.stroke(self.poly(*bridge), 0.024, (28, 26, 34), group)

    def _wear_eyepatch(self) -> None:
        strap = self.poly((-1.0, -0.42), (0.95, 0.02)) if self.view != "back" else self.poly((-1.0, 0.0), (1.0, -0.3))
        self.pen.stroke(strap, 0.022, (28, 26, 34), self.group)
        if self.view != "back":
            u = 0.52 if self.view == "side" else 0.4
            self.pen.fill(self.oval(u, 0.06, 0.34, 0.36), (28, 26, 34))

    def _wear_cap(self) -> None:
        teal = (20, 158, 160)
        arc = np.linspace(-math.pi, 0, 10)
        dome = np.array([self.p(1.12 * math.cos(a), -0.38 + 0.86 * math.sin(a)) for a in arc])
        self.pen.fill(dome, teal)
        if self.view == "side":
            self.pen.fill(self.poly((0.8, -0.5), (1.75, -0.42), (1.75, -0.26), (0.8, -0.3)), mix(teal, _DARK, 0.25))
        elif self.view == "front":
            self.pen.fill(self.oval(0, -0.4, 1.0, 0.17), mix(teal, _DARK, 0.25))
        self.pen.fill(self.oval(0, -1.22, 0.13, 0.11), _WHITE)

    def _wear_bow(self) -> None:
        rose = (232, 40, 96)
        u, v = (0.55, -0.92) if self.view != "side" else (-0.1, -1.02)
        wings = [self.poly((u, v), (u + s * 0.55, v - 0.34), (u + s * 0.55, v + 0.34)) for s in (-1, 1)]
        self.pen.canvas.fill_all([self.pen.map(w) for w in wings], rose)
        self.pen.fill(self.oval(u, v, 0.16, 0.17), mix(rose, _WHITE, 0.3))

    def _wear_crown(self) -> None:
        points = [(-0.68, -0.78), (-0.78, -1.5), (-0.36, -1.14), (0, -1.66), (0.36, -1.14), (0.78, -1.5), (0.68, -0.78)]
        self.pen.fill(self.poly(*points), _GOLD)
        self.pen.fill(self.oval(0, -1.0, 0.12, 0.13), (214, 40, 60), self.pen.canvas.group())

    def _wear_headphones(self) -> None:
        steel = (60, 66, 84)
        band = np.array([self.p(1.13 * math.cos(a), 1.2 * math.sin(a)) for a in np.linspace(-math.pi, 0, 12)])
        self.pen.stroke(band, 0.04, steel, self.pen.canvas.group())
        for u in (-0.1,) if self.view == "side" else (-1.08, 1.08):
            self.pen.fill(self.oval(u, 0.08, 0.26, 0.38), (34, 190, 214))

    def _wear_flower(self) -> None:
        u, v = (0.62, -0.78) if self.view != "side" else (-0.15, -0.82)
        petals = [
            self.oval(u + 0.26 * math.cos(a), v + 0.26 * math.sin(a), 0.2, 0.2)
            for a in np.linspace(0, 2 * math.pi, 5, endpoint=False)
        ]
        self.pen.canvas.fill_all([self.pen.map(q) for q in petals], (255, 250, 252))
        self.pen.fill(self.oval(u, v, 0.17, 0.17), _GOLD)


def scarf(pen: Pen, down: float) -> None:
    """A scarf round the neck with one hanging end."""
    plum = (206, 36, 130)
    y = -0.525 + down
    pen.fill(np.array([(0.03, y), (0.12, y), (0.13, y + 0.17), (0.05, y + 0.17)]), mix(plum, _DARK, 0.15))
    pen.fill(ellipse((0.0, y), 0.15, 0.05), plum)
