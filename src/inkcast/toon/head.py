"""Heads: where their parts lie, and the order in which they are drawn."""

from __future__ import annotations

import numpy as np

from inkcast.toon.canvas import RGB, ellipse, smooth
from inkcast.toon.face import draw_face
from inkcast.toon.hair import back_hair, back_of_head, ears, forelock, fringe
from inkcast.toon.pose import HEAD, Pen
from inkcast.toon.world import FURS, HAIR_COLORS, SKINS, Look
from inkcast.toon.worn import wear

_SHAPES = {"round": (0.212, 0.205), "long": (0.188, 0.222), "wide": (0.238, 0.192)}


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
                back_hair(self)
        else:
            ears(self)

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
            back_of_head(self)
        else:
            draw_face(self)
            if self.look.human:
                fringe(self)
            else:
                forelock(self)
        wear(self)

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
