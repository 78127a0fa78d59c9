"""Where balloons go: a beam search over positions, in reading order, that keeps off faces and off other balloons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inkcast.page.geometry import Array, Flags, crossed, crosses, grown, meets, oval_meets, overlap
from inkcast.page.patterns import Box
from inkcast.page.setting import Point
from inkcast.page.shaping import Shape

_BEAM = 5
_ACROSS, _DOWN = 15, 15
_FACE_MARGIN = 1.5  # millimetres between a balloon and a face
_BALLOON_MARGIN = 0.9  # millimetres between two balloons
_LINK = 0.3  # millimetres between two balloons of one speech, bridged by a neck


@dataclass(frozen=True)
class Request:
    """Something to place. `em` is its text size in mm.

    `near` is the face or place it belongs to, `target` what its tail points at (none for the first parts of a speech)
    and `own` the index of that face; `chained` requests continue the one before. `ordered` ones are read in sequence;
    `oval` ones may reach into the corners of what they must not cover. `gap` is the wished distance (mm) to `near`.
    `corner` draws a caption to the corner where reading starts. A voice from outside has `exits`: the sides of the
    panel (x) by which its tail may leave.
    """

    shapes: tuple[Shape, ...]
    em: float
    near: Box | None = None
    target: Point | None = None
    own: int | None = None
    chained: bool = False
    ordered: bool = True
    oval: bool = True
    gap: float = 5.0
    corner: bool = False
    exits: tuple[float, ...] = ()


@dataclass(frozen=True)
class Place:
    shape: Shape
    box: Box

    @property
    def centre(self) -> Point:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class Stage:
    """What a panel offers: `room` for balloons, `faces` never to cover, `bodies` better not covered (mm)."""

    room: Box
    faces: tuple[Box, ...]
    bodies: tuple[Box, ...]
    right_to_left: bool = False


@dataclass(frozen=True)
class _Options:
    """All positions of one request: boxes [n, 4], the index of each one's shape,
    and the cost that does not depend on the others.
    """

    boxes: Array
    shapes: NDArray[np.intp]
    cost: Array


def place(requests: Sequence[Request], stage: Stage) -> list[Place] | None:
    """A place for every request, or None where the stage cannot hold them."""
    beam: list[tuple[float, list[Place]]] = [(0.0, [])]
    for index, request in enumerate(requests):
        waiting = _crowd(requests[index + 1 :], stage)
        options = None if request.chained else _options(request, _grid(request, stage), stage, waiting)
        grown_beam: list[tuple[float, list[Place]]] = []
        for cost, places in beam:
            if request.chained:
                options = _options(request, _beside(request, places[-1].box, stage), stage, waiting)
            if options is None:
                continue
            total = options.cost + _against(request, options, places, requests[:index], stage)
            for best in _spread(total, options.boxes):
                x0, y0, x1, y1 = (float(value) for value in options.boxes[best])
                spot = Place(request.shapes[options.shapes[best]], (x0, y0, x1, y1))
                grown_beam.append((cost + float(total[best]), [*places, spot]))
        if not grown_beam:
            return None
        beam = sorted(grown_beam, key=lambda entry: entry[0])[:_BEAM]
    return beam[0][1]


def _crowd(later: Sequence[Request], stage: Stage) -> float:
    """How much those that are read later need the room: their number where it is scarce, less where it is ample."""
    x0, y0, x1, y1 = stage.room
    ordered = [request for request in later if request.ordered]
    needed = sum(
        4 * request.shapes[0].half_width * request.shapes[0].half_height * request.em**2 for request in ordered
    )
    return len(ordered) * min(1.0, 4.0 * needed / ((x1 - x0) * (y1 - y0)))


def _spread(total: Array, boxes: Array) -> list[int]:
    """The cheapest positions, each well apart from the ones before."""
    chosen: list[int] = []
    remaining = np.where(np.isfinite(total), total, np.inf)
    for _ in range(_BEAM):
        best = int(np.argmin(remaining))
        if not np.isfinite(remaining[best]):
            break
        chosen.append(best)
        box = boxes[best]
        reach_x, reach_y = (box[2] - box[0]) / 3, (box[3] - box[1]) / 3
        near = (np.abs(boxes[:, 0] - box[0]) < reach_x) & (np.abs(boxes[:, 1] - box[1]) < reach_y)
        remaining = np.where(near, np.inf, remaining)
    return chosen


def _grid(request: Request, stage: Stage) -> list[tuple[int, Array]]:
    """Boxes all over the room, for each shape (by index) that fits into it."""
    x0, y0, x1, y1 = stage.room
    found = []
    for index, (width, height) in enumerate(_sizes(request)):
        if width <= x1 - x0 and height <= y1 - y0:
            left, top = np.meshgrid(np.linspace(x0, x1 - width, _ACROSS), np.linspace(y0, y1 - height, _DOWN))
            found.append((index, _boxes(left, top, width, height)))
    return found


def _beside(request: Request, before: Box, stage: Stage) -> list[tuple[int, Array]]:
    """Boxes that go on from the balloon `before`: touching it from below, or from the side that is read next."""
    found = []
    for index, (width, height) in enumerate(_sizes(request)):
        shifts = np.linspace(before[0] - width * 0.5, before[2] - width * 0.5, 11)
        below = _boxes(shifts, np.full(11, before[3] + _LINK), width, height)
        side = before[0] - _LINK - width if stage.right_to_left else before[2] + _LINK
        beside = _boxes(np.full(7, side), np.linspace(before[1], before[3] - height * 0.3, 7), width, height)
        boxes = np.concatenate([below, beside])
        x0, y0, x1, y1 = stage.room
        inside = (boxes[:, 0] >= x0) & (boxes[:, 1] >= y0) & (boxes[:, 2] <= x1) & (boxes[:, 3] <= y1)
        found.append((index, boxes[inside]))
    return found


def _sizes(request: Request) -> list[tuple[float, float]]:
    return [(2 * shape.half_width * request.em, 2 * shape.half_height * request.em) for shape in request.shapes]


def _boxes(left: Array, top: Array, width: float, height: float) -> Array:
    return np.stack([left, top, left + width, top + height], axis=-1).reshape(-1, 4)


def _options(request: Request, shaped: list[tuple[int, Array]], stage: Stage, waiting: float) -> _Options | None:
    """The positions that cover no face, with what each costs while `waiting` others still have to follow."""
    if not shaped:
        return None
    boxes = np.concatenate([boxes for _, boxes in shaped])
    which = np.concatenate([np.full(len(boxes), index) for index, boxes in shaped])
    cost = np.array([shape.cost for shape in request.shapes])[which]
    hits = oval_meets if request.oval else meets
    free = np.ones(len(boxes), dtype=bool)
    for face in stage.faces:
        free &= ~hits(boxes, face, _FACE_MARGIN)
    if not free.any():
        return None
    boxes, which = boxes[free], which[free]
    return _Options(boxes, which, cost[free] + _alone(request, boxes, stage, waiting))


def _alone(request: Request, boxes: Array, stage: Stage, waiting: float) -> Array:
    """What a position costs whatever the others do: the more of them wait, the nearer to where reading starts."""
    x0, y0, x1, y1 = stage.room
    width, height = x1 - x0, y1 - y0
    diagonal = math.hypot(width, height)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    start = (x1 - boxes[:, 2]) if stage.right_to_left else (boxes[:, 0] - x0)
    cost = (0.4 + 0.6 * waiting) * (boxes[:, 1] - y0) / height + 0.25 * waiting * start / width
    for body in stage.bodies:
        cost = cost + 1.6 * overlap(boxes, body) / area
    if request.corner:
        return cost + 0.8 * start / width + 1.2 * (boxes[:, 1] - y0) / height
    if request.near is not None:
        x, y = (request.near[0] + request.near[2]) / 2, (request.near[1] + request.near[3]) / 2
        centre_x, centre_y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
        gap = _gaps(boxes, request.near)
        cost = cost + 2.4 * np.maximum(gap - request.gap, 0.0) / diagonal + 0.12 * np.maximum(request.gap - gap, 0.0)
        cost = cost + 0.5 * (centre_y > y) + 0.5 * np.abs(centre_x - x) / width
        if request.target is not None:
            for index, other in enumerate(stage.faces):
                if index != request.own:
                    cost = cost + 4.0 * crosses(centre_x, centre_y, *request.target, grown(other, 0.8))
                    cost = cost + 0.12 * np.clip(gap - _gaps(boxes, other) + 2.0, 0.0, 10.0)
        if request.exits:
            blocked = [
                np.any([crosses(centre_x, centre_y, side, centre_y, grown(face, 0.8)) for face in stage.faces], axis=0)
                for side in request.exits
            ]
            cost = cost + 4.0 * np.all(blocked, axis=0)
    return cost


def _gaps(boxes: Array, box: Box) -> Array:
    """The distance from each of `boxes` [n, 4] to `box`."""
    across = np.maximum(np.maximum(boxes[:, 0] - box[2], box[0] - boxes[:, 2]), 0.0)
    down = np.maximum(np.maximum(boxes[:, 1] - box[3], box[1] - boxes[:, 3]), 0.0)
    return np.hypot(across, down)


def _against(
    request: Request, options: _Options, places: Sequence[Place], before: Sequence[Request], stage: Stage
) -> Array:
    """What a position costs beside those already taken; infinite where it covers one or would be read out of turn."""
    boxes = options.boxes
    cost = np.zeros(len(boxes))
    if not places:
        return cost
    centre_x, centre_y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    bad = np.zeros(len(boxes), dtype=bool)
    for index, (other, asked) in enumerate(zip(places, before, strict=True)):
        linked = request.chained and index == len(places) - 1
        bad |= meets(boxes, other.box, 0.0 if linked else _BALLOON_MARGIN)
        if request.ordered and asked.ordered:
            bad |= ~_reads_after(boxes, other.box, stage.right_to_left)
        if request.target is not None:
            cost += 4.0 * crosses(centre_x, centre_y, *request.target, other.box) * (not linked)
        if asked.target is not None:
            cost += 4.0 * crossed(boxes, other.centre, asked.target)
        if linked:
            for face in stage.faces:
                bad |= crosses(centre_x, centre_y, *other.centre, grown(face, _FACE_MARGIN))
    return np.where(bad, np.inf, cost)


def _reads_after(boxes: Array, before: Box, right_to_left: bool) -> Flags:
    """Which of `boxes` are read after `before`: wholly below it,
    or beside it in reading direction and starting no higher.
    """
    below = boxes[:, 1] >= before[3] - 0.1
    beside = boxes[:, 2] <= before[0] + 0.1 if right_to_left else boxes[:, 0] >= before[2] - 0.1
    centre = (boxes[:, 1] + boxes[:, 3]) / 2
    not_higher = (boxes[:, 1] >= before[1] - 0.1) | (centre >= (before[1] + before[3]) / 2 - 0.1)
    return below | (beside & not_higher)
