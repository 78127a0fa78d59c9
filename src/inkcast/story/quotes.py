"""Quoted speech: where the quotations of a text are, in any of the marks six languages use."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CLOSERS = {
    "“": "”", "„": "“”", "«": "»", "»": "«", "‘": "’", "「": "」", "『": "』", "‹": "›", "›": "‹", "‚": "‘’", '"': '"',
    "'": "'",
}  # fmt: skip
_DASHES = "—–"
_APOSTROPHES = "'’‘"
_TERMINAL = ".!?…。！？"
_PAUSE = _TERMINAL + ",;:-—，；："
_BLANK_LINE = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)")
_INNER_DASH = re.compile(r"\s?[—–]\s?(?=\w)")
_RESUMING_DASH = re.compile(r"(?<=\w)[—–][.,!?…;:]?\s+(?=[\w¿¡])")


@dataclass(frozen=True)
class Quote:
    """`text[start:end]` includes the marks, `text[inner:outer]` does not."""

    start: int
    inner: int
    outer: int
    end: int

    def said(self, text: str) -> str:
        return text[self.inner : self.outer].strip()


def find_quotes(text: str, speech_verbs: str = "(?!)") -> tuple[tuple[Quote, ...], tuple[int, ...]]:
    """The quotations in order, and where marks were opened but never closed (those are read to the paragraph's end).

    `speech_verbs` is a pattern; it ends a speech that a dash opened and nothing closes ("— Oui, dit-il.").
    """
    quotes: list[Quote] = []
    unclosed: list[int] = []
    position = 0
    while position < len(text):
        if _opens_dialogue(text, position):
            pieces, position = _dash_pieces(text, position, speech_verbs)
            quotes.extend(pieces)
        elif _opens(text, position):
            closing = _closing(text, position)
            if closing is None and text[position] in _APOSTROPHES:
                position += 1
                continue
            if closing is None:
                unclosed.append(position)
                end = _paragraph_end(text, position)
                quotes.append(Quote(position, position + 1, end, end))
                position = max(end, position + 1)
                continue
            if re.search(r"\w", text[position + 1 : closing]):
                quotes.extend(_around_tag(text, position, closing, speech_verbs))
            position = closing + 1
        else:
            position += 1
    return tuple(quotes), tuple(unclosed)


def _around_tag(text: str, start: int, closing: int, speech_verbs: str) -> list[Quote]:
    """The quotation at `start`, or its two parts around a tag inside the marks ("« Bonjour, dit-elle, un pain. »")."""
    tag = rf"(?:,|\s?[!?…])\s+{speech_verbs}(?:-t)?-(?:ils?|elles?)(?:,\s+|\.\s+|(?=\s*$))"
    found = re.compile(tag, re.IGNORECASE).search(text, start + 1, closing)
    if found is None:
        return [Quote(start, start + 1, closing, closing + 1)]
    stop = found.start() + len(found[0]) - len(found[0].lstrip(" ,!?…\u00a0\u202f"))
    first = Quote(start, start + 1, stop, stop)
    rest = Quote(found.end(), found.end(), closing, closing + 1)
    return [first, rest] if rest.said(text) else [first]


def _opens(text: str, position: int) -> bool:
    mark = text[position]
    if mark not in _CLOSERS:
        return False
    before, after = text[position - 1 : position] if position else "", text[position + 1 : position + 2]
    if mark == "'":
        return (not before.strip() or before in "(—–:") and after.isalnum() and not after.isdigit()
    return mark != "‘" or (not before.isalnum() and after.strip() != "")


def _closing(text: str, start: int) -> int | None:
    """Where the quotation opened at `start` closes; an apostrophe inside a word or after a plural does not close it."""
    closers = _CLOSERS[text[start]]
    for position in range(start + 1, _paragraph_end(text, start)):
        mark = text[position]
        if mark not in closers:
            continue
        if mark not in _APOSTROPHES:
            return position
        before, after = text[position - 1], text[position + 1 : position + 2]
        if not after.isalnum() and (before in _PAUSE or " " not in text[start:position]):
            return position
    return None


def _paragraph_end(text: str, position: int) -> int:
    blank = _BLANK_LINE.search(text, position)
    return blank.start() if blank else len(text)


def _opens_dialogue(text: str, position: int) -> bool:
    """Whether a dash opens a speech: at the start of the text or of a line, or after a sentence's end."""
    if text[position] not in _DASHES or not text[position + 1 : position + 3].strip():
        return False
    before = position - 1
    while before >= 0 and text[before] in " \t\u00a0":
        before -= 1
    return before < 0 or text[before] == "\n" or text[before] in _TERMINAL


def _dash_pieces(text: str, start: int, speech_verbs: str) -> tuple[list[Quote], int]:
    """—Speech —tag. —speech: what lies between dashes is speech by turns; and where to read on.

    A speech without a second dash ends before its tag, else with its sentence.
    """
    line = text.find("\n", start)
    end = line if line >= 0 else len(text)
    inner = start + 1
    dash = _tag_dash(text, inner, end)
    if dash is None:
        tag = re.compile(rf"(?:,|\s?[!?…])(?=\s+(?:\w+['’\s])?{speech_verbs})", re.IGNORECASE).search(text, inner, end)
        sentence = _SENTENCE_END.search(text, inner, end)
        stop = min((match.end() for match in (tag, sentence) if match), default=end)
        if tag and tag.end() == stop:
            return [Quote(start, inner, stop, stop)], sentence.end() if sentence and sentence.end() > stop else stop
        return [Quote(start, inner, stop, stop)], stop
    pieces = [Quote(start, inner, dash.start(), dash.start())]
    finished = _SENTENCE_END.search(text, dash.end(), end)
    resumed = _RESUMING_DASH.search(text, dash.end(), end)
    if resumed is None or (finished and finished.end() <= resumed.start()):
        return pieces, finished.end() if finished else end
    sentence = _SENTENCE_END.search(text, resumed.end(), end)
    stop = sentence.end() if sentence else end
    pieces.append(Quote(resumed.end() - 1, resumed.end(), stop, stop))
    return pieces, stop


def _tag_dash(text: str, inner: int, end: int) -> re.Match[str] | None:
    """The dash that ends the speech; one after a full sentence opens another speech unless a small letter follows."""
    for dash in _INNER_DASH.finditer(text, inner, end):
        if text[dash.end()].islower():
            return dash
    return None
