"""The shapes a text may take: ovals for balloons, boxes for captions, slanted words for sound effects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from inkcast.page.breaking import Run, wrap
from inkcast.page.ovals import Oval, ovals
from inkcast.page.setting import Point
from inkcast.page.typography import LEADING, Typographer
from inkcast.page.voices import Voice

REACH = {"shout": 0.95, "thought": 0.5}  # em that spikes and bumps reach out of the oval
_CAPTION_PAD = (0.55, 0.4)  # em beside and above a caption's text


@dataclass(frozen=True)
class Shape:
    """Lines with the outer half width and height (em) around them; `size` is relative to the role's,
    `cost` what choosing it costs.
    """

    lines: tuple[str, ...]
    half_width: float
    half_height: float
    cost: float = 0.0
    size: float = 1.0


def shapes_of(voice: Voice, typographer: Typographer, width: float) -> tuple[Shape, ...]:
    """Every shape worth trying in a room `width` em wide, the most natural first."""
    if voice.kind == "caption":
        return _captions(voice, typographer, width)
    if voice.kind == "effect":
        return _effects(voice, typographer, width)
    reach = REACH.get(voice.kind, 0.0)
    widest = max(width - 2 * reach, 2.0)
    run = typographer.run(voice.text, voice.kind, voice.language, max(widest * 0.62, 1.5))
    found = _ovals(run)
    fitting = [oval for oval in found if 2 * oval.half_width <= widest][:4] or [
        min(found, key=lambda oval: oval.half_width)
    ]
    return tuple(
        Shape(oval.lines, oval.half_width + reach, oval.half_height + reach, 1.2 * (oval.cost / fitting[0].cost - 1.0))
        for oval in fitting
    )


@lru_cache(maxsize=4096)
def _ovals(run: Run) -> list[Oval]:
    return ovals(run)


def _captions(voice: Voice, typographer: Typographer, width: float) -> tuple[Shape, ...]:
    found = []
    for share, cost in ((1.0, 0.0), (0.66, 0.05), (0.45, 0.2)):
        limit = max(width * share - 2 * _CAPTION_PAD[0], 1.5)
        measured = _wrapped(voice, typographer, limit)
        if measured is not None:
            lines, wide, high = measured
            found.append(Shape(lines, wide / 2 + _CAPTION_PAD[0], high / 2 + _CAPTION_PAD[1], cost))
    return tuple(found)


def _effects(voice: Voice, typographer: Typographer, width: float) -> tuple[Shape, ...]:
    found = []
    for size, cost in ((1.0, 0.0), (0.8, 0.25), (0.62, 0.6), (0.48, 1.0), (0.34, 1.6)):
        measured = _wrapped(voice, typographer, width * 0.9 / size)
        if measured is not None:
            lines, wide, high = measured
            half = _turned((wide / 2 + 0.1, high / 2), turn_of(voice))
            found.append(Shape(lines, half[0] * size, half[1] * size, cost, size))
    return tuple(found)


def _wrapped(voice: Voice, typographer: Typographer, limit: float) -> tuple[tuple[str, ...], float, float] | None:
    """Lines of at most `limit` em, and the width and height (em) of their block."""
    lines = wrap(typographer.run(voice.text, voice.kind, voice.language, limit), limit)
    if lines is None:
        return None
    wide = typographer.width(lines, voice.kind, voice.language)
    return tuple(lines), wide, len(lines) + (len(lines) - 1) * LEADING


def turn_of(voice: Voice) -> float:
    """A sound effect's slant in degrees, its own for every text; other voices stand straight."""
    return Random(voice.text).choice((-9.0, -6.0, 5.0, 8.0)) if voice.kind == "effect" else 0.0


def _turned(half: Point, degrees: float) -> Point:
    """Half the width and height of a box after turning it."""
    sine, cosine = abs(math.sin(math.radians(degrees))), math.cos(math.radians(degrees))
    return half[0] * cosine + half[1] * sine, half[0] * sine + half[1] * cosine
