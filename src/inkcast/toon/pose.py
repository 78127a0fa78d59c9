"""Where the joints of a figure are, for every action and view; also the pen that maps a figure's frame to pixels.

A figure stands in its own frame: u to its front or right, v down, feet at v = 0, crown of the head at v = -1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inkcast.toon.canvas import RGB, Canvas, Point

HEAD = (0.0, -0.745)
_REACH = 0.135


class Pen:
    """Draws polygons given in a figure's frame: feet at `origin`, `height` in pixels, mirrored and leaning."""

    def __init__(self, canvas: Canvas, origin: Point, height: float, facing: int, lean: float = 0.0) -> None:
        self.canvas = canvas
        self.height = height
        c, s = math.cos(lean), math.sin(lean)
        self._turn = np.array([[c * facing, s], [-s * facing, c]]) * height
        self._origin = np.asarray(origin, dtype=float)
        self._back = np.linalg.inv(self._turn)

    def map(self, points: np.ndarray) -> np.ndarray:
        """Frame coordinates [n, 2] to pixels."""
        return points @ self._turn + self._origin

    def at(self, u: float, v: float) -> Point:
        x, y = np.array((u, v)) @ self._turn + self._origin
        return float(x), float(y)

    def unmap(self, point: Point) -> Point:
        """Pixels to frame coordinates."""
        u, v = (np.asarray(point) - self._origin) @ self._back
        return float(u), float(v)

    def fill(self, polygon: np.ndarray, color: RGB, group: int | None = None) -> int:
        return self.canvas.fill(self.map(polygon), color, group)

    def within(self, label: int, polygons: list[np.ndarray], color: RGB) -> int:
        return self.canvas.within(label, [self.map(p) for p in polygons], color)

    def stroke(self, points: np.ndarray, width: float, color: RGB, group: int) -> int:
        """`width` in figure heights, at least half a pixel."""
        return self.canvas.stroke(self.map(points), max(width * self.height, 0.5), color, group)


@dataclass(frozen=True)
class Limb:
    root: Point
    middle: Point
    end: Point


@dataclass(frozen=True)
class Pose:
    """Limbs in the figure's frame. `left` and `right` are sides of the picture for a figure that is not mirrored."""

    left_arm: Limb
    right_arm: Limb
    left_leg: Limb
    right_leg: Limb
    lift: float = 0.0
    lean: float = 0.0


def bend(root: Point, target: Point, outward: float, reach: float = _REACH) -> Limb:
    """Two-bone inverse kinematics: the joint between bones of length `reach` lies on the `outward` (sign) side."""
    dx, dy = target[0] - root[0], target[1] - root[1]
    distance = math.hypot(dx, dy) or 1e-6
    if distance > 2 * reach:
        scale = 2 * reach / distance
        dx, dy, distance = dx * scale, dy * scale, 2 * reach
    rise = math.sqrt(max(reach**2 - (distance / 2) ** 2, 0.0)) * (1 if outward > 0 else -1)
    middle = (root[0] + dx / 2 + rise * -dy / distance, root[1] + dy / 2 + rise * dx / distance)
    return Limb(root, middle, (root[0] + dx, root[1] + dy))


# wrists (left, right) and ankles (left, right) in the frame; lift in heights (up is negative), lean in radians
_FRONT = {
    "standing": ((-0.19, -0.285), (0.19, -0.285), (-0.07, -0.02), (0.07, -0.02), 0.0, 0.0),
    "waving": ((-0.19, -0.285), (0.30, -0.70), (-0.07, -0.02), (0.07, -0.02), 0.0, 0.0),
    "running": ((-0.17, -0.43), (0.20, -0.33), (-0.15, -0.10), (0.10, -0.01), -0.02, 0.10),
    "walking": ((-0.16, -0.31), (0.19, -0.32), (-0.09, -0.06), (0.07, 0.0), 0.0, 0.03),
    "sitting": ((-0.13, -0.24), (0.13, -0.24), (-0.15, -0.02), (0.15, -0.02), 0.0, 0.0),
    "jumping": ((-0.30, -0.66), (0.30, -0.66), (-0.17, -0.09), (0.17, -0.09), -0.16, 0.0),
    "dancing": ((-0.125, -0.325), (0.27, -0.72), (-0.04, -0.01), (0.21, -0.08), 0.0, -0.10),
    "reading": ((-0.075, -0.375), (0.075, -0.375), (-0.07, -0.02), (0.07, -0.02), 0.0, 0.0),
    "cheering": ((-0.27, -0.74), (0.27, -0.74), (-0.10, -0.02), (0.10, -0.02), 0.0, 0.0),
    "pointing": ((-0.19, -0.285), (0.38, -0.49), (-0.07, -0.02), (0.07, -0.02), 0.0, 0.0),
    "shaking hands": ((-0.18, -0.29), (0.30, -0.40), (-0.07, -0.02), (0.07, -0.02), 0.0, 0.0),
    "hugging": ((-0.12, -0.34), (0.24, -0.42), (-0.06, -0.02), (0.06, -0.02), 0.0, 0.04),
    "passing a ball": ((-0.05, -0.47), (0.30, -0.50), (-0.08, -0.02), (0.08, -0.02), 0.0, 0.05),
}
_SIDE = {
    "walking": ((-0.12, -0.31), (0.15, -0.31), (-0.12, -0.04), (0.12, -0.02), 0.0, 0.02),
    "running": ((-0.20, -0.36), (0.21, -0.42), (-0.20, -0.10), (0.19, -0.02), -0.03, 0.14),
    "sitting": ((0.13, -0.26), (0.15, -0.25), (0.17, -0.02), (0.19, -0.02), 0.0, 0.0),
    "reading": ((0.19, -0.39), (0.20, -0.39), (-0.02, -0.02), (0.03, -0.02), 0.0, 0.0),
    "standing": ((0.01, -0.27), (0.02, -0.27), (-0.02, -0.02), (0.03, -0.02), 0.0, 0.0),
    "waving": ((0.00, -0.27), (0.27, -0.68), (-0.02, -0.02), (0.03, -0.02), 0.0, 0.0),
    "pointing": ((0.00, -0.27), (0.36, -0.49), (-0.02, -0.02), (0.03, -0.02), 0.0, 0.0),
}
SEAT = 0.105


def pose_of(action: str, view: str, jitter: np.ndarray) -> Pose:
    """The pose of `action` seen from `view`; `jitter` [4, 2] in (-1, 1) moves wrists and ankles a little."""
    side = view == "side"
    table = _SIDE.get(action, _FRONT[action]) if side else _FRONT[action]
    wrists_ankles = np.asarray(table[:4]) + jitter * ((0.02, 0.02), (0.02, 0.02), (0.012, 0.0), (0.012, 0.0))
    lift, lean = table[4], table[5]
    down = SEAT if action == "sitting" else 0.0
    shoulder, hip = (0.03, 0.03) if side else (0.115, 0.062)
    shoulder_y, hip_y = -0.50 + down, -0.285 + down
    left, right, left_foot, right_foot = ((float(p[0]), float(p[1])) for p in wrists_ankles)
    arms_down = (left[0], left[1] + down), (right[0], right[1] + down)
    knees = (1, 1) if side else (-1, 1)  # in profile knees bend forward, in front view outward
    return Pose(
        left_arm=bend((-shoulder, shoulder_y), arms_down[0], -1 if side else 1),
        right_arm=bend((shoulder, shoulder_y), arms_down[1], -1),
        left_leg=_leg((-hip, hip_y), left_foot, knees[0], action == "sitting"),
        right_leg=_leg((hip, hip_y), right_foot, knees[1], action == "sitting"),
        lift=lift,
        lean=lean,
    )


def _leg(root: Point, ankle: Point, outward: int, seated: bool) -> Limb:
    if seated:
        return Limb(root, (ankle[0] * 0.95, root[1] + 0.02), ankle)
    return bend(root, ankle, -outward, 0.137)


def skeleton(pose: Pose, pen: Pen, view: str, facing: int, down: float) -> np.ndarray:
    """OpenPose-18 key points [18, 3] (x, y, visible) in pixels: nose, neck, arms, legs, eyes, ears; right first."""
    near_is_right = facing > 0 if view == "side" else (view == "back") == (facing > 0)
    right_arm, left_arm = (pose.right_arm, pose.left_arm) if near_is_right else (pose.left_arm, pose.right_arm)
    right_leg, left_leg = (pose.right_leg, pose.left_leg) if near_is_right else (pose.left_leg, pose.right_leg)
    head = (HEAD[0], HEAD[1] + down)
    shift = 0.13 if view == "side" else 0.0
    sign = 1 if near_is_right else -1
    eyes = [(shift, head[1] + 0.01)] * 2 if view == "side" else [(sign * 0.085, head[1]), (-sign * 0.085, head[1])]
    ears = [(-0.02, head[1])] * 2 if view == "side" else [(sign * 0.2, head[1]), (-sign * 0.2, head[1])]
    points: list[Point] = [(shift * 1.5, head[1] + 0.06), (0.0, -0.53 + down)]
    for limb in (right_arm, left_arm, right_leg, left_leg):
        points += [limb.root, limb.middle, limb.end]
    points += [*eyes, *ears]
    visible = np.ones(18)
    if view == "back":
        visible[[0, 14, 15]] = 0
    if view == "side":
        visible[[15, 17] if near_is_right else [14, 16]] = 0
    return np.concatenate([pen.map(np.asarray(points)), visible[:, None]], 1).astype(np.float32)
