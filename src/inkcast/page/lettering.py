"""A panel's words as balloons, captions and effects in their places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import numpy as np

from inkcast.page.geometry import crosses, grown, leaves
from inkcast.page.inking import Inked, ink
from inkcast.page.patterns import Box
from inkcast.page.placing import Place, Request, Stage, place
from inkcast.page.setting import Point
from inkcast.page.shaping import Shape, shapes_of
from inkcast.page.typography import POINT, Typographer
from inkcast.page.voices import Body, Voice, mouth

_TAIL_GAP = 0.8  # millimetres between a tail from outside and the faces it passes
_FAR = 1000.0  # millimetres, more than any panel is wide
_TIP_GAP, _TRAIL_GAP = 0.5, 2.0  # millimetres between a tail, or a thought's bubbles, and the face they point at


class Letterer:
    """Letters panels whose speech is `points` large."""

    def __init__(self, typographer: Typographer, points: float) -> None:
        self._typographer, self._points = typographer, points

    def letter(
        self,
        voices: Sequence[Voice],
        bodies: Sequence[Body],
        room: Box,
        right_to_left: bool,
        scales: Sequence[float],
        seed: str,
    ) -> list[Inked] | None:
        """Everything placed in `room` (mm) at the first of `scales` at which it fits; None where it fits at none."""
        faces = tuple(body.face for body in bodies if body.seen_face)
        stage = Stage(room, faces, tuple(body.box for body in bodies), right_to_left)
        for scale in scales:
            requests = [
                self._request(voice, bodies, stage, scale, _goes_on(voices, index))
                for index, voice in enumerate(voices)
            ]
            places = place(requests, stage)
            if places is not None:
                return self._ink(voices, requests, places, bodies, stage, scale, seed)
        return None

    def _request(self, voice: Voice, bodies: Sequence[Body], stage: Stage, scale: float, goes_on: bool) -> Request:
        em = self._typographer.size(voice.kind, self._points) * POINT * scale
        near, target, own = None, None, None
        if voice.body is not None:
            body = bodies[voice.body]
            near, target = body.face, mouth(body)
            if body.seen_face:
                own = sum(other.seen_face for other in bodies[: voice.body])
        elif voice.outside:
            near = _outside(stage)
        gap = 8.0 if voice.kind == "thought" else 5.0
        if goes_on:  # the last part of a speech has its tail, and stands between the others and the face
            target, gap = None, 18.0
        return Request(
            shapes_of(voice, self._typographer, (stage.room[2] - stage.room[0]) / em),
            em,
            near,
            target,
            own,
            chained=voice.chained,
            ordered=voice.kind != "effect",
            oval=voice.kind not in ("caption", "effect"),
            gap=gap,
            corner=voice.kind == "caption",
            exits=(stage.room[0], stage.room[2]) if voice.outside and stage.faces else (),
        )

    def _ink(
        self,
        voices: Sequence[Voice],
        requests: Sequence[Request],
        places: Sequence[Place],
        bodies: Sequence[Body],
        stage: Stage,
        scale: float,
        seed: str,
    ) -> list[Inked]:
        found = []
        for index, (voice, request, spot) in enumerate(zip(voices, requests, places, strict=True)):
            size = self._typographer.size(voice.kind, self._points) * scale * spot.shape.size
            tip = None
            if not _goes_on(voices, index):
                others = [other.box for other in places if other is not spot]
                tip = _tip(voice, request, bodies, spot, stage, others)
            before = places[index - 1].centre if voice.chained else None
            width = self._width(voice, spot.shape) * size * POINT
            found.append(ink(voice, size, width, spot, tip, before, Random(f"{seed}:{index}")))
        return found

    def _width(self, voice: Voice, shape: Shape) -> float:
        return self._typographer.width(shape.lines, voice.kind, voice.language)


def _goes_on(voices: Sequence[Voice], index: int) -> bool:
    return index + 1 < len(voices) and voices[index + 1].chained


def _tip(
    voice: Voice, request: Request, bodies: Sequence[Body], spot: Place, stage: Stage, others: Sequence[Box]
) -> Point | None:
    if voice.body is not None:
        return tail_tip(bodies[voice.body], spot.centre, _TRAIL_GAP if voice.kind == "thought" else _TIP_GAP)
    return None if request.near is None else _way_out(spot, request.near, stage, others)


def _way_out(spot: Place, near: Box, stage: Stage, others: Sequence[Box]) -> Point:
    """Where a tail leaves the panel: by the side `near` if it can, over no face and no other balloon."""
    x, y = spot.centre
    _, top, _, bottom = spot.box
    lowest = min(bottom + 0.1 * (bottom - top), near[3])
    heights = np.linspace(lowest, max(top - 0.5 * (bottom - top), near[1]), 9)
    sides = [(side, float(height)) for side in (near[0], stage.room[0], stage.room[2]) for height in heights]
    inked = [*(grown(face, _TAIL_GAP) for face in stage.faces), *others]

    def cost(tip: Point) -> float:
        over = sum(bool(crosses(np.array([x]), np.array([y]), *tip, box)[0]) for box in inked)
        return over * _FAR + (tip[0] != near[0]) * _FAR / 4 + math.dist(tip, (x, lowest))

    return min([*sides, (x, stage.room[1]), (x, stage.room[3])], key=cost)


def tail_tip(body: Body, centre: Point, gap: float = _TIP_GAP) -> Point:
    """Just outside the face towards the balloon, but never outside the figure."""
    start = mouth(body)
    x, y = leaves(body.face, start, centre)
    within = leaves(body.box, (x, y), (2 * x - start[0], 2 * y - start[1]))
    length = math.dist((x, y), start) or 1.0
    step = min(gap, math.dist((x, y), within)) / length
    return x + (x - start[0]) * step, y + (y - start[1]) * step


def _outside(stage: Stage) -> Box:
    """The emptier side of the panel, where a voice from outside comes from."""
    x0, y0, x1, y1 = stage.room
    middles = [(body[0] + body[2]) / 2 for body in stage.bodies]
    left = bool(middles) and sum(middles) / len(middles) > (x0 + x1) / 2
    return (x0, y0, x0, y1) if left else (x1, y0, x1, y1)
