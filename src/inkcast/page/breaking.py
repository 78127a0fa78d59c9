"""Text cut into unbreakable pieces, and pieces filled into lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import pyphen

# Characters that may not begin (end) a line in Chinese and Japanese: JIS X 4051, kinsoku shori.
_NOT_FIRST = frozenset(
    "、。，．・：；？！ー々〻ゝゞヽヾ」』）］｝】〉》〕〗〙”’…‥ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ!?),.:;]}%"
)
_NOT_LAST = frozenset("「『（［｛【〈《〔〖〘“‘([{")
_JOINERS = frozenset("\u200d\ufe0e\ufe0f\u2060")


@dataclass(frozen=True)
class Piece:
    """A stretch without a break. After it may come a space, and a hyphen where a line ends inside a word."""

    text: str
    space: bool = False
    hyphen: bool = False


def clean(text: str) -> str:
    """Composed, on one line, without control characters; marks of direction and joiners stay."""
    kept = (" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in unicodedata.normalize("NFC", text))
    return " ".join("".join(kept).split())


def pieces(text: str, language: str, longest: Callable[[str], bool] = lambda _: False) -> tuple[Piece, ...]:
    """The pieces of a text. `longest(word)` is true for words too wide to stay whole: they are hyphenated, or cut."""
    found: list[Piece] = []
    for word in clean(text).split(" "):
        parts = _cut(word, language, longest)
        found += [*parts[:-1], Piece(parts[-1].text, space=True)]
    return tuple(found)


def _cut(word: str, language: str, longest: Callable[[str], bool]) -> list[Piece]:
    if any(_wide(char) for char in word):
        return [piece for run in _wide_runs(word) for piece in _cut_run(run, language, longest)]
    return _cut_run(word, language, longest)


def _cut_run(run: str, language: str, longest: Callable[[str], bool]) -> list[Piece]:
    if not longest(run) or len(run) < 2:
        return [Piece(run)]
    found: list[Piece] = []
    syllables = _syllables(run, language)
    for part in syllables:
        hyphen = part is not syllables[-1] and not part.endswith(("-", "–", "—"))
        cut = clusters(part) if longest(part + "-" * hyphen) else [part]
        found += [*(Piece(cluster) for cluster in cut[:-1]), Piece(cut[-1], hyphen=hyphen)]
    return found


def _syllables(word: str, language: str) -> list[str]:
    code = pyphen.language_fallback(language.replace("-", "_"))
    if code is None:
        return [word]
    return (
        _hyphenator(code)
        .inserted(word, "\u00ad")
        .replace("-", "-\u00ad")
        .replace("\u00ad\u00ad", "\u00ad")
        .strip("\u00ad")
        .split("\u00ad")
    )


@cache
def _hyphenator(code: str) -> pyphen.Pyphen:
    return pyphen.Pyphen(lang=code, left=2, right=3)


def _wide(char: str) -> bool:
    """Chinese and Japanese letters, which break anywhere; Korean breaks at spaces."""
    return unicodedata.east_asian_width(char) in "WF" and not unicodedata.name(char, "").startswith("HANGUL")


def _wide_runs(word: str) -> list[str]:
    """A word cut where Chinese and Japanese allow it, Japanese only where a phrase may begin."""
    runs: list[str] = []
    japanese = any("\u3041" <= char <= "\u30ff" for char in word)
    for cluster in clusters(word):
        apart = runs and (_wide(cluster[0]) or _wide(runs[-1][-1]))
        allowed = cluster[0] not in _NOT_FIRST and (not runs or runs[-1][-1] not in _NOT_LAST)
        if not runs or (apart and allowed and not (japanese and _one_phrase(runs[-1][-1], cluster[0]))):
            runs.append(cluster)
        else:
            runs[-1] += cluster
    return runs


def _one_phrase(before: str, after: str) -> bool:
    """Whether two Japanese letters probably belong to one phrase: a phrase begins after a mark,
    or with a change from hiragana.
    """
    if unicodedata.category(before).startswith("P"):
        return False
    return _script(before) == _script(after) or _script(after) == "hiragana"


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0].lower()


def clusters(text: str) -> list[str]:
    """Letters with the marks, joiners and selectors that belong to them."""
    found: list[str] = []
    for char in text:
        joined = found and (
            unicodedata.category(char) in ("Mn", "Mc", "Me", "Cf") or char in _JOINERS or found[-1][-1] == "\u200d"
        )
        if joined or (found and "\U0001f3fb" <= char <= "\U0001f3ff"):
            found[-1] += char
        else:
            found.append(char)
    return found


@dataclass(frozen=True)
class Ruler:
    """Measures in em: `widths` of every piece's text, of a space and of a hyphen."""

    widths: Callable[[str], float]
    space: float
    hyphen: float


@dataclass(frozen=True)
class Run:
    """Pieces with their widths, and those of a space and a hyphen, in em."""

    pieces: tuple[Piece, ...]
    widths: tuple[float, ...]
    space: float
    hyphen: float

    @property
    def length(self) -> float:
        """The width of everything on one line."""
        return sum(self.widths) + self.space * sum(piece.space for piece in self.pieces[:-1])


def measured(cut: Sequence[Piece], ruler: Ruler) -> Run:
    return Run(tuple(cut), tuple(ruler.widths(piece.text) for piece in cut), ruler.space, ruler.hyphen)


def fill(run: Run, limits: Sequence[float]) -> list[str] | None:
    """Lines filled one after the other, line k at most `limits[k]` em wide;
    None where the pieces need more lines or room.
    """
    lines: list[str] = []
    line, width, space, hyphen = "", 0.0, False, False
    limit = limits[0] + 1e-6
    for piece, wide in zip(run.pieces, run.widths, strict=True):
        gap = run.space if space and line else 0.0
        tail = run.hyphen if piece.hyphen else 0.0
        if line and width + gap + wide + tail <= limit:
            line += (" " if gap else "") + piece.text
            width += gap + wide
        else:
            if line:
                lines.append(line + ("-" if hyphen else ""))
                if len(lines) == len(limits):
                    return None
                limit = limits[len(lines)] + 1e-6
            if wide + tail > limit:
                return None
            line, width = piece.text, wide
        space, hyphen = piece.space, piece.hyphen
    return [*lines, line] if line else lines


def wrap(run: Run, width: float) -> list[str] | None:
    """As few lines of at most `width` em as hold the pieces, then as even as that number allows."""
    lines = fill(run, [width] * len(run.pieces))
    if lines is None or len(lines) == 1:
        return lines
    low, high = run.length / len(lines) * 0.9, width
    while high - low > 0.1:
        middle = (low + high) / 2
        closer = fill(run, [middle] * len(lines))
        if closer is not None:
            lines, high = closer, middle
        else:
            low = middle
    return lines
