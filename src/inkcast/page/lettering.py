"""A panel's words as balloons, captions and effects in their places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from inkcast.page.geometry import leaves
from inkcast.page.inking import Inked, ink
from inkcast.page.patterns import Box
from inkcast.page.placing import Place, Request, Stage, place
from inkcast.page.setting import Point
from inkcast.page.shaping import Shape, shapes_of
from inkcast.page.typography import POINT, Typographer
from inkcast.page.voices import Body, Voice, mouth

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
                return self._ink(voices, requests, places, bodies, scale, seed)
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
        )

    def _ink(
        self,
        voices: Sequence[Voice],
        requests: Sequence[Request],
        places: Sequence[Place],
        bodies: Sequence[Body],
        scale: float,
        seed: str,
    ) -> list[Inked]:
        found = []
        for index, (voice, request, spot) in enumerate(zip(voices, requests, places, strict=True)):
            size = self._typographer.size(voice.kind, self._points) * scale * spot.shape.size
            tip = None if _goes_on(voices, index) else _tip(voice, request, bodies, spot)
            before = places[index - 1].centre if voice.chained else None
            width = self._width(voice, spot.shape) * size * POINT
            found.append(ink(voice, size, width, spot, tip, before, Random(f"{seed}:{index}")))
        return found

    def _width(self, voice: Voice, shape: Shape) -> float:
        return self._typographer.width(shape.lines, voice.kind, voice.language)


def _goes_on(voices: Sequence[Voice], index: int) -> bool:
    return index + 1 < len(voices) and voices[index + 1].chained


def _tip(voice: Voice, request: Request, bodies: Sequence[Body], spot: Place) -> Point | None:
    if voice.body is None:
        if request.near is None:
            return None
        _, top, _, bottom = spot.box
        return request.near[0], min(bottom + 0.1 * (bottom - top), request.near[3])
    return tail_tip(bodies[voice.body], spot.centre, _TRAIL_GAP if voice.kind == "thought" else _TIP_GAP)


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
