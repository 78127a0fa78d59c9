"""Text in a role and a language at its true width: the bridge between line breaking and Typst's measures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inkcast.page.breaking import Ruler, Run, measured, pieces, wrap
from inkcast.page.options import RIGHT_TO_LEFT_LANGUAGES
from inkcast.page.typeset import Typesetter

POINT = 25.4 / 72  # millimetres
LEADING = 0.16  # em between lines of 1 em, as the templates set them
_SMALLEST = 4.0  # points
_STEP = 0.94


@dataclass(frozen=True)
class Fitted:
    """Lines that fit: `size` in points, `width` and `height` in millimetres."""

    lines: tuple[str, ...]
    size: float
    width: float
    height: float


def block_height(lines: int, size: float) -> float:
    """Millimetres from the top of the first line to the foot of the last at `size` points."""
    return (lines + (lines - 1) * LEADING) * size * POINT


def is_right_to_left(language: str) -> bool:
    return language.split("-")[0].lower() in RIGHT_TO_LEFT_LANGUAGES


class Typographer:
    def __init__(self, typesetter: Typesetter) -> None:
        self._typesetter = typesetter
        self._rulers: dict[tuple[str, str], Ruler] = {}

    def learn(self, texts: Iterable[tuple[str, str, str]]) -> None:
        """Measures every word of (role, language, text) in one go; without it each text costs a run of Typst."""
        words = {(role, language, piece.text) for role, language, text in texts for piece in pieces(text, language)}
        spaces = {(role, language, probe) for role, language, _ in words for probe in ("n n", "nn", "-")}
        self._typesetter.widths(sorted(words | spaces))

    def size(self, role: str, points: float) -> float:
        return points * float(self._typesetter.theme["roles"][role].get("size", 1.0))

    def ruler(self, role: str, language: str) -> Ruler:
        if (role, language) not in self._rulers:

            def width(text: str) -> float:
                return self._typesetter.width((role, language, text))

            self._rulers[role, language] = Ruler(width, width("n n") - width("nn"), width("-"))
        return self._rulers[role, language]

    def run(self, text: str, role: str, language: str, longest: float) -> Run:
        """The text in pieces of which none is wider than `longest` em, unless a single letter is."""
        ruler = self.ruler(role, language)
        cut = pieces(text, language, lambda word: ruler.widths(word) > longest)
        self._typesetter.widths((role, language, piece.text) for piece in cut)
        return measured(cut, ruler)

    def width(self, lines: Sequence[str], role: str, language: str) -> float:
        """The widest line in em."""
        words = [[(role, language, word) for word in line.split(" ")] for line in lines]
        widths = self._typesetter.widths(word for line in words for word in line)
        space = self.ruler(role, language).space
        return max(sum(widths[word] for word in line) + space * (len(line) - 1) for line in words)

    def fit(self, text: str, role: str, language: str, points: float, room: tuple[float, float]) -> Fitted:
        """The text in a block no larger than `room` (mm), as large as possible up to the role's size at `points`."""
        width, height = room
        size = self.size(role, points)
        while True:
            em = size * POINT
            lines = wrap(self.run(text, role, language, width / em), width / em)
            if lines is not None and (block_height(len(lines), size) <= height or size <= _SMALLEST / 4):
                return Fitted(
                    tuple(lines), size, self.width(lines, role, language) * em, block_height(len(lines), size)
                )
            size *= _STEP
