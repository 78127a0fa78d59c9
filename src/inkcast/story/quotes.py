"""Quoted speech: where the quotations of a text are, in any of the marks six languages use."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PAIRS = {
    "“": "”",
    "„": "“”",
    "«": "»",
    "»": "«",
    "‘": "’",
    "「": "」",
    "『": "』",
    "‹": "›",
    "›": "‹",
    "‚": "‘’",
    '"': '"',
    "'": "'",
}
_DASHES = "—–"
_APOSTROPHES = "'’‘"
_TERMINAL = ".!?…。!?."


@dataclass(frozen=True)
class Quote:
    """`text[start:end]` includes the marks, `text[inner:outer]` does not."""

    start: int
    inner: int
    outer: int
    end: int

    def said(self, text: str) -> str:
        return text[self.inner : self.outer].strip()


def find_quotes(text: str) -> tuple[tuple[Quote, ...], tuple[int, ...]]:
    """The quotations of `text` in order, and where marks were opened but never closed (read up to the paragraph's end)."""
    quotes: list[Quote] = []
    unclosed: list[int] = []
    position = 0
    while position < len(text):
        if _dialogue_dash(text, position):
            pieces = _dash_pieces(text, position)
            quotes.extend(pieces)
            position = (
                max(_paragraph_end(text, position), pieces[-1].end if pieces else position + 1)
                if pieces
                else position + 1
            )
            position = pieces[-1].end if pieces else position
            continue
        if not _opens(text, position):
            position += 1
            continue
        closing = _closing(text, position)
        if closing is None:
            if text[position] in _APOSTROPHES:
                position += 1
                continue
            unclosed.append(position)
            closing = _paragraph_end(text, position)
            quotes.append(Quote(position, position + 1, closing, closing))
            position = max(closing, position + 1)
            continue
        if text[position + 1 : closing].strip():
            quotes.append(Quote(position, position + 1, closing, closing + 1))
        position = closing + 1
    return tuple(quotes), tuple(unclosed)


def _opens(text: str, position: int) -> bool:
    mark = text[position]
    if mark not in _PAIRS:
        return False
    before, after = text[position - 1 : position], text[position + 1 : position + 2]
    if mark in "'‘":
        return (
            not before.isalnum()
            and after.strip() != ""
            and not after.isdigit()
            and (mark != "'" or not before.strip() or before in "(—–-:")
        )
    return True


def _closing(text: str, start: int) -> int | None:
    mark = text[start]
    end = _paragraph_end(text, start)
    for position in range(start + 1, end):
        if text[position] not in _PAIRS[mark]:
            continue
        if text[position] in _APOSTROPHES:
            before, after = text[position - 1], text[position + 1 : position + 2]
            if after.isalnum() or not (before in _TERMINAL + ",;:-—" or before.isalnum()):
                continue
            if (
                before.isalnum()
                and text[start + 1 : position].count(" ") > 0
                and mark in "'"
                and not _speech_like(text, position)
            ):
                continue
        return position
    return None


def _speech_like(text: str, position: int) -> bool:
    return text[position - 1] in _TERMINAL + ",;:-—"


def _paragraph_end(text: str, position: int) -> int:
    blank = re.compile(r"\n\s*\n").search(text, position)
    return blank.start() if blank else len(text)


def _dialogue_dash(text: str, position: int) -> bool:
    """An em dash that opens a speech: at the start of the text or a line, or after a sentence's end."""
    if text[position] not in _DASHES or not text[position + 1 : position + 3].strip():
        return False
    before = text[:position].rstrip(" \t\u00a0")
    return not before or before[-1] == "\n" or (before[-1] in _TERMINAL and text[position + 1 : position + 2] != " ")


def _dash_pieces(text: str, start: int) -> list[Quote]:
    """—Speech —tag. —speech: every other piece between dashes is speech; a tag ends with its sentence."""
    line = text.find("\n", start)
    end = line if line >= 0 else len(text)
    inner = start + 1
    dash = re.compile(r"\s[—–]\s?(?=\w)").search(text, inner, end)
    if dash is None:
        sentence = re.compile(r"[.!?…]+(?=\s|$)").search(text, inner, end)
        stop = end if text[start + 1 : start + 2] == " " or sentence is None else sentence.end()
        return [Quote(start, inner, stop, stop)]
    pieces = [Quote(start, inner, dash.start(), dash.start())]
    resumed = re.compile(r"[.,!?…;:]?\s?[—–]\s*(?=\w|[¿¡])|[.!?…](?=\s|$)").search(text, dash.end(), end)
    if resumed and any(mark in resumed.group() for mark in _DASHES):
        sentence = re.compile(r"[.!?…]+(?=\s|$)").search(text, resumed.end(), end)
        stop = sentence.end() if sentence else end
        pieces.append(Quote(resumed.start() + len(resumed.group().rstrip()) - 1, resumed.end(), stop, stop))
    return pieces
