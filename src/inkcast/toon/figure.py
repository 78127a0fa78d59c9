"""A whole character: limbs, clothes with their pattern, head, and what the action puts into the hands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inkcast.toon.canvas import RGB, Canvas, Point, box, capsule, ellipse, mix, smooth, star
from inkcast.toon.head import Head, body_color
from inkcast.toon.pose import SEAT, Limb, Pen, Pose, bend, pose_of, skeleton
from inkcast.toon.world import COLORS, HAIR_COLORS, Look
from inkcast.toon.worn import scarf

_SHOE = (74, 58, 60)
_SEAT = (150, 104, 62)


@dataclass(frozen=True)
class Stance:
    """Where and how a figure is drawn: feet `origin`, `height` and the point to reach (`target`), all in pixels."""

    origin: Point
    height: float
    facing: int
    view: str
    action: str
    target: Point | None = None


@dataclass(frozen=True)
class Drawn:
    """Key points of a drawn figure, in pixels: face box, five face points, 18-point skeleton."""

    face: tuple[float, float, float, float] | None
    points: np.ndarray | None
    skeleton: np.ndarray


def draw_figure(canvas: Canvas, look: Look, stance: Stance, rng: np.random.Generator) -> Drawn:
    """Draw `look` in `stance`; the canvas's owner must be set to the actor's number."""
    down = SEAT if stance.action == "sitting" else 0.0
    pose = pose_of(stance.action, stance.view, rng.uniform(-1, 1, (4, 2)))
    origin = (stance.origin[0], stance.origin[1] + pose.lift * stance.height)
    pen = Pen(canvas, origin, stance.height, stance.facing, pose.lean)
    if stance.target is not None:
        pose = _reach_for(pose, pen.unmap(stance.target))
    _Body(pen, look, pose, stance, down).draw()
    face, points = (None, None) if stance.view == "back" else _face_points(pen, look, stance, down)
    return Drawn(face, points, skeleton(pose, pen, stance.view, stance.facing, down))


def _reach_for(pose: Pose, target: Point) -> Pose:
    """The pose with its front arm stretched to `target` (frame coordinates)."""
    arm = bend(pose.right_arm.root, target, -1, 0.155)
    return Pose(pose.left_arm, arm, pose.left_leg, pose.right_leg, pose.lift, pose.lean)


def _face_points(
    pen: Pen, look: Look, stance: Stance, down: float
) -> tuple[tuple[float, float, float, float], np.ndarray]:
    head = Head(pen, look, stance.view, down)
    side = stance.view == "side"
    eyes = -0.12 if look.kind == "dinosaur" else 0.06
    apart = 0.44 if look.kind in ("alien", "robot") else 0.40
    us = (0.52, 0.52) if side else (-apart, apart)
    shift = 0.42 if side else 0.0
    local = np.array(
        [
            head.p(us[0], eyes),
            head.p(us[1], eyes),
            head.p(shift * 1.9, 0.36),
            head.p(shift - 0.2, 0.6),
            head.p(shift + 0.2, 0.6),
        ]
    )
    pixels = pen.map(local)
    if stance.facing < 0:  # the mirrored face: its right eye is still the one on the picture's left
        pixels = pixels[[1, 0, 2, 4, 3]]
    corners = pen.map(ellipse(head.p(0, 0), head.rx * 1.08, head.ry * 1.08))
    low, high = corners.min(0), corners.max(0)
    return (low[0], low[1], high[0], high[1]), pixels.astype(np.float32)


class _Body:
    def __init__(self, pen: Pen, look: Look, pose: Pose, stance: Stance, down: float) -> None:
        self.pen, self.look, self.pose, self.stance, self.down = pen, look, pose, stance, down
        self.view = stance.view
        self.skin = body_color(look)
        self.top = COLORS[look.top]
        self.bottom = COLORS[look.bottom_color]
        self.wide = 0.72 if self.view == "side" else 1.0

    def draw(self) -> None:
        head = Head(self.pen, self.look, self.view, self.down)
        if self.stance.action == "sitting":
            self.pen.fill(box(-0.17, -0.225, 0.17, -0.015), _SEAT)
            self.pen.fill(box(-0.19, -0.235, 0.19, -0.185), mix(_SEAT, (255, 255, 255), 0.2))
        if not self.look.human and self.view != "back":
            self._tail()
        head.behind()
        if self.view == "side":
            self._arm(self.pose.left_arm)
        self._leg(self.pose.left_leg)
        self._leg(self.pose.right_leg)
        if self.look.bottom == "skirt":
            self._skirt()
        self._torso()
        if not self.look.human and self.view == "back":
            self._tail()
        before = self.stance.action in ("reading", "hugging")
        if self.view != "side" and not before:
            self._arm(self.pose.left_arm)
            if self.view == "back" or self.pose.right_arm.end[1] > -0.55:
                self._arm(self.pose.right_arm)
        head.front()
        if self.look.accessory == "scarf":
            scarf(self.pen, self.down)
        if self.stance.action == "reading" and self.view != "back":
            self._book()
        if before and self.view != "side":
            self._arm(self.pose.left_arm)
        if before or self.view == "side" or (self.view != "back" and self.pose.right_arm.end[1] <= -0.55):
            self._arm(self.pose.right_arm)

    def _arm(self, arm: Limb) -> None:
        self.pen.fill(capsule(arm.middle, arm.end, 0.034, 0.032), self.skin)
        self.pen.fill(ellipse(arm.end, 0.043, 0.043), self.skin, self.pen.canvas.groups[-1])
        self.pen.fill(capsule(arm.root, arm.middle, 0.047, 0.043), self.top)

    def _leg(self, leg: Limb) -> None:
        toe = 0.045 if self.view == "side" else (0.02 if leg.end[0] > 0 else -0.02)
        foot = ellipse((leg.end[0] + toe, leg.end[1] - 0.012), 0.07 if self.view == "side" else 0.06, 0.034)
        covered, shin = self.bottom, self.skin
        if self.look.bottom == "trousers":
            shin = covered
        elif self.look.bottom == "skirt":
            covered = self.skin
        group = self.pen.canvas.group()
        self.pen.fill(capsule(leg.middle, leg.end, 0.05, 0.042), shin, group)
        self.pen.fill(foot, _SHOE)
        self.pen.fill(capsule(leg.root, leg.middle, 0.062, 0.056), covered, group if covered == shin else None)

    def _skirt(self) -> None:
        y = -0.33 + self.down
        w = self.wide
        self.pen.fill(
            smooth([(-0.10 * w, y), (0.10 * w, y), (0.185 * w, y + 0.175), (0, y + 0.195), (-0.185 * w, y + 0.175)]),
            self.bottom,
        )

    def _torso(self) -> None:
        y, w = self.down, self.wide
        flare = 0.155 if self.look.kind == "girl" else 0.115
        hem = -0.265 if self.look.kind == "girl" else -0.255
        if self.look.bottom != "skirt":
            self.pen.fill(ellipse((0, -0.275 + y), 0.112 * w, 0.055), self.bottom)
        outline = smooth(
            [
                (-0.05 * w, -0.56 + y),
                (0.05 * w, -0.56 + y),
                (0.135 * w, -0.505 + y),
                (0.128 * w, -0.40 + y),
                (flare * w, hem + y),
                (0, hem + 0.012 + y),
                (-flare * w, hem + y),
                (-0.128 * w, -0.40 + y),
                (-0.135 * w, -0.505 + y),
            ]
        )
        cloth = self.pen.fill(outline, self.top)
        self._pattern(cloth)
        if self.look.kind == "boy" and self.view == "front":
            self.pen.fill(np.array([(-0.055, -0.545 + y), (0.055, -0.545 + y), (0.0, -0.475 + y)]), self.skin)

    def _pattern(self, cloth: int) -> None:
        if self.look.pattern == "plain":
            return
        y = self.down
        light: RGB = (252, 250, 242) if self.look.top not in ("white", "yellow") else (74, 66, 88)
        name = self.look.pattern
        if name == "striped":
            shapes = [box(u, -0.6 + y, u + 0.028, -0.2 + y) for u in np.arange(-0.16, 0.17, 0.062)]
        elif name == "banded":
            shapes = [box(-0.2, v + y, 0.2, v + 0.034 + y) for v in np.arange(-0.50, -0.24, 0.078)]
        elif name == "checked":
            shapes = [
                box(u, v + y, u + 0.05, v + 0.05 + y)
                for i, u in enumerate(np.arange(-0.175, 0.15, 0.05))
                for j, v in enumerate(np.arange(-0.56, -0.24, 0.05))
                if (i + j) % 2
            ]
        elif name == "dotted":
            shapes = [
                ellipse((u + 0.04 * (j % 2), v + y), 0.021, 0.021)
                for j, v in enumerate(np.arange(-0.50, -0.25, 0.062))
                for u in np.arange(-0.16, 0.17, 0.08)
            ]
        else:
            shapes = [star((0.01, -0.395 + y), 0.088)]
        self.pen.within(cloth, shapes, light)

    def _tail(self) -> None:
        kind, tip = self.look.kind, HAIR_COLORS[self.look.hair_color]
        y, pen = self.down, self.pen
        if kind == "cat":
            path = np.array([(-0.06, -0.26 + y), (-0.2, -0.2 + y), (-0.25, -0.3 + y), (-0.22, -0.42 + y)])
            for a, b, color in ((0, 1, self.skin), (1, 2, self.skin), (2, 3, tip)):
                pen.fill(
                    capsule(tuple(path[a]), tuple(path[b]), 0.03, 0.03), color, pen.canvas.groups[-1] if a else None
                )
        elif kind == "dinosaur":
            pen.fill(
                smooth(
                    [(-0.05, -0.34 + y), (-0.22, -0.18 + y), (-0.36, -0.10 + y), (-0.2, -0.06 + y), (-0.02, -0.16 + y)]
                ),
                self.skin,
            )
        elif kind in ("rabbit", "bear"):
            pen.fill(
                ellipse(({"front": -0.15, "side": -0.12, "back": 0.0}[self.view], -0.26 + y), 0.055, 0.055),
                mix(self.skin, (255, 255, 255), 0.5),
            )

    def _book(self) -> None:
        u = 0.2 if self.view == "side" else 0.0
        y = -0.39 + self.down
        cover = np.array(
            [
                (u - 0.13, y - 0.085),
                (u, y - 0.055),
                (u + 0.13, y - 0.085),
                (u + 0.13, y + 0.075),
                (u, y + 0.10),
                (u - 0.13, y + 0.075),
            ]
        )
        group = self.pen.canvas.group()
        self.pen.fill(cover, (172, 52, 44), group)
        for s in (-1, 1):
            page = np.array([(u, y - 0.075), (u + s * 0.115, y - 0.10), (u + s * 0.115, y - 0.06), (u, y - 0.035)])
            self.pen.fill(page, (252, 250, 240), group)
