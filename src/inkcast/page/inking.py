"""A placed voice as outlines and text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from inkcast.page import shapes
from inkcast.page.patterns import Box
from inkcast.page.placing import Place
from inkcast.page.setting import Align, Path, Point, SetOutline, SetText
from inkcast.page.shaping import REACH, turn_of
from inkcast.page.typography import POINT, block_height, is_right_to_left
from inkcast.page.voices import Voice


@dataclass(frozen=True)
class Inked:
    """What one voice puts on the page. `box` (mm) bounds the balloon without its tail; `tip` is the tail's end."""

    voice: Voice
    box: Box
    paths: tuple[Path, ...]
    text: SetText
    tip: Point | None = None


def outlines(inked: Sequence[Inked]) -> list[SetOutline]:
    """One outline for each balloon; the parts of one speech print as one shape."""
    groups: list[list[Inked]] = []
    for one in inked:
        if one.voice.chained:
            groups[-1].append(one)
        elif one.paths:
            groups.append([one])
    return [SetOutline(tuple(path for one in group for path in one.paths), group[0].voice.kind) for group in groups]


def ink(
    voice: Voice, size: float, width: float, spot: Place, tip: Point | None, before: Point | None, random: Random
) -> Inked:
    """Draws a voice at its place: `size` in points, `width` of its text in mm, `before` the balloon it goes on from."""
    x, y = spot.centre
    height = block_height(len(spot.shape.lines), size)
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    rtl = is_right_to_left(voice.language)
    align: Align = "start" if voice.kind == "caption" else "center"
    text = SetText(spot.shape.lines, voice.kind, box, size, voice.language, rtl, align, turn_of(voice))
    return Inked(voice, spot.box, _paths(voice, spot, size * POINT, tip, before, random), text, tip)


def _paths(
    voice: Voice, spot: Place, em: float, tip: Point | None, before: Point | None, random: Random
) -> tuple[Path, ...]:
    if voice.kind == "effect":
        return ()
    if voice.kind == "caption":
        return (shapes.box_path(spot.box),)
    half = ((spot.box[2] - spot.box[0]) / 2, (spot.box[3] - spot.box[1]) / 2)
    if voice.kind == "thought":
        found = [shapes.cloud(spot.centre, half, REACH["thought"] * em, random)]
    elif voice.kind == "shout":
        found = [shapes.burst(spot.centre, half, REACH["shout"] * em, random)]
    else:
        found = [shapes.speech(spot.centre, half, random)]
    if before is not None:
        found.append(shapes.neck(before, spot.centre, 1.9 * em))
    if tip is None:
        return tuple(found)
    if voice.kind == "thought":
        return (*found, *shapes.trail(spot.centre, half, tip, 1.6 * em))
    reach = REACH.get(voice.kind, 0.0) * em
    inner = (half[0] - reach, half[1] - reach)
    return (*found, shapes.tail(spot.centre, inner, tip, min(1.25 * em, min(inner) * 0.7)))
