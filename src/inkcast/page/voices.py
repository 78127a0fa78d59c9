"""Who says what in a panel, ready to be lettered: kinds, targets of tails, long speeches cut in two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from inkcast.page.breaking import clean
from inkcast.page.options import PageOptions
from inkcast.page.patterns import Box
from inkcast.page.setting import Point
from inkcast.page.translation import caption_text, effect_texts, line_text
from inkcast.page.weighing import text_width
from inkcast.story.script import Panel

VoiceKind = Literal["speech", "thought", "shout", "whisper", "off-panel", "caption", "effect"]

_LONG = 58.0  # em: speeches longer than this are cut at sentences
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’»)]*\s+|(?<=[。！？])[」』”’]*")
_CLAUSE = re.compile(r"(?<=[,;:—–])\s+|(?<=[，、；])")


@dataclass(frozen=True)
class Body:
    """A figure on the page (mm): all of it, and its face or the part of it where one would be."""

    name: str
    box: Box
    face: Box
    seen_face: bool


@dataclass(frozen=True)
class Voice:
    """One thing to letter.

    `body` indexes the figure its tail points at; `chained` says that it goes on from the one before, `outside` that
    it comes from beyond the picture.
    """

    kind: VoiceKind
    text: str
    language: str
    body: int | None = None
    chained: bool = False
    outside: bool = False


def voices(panel: Panel, bodies: Sequence[Body], options: PageOptions, caption: bool) -> list[Voice]:
    """Everything written into a panel's picture, in the order it is read; effects come last."""
    found: list[Voice] = []
    text, language = caption_text(panel, options)
    if caption and clean(text):
        found.append(Voice("caption", clean(text), language))
    for line in panel.dialogue:
        text, language = line_text(line, options)
        speaker = None if line.kind == "off-panel" else _find(line.speaker, bodies)
        kind: VoiceKind = "off-panel" if speaker is None and line.speaker and line.kind == "speech" else line.kind
        outside = kind == "off-panel" or bool(speaker is None and line.speaker and kind != "thought")
        for index, part in enumerate(split(clean(text))):
            found.append(Voice(kind, part, language, speaker, chained=index > 0, outside=outside))
    found += [Voice("effect", clean(text), tag) for text, tag in effect_texts(panel, options) if clean(text)]
    return found


def split(text: str) -> list[str]:
    """A long speech as two or three of about the same length, cut at sentences or else at clauses."""
    width = text_width(text)
    if not text:
        return []
    if width <= _LONG:
        return [text]
    wished = min(3, 1 + int(width // _LONG))
    for pattern in (_SENTENCE, _CLAUSE):
        stops = [match.end() for match in pattern.finditer(text) if match.end() < len(text)]
        cuts: list[int] = []
        for part in range(1, wished):
            goal = len(text) * part / wished
            near = [stop for stop in stops if abs(stop - goal) < len(text) / wished / 2 and stop not in cuts]
            if near:
                cuts.append(min(near, key=lambda stop: abs(stop - goal)))
        if cuts:
            edges = [0, *sorted(cuts), len(text)]
            return [text[a:b].strip() for a, b in pairwise(edges)]
    return [text]


def _find(speaker: str | None, bodies: Sequence[Body]) -> int | None:
    if not speaker:
        return None
    wished = clean(speaker).casefold()
    return next((index for index, body in enumerate(bodies) if clean(body.name).casefold() == wished), None)


def mouth(body: Body) -> Point:
    """What a tail points at: a little below the middle of the face."""
    x0, y0, x1, y1 = body.face
    return (x0 + x1) / 2, y0 + (y1 - y0) * 0.68
