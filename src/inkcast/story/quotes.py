"""Quoted speech: where the quotations of a text are, in any of the marks six languages use."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_CLOSERS = {
    "“": "”", "„": "“”", "«": "»", "»": "«", "‘": "’", "「": "」", "『": "』", "‹": "›", "›": "‹", "‚": "‘’", '"': '"',
    "'": "'",
}  # fmt: skip
_DASHES = "—–"
_APOSTROPHES = "'’‘"
_TERMINAL = ".!?…。！？"
_PAUSE = _TERMINAL + ",;:-—，；："
_LONGEST_SINGLE = 4000  # characters in single marks, which apostrophes look like
_LONGEST_SPEECH = 8000  # characters a dash opens
_BLANK_LINE = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)")
_INNER_DASH = re.compile(r"\s?[—–]\s?(?=\w)")
_INNER_TURN = re.compile(r"[.!?…][ \u00a0]*\n?[ \u00a0]*(?P<dash>[—–])\s")
_RESUMING_DASH = re.compile(r"(?<=\w)[—–][.,!?…;:]?\s+(?=[\w¿¡])")


@dataclass(frozen=True)
class Quote:
    """`text[start:end]` includes the marks, `text[inner:outer]` does not.

    With `runs_on` it has no closing mark, since the next paragraph goes on with it behind an opening mark of its own.
    """

    start: int
    inner: int
    outer: int
    end: int
    runs_on: bool = False

    @property
    def resumes(self) -> bool:
        """Whether it has no opening mark: it goes on after a tag ("—Hola —dice Ana—. ¿Qué tal?")."""
        return self.start == self.inner

    def said(self, text: str) -> str:
        return text[self.inner : self.outer].strip()


@dataclass(frozen=True)
class SpeechWords:
    """Patterns: the verbs of speech, and the words that only somebody who speaks says ("je", "votre").

    A verb ends a speech that a dash opened and nothing closes ("— Oui, dit-il."); after that, the words say that it
    goes on.
    """

    verbs: str = "(?!)"
    persons: str = "(?!)"


def find_quotes(text: str, words: SpeechWords = SpeechWords()) -> tuple[tuple[Quote, ...], tuple[int, ...]]:
    """The quotations in order, and where marks were opened but never closed (those are read to the paragraph's end)."""
    quotes: list[Quote] = []
    ends = [*(match.start() for match in _BLANK_LINE.finditer(text)), len(text)]
    unclosed: list[int] = []
    position = 0
    while position < len(text):
        if _opens_dialogue(text, position):
            pieces, position = _dash_pieces(text, position, words)
            quotes.extend(pieces)
        elif _opens(text, position):
            closing = _closing(text, position, _paragraph_end(ends, position))
            if closing is None and text[position] in _APOSTROPHES:
                position += 1
                continue
            if closing is None:
                end = _paragraph_end(ends, position)
                runs_on = re.compile(rf"\s*{re.escape(text[position])}").match(text, end) is not None
                unclosed += [] if runs_on else [position]
                quotes.append(Quote(position, position + 1, end, end, runs_on))
                position = max(end, position + 1)
                continue
            if re.search(r"\w", text[position + 1 : closing]):
                quotes.extend(_inside(text, position, closing, words.verbs))
            position = closing + 1
        else:
            position += 1
    return tuple(quotes), tuple(unclosed)


def _inside(text: str, start: int, closing: int, speech_verbs: str) -> Iterator[Quote]:
    """The turns within one pair of marks ("« Où ? demande-t-elle. — Ici, dit Luc. »"), each without its tag."""
    edges = [start, *(dash.start("dash") for dash in _INNER_TURN.finditer(text, start + 1, closing)), closing + 1]
    for number, (begin, end) in enumerate(pairwise(edges)):
        last = number == len(edges) - 2
        yield from _around_tag(text, begin, end - 1 if last else end, end, speech_verbs)


def _around_tag(text: str, start: int, outer: int, end: int, speech_verbs: str) -> list[Quote]:
    """The turn `text[start:end]`, or its two parts around a tag ("« Bonjour, dit-elle, un pain. »")."""
    who = r"(?:(?:-t)?-(?:ils?|elles?)|\s+(?-i:[A-ZÀ-Ý])[\w'’-]*(?:\s+(?-i:[A-ZÀ-Ý])[\w'’-]*){0,2})"
    tag = rf"(?:,|\s?[!?…])\s+{speech_verbs}{who}(?:,\s+|\.\s*|(?=\s*$))"
    found = re.compile(tag, re.IGNORECASE).search(text, start + 1, outer)
    if found is None:
        return [Quote(start, start + 1, outer, end)]
    stop = found.start() + len(found[0]) - len(found[0].lstrip(" ,!?…\u00a0\u202f"))
    first = Quote(start, start + 1, stop, stop)
    rest = Quote(found.end(), found.end(), outer, end)
    return [first, rest] if re.search(r"\w", rest.said(text)) else [first]


def _opens(text: str, position: int) -> bool:
    mark = text[position]
    if mark not in _CLOSERS:
        return False
    before, after = text[position - 1 : position] if position else "", text[position + 1 : position + 2]
    if mark == "'":
        return (not before.strip() or before in "(—–:") and after.isalnum() and not after.isdigit()
    return mark != "‘" or (not before.isalnum() and after.strip() != "")


def _closing(text: str, start: int, end: int) -> int | None:
    """Where the quotation opened at `start` closes; an apostrophe inside a word or after a plural does not close it."""
    closers = _CLOSERS[text[start]]
    if text[start] in _APOSTROPHES:
        end = min(end, start + _LONGEST_SINGLE)
    for found in re.compile(f"[{closers}]").finditer(text, start + 1, end):
        position = found.start()
        if text[position] not in _APOSTROPHES:
            return position
        before, after = text[position - 1], text[position + 1 : position + 2]
        if not after.isalnum() and (before in _PAUSE or " " not in text[start:position]):
            return position
    return None


def _paragraph_end(ends: Sequence[int], position: int) -> int:
    return ends[bisect_left(ends, position)]


def _opens_dialogue(text: str, position: int) -> bool:
    """Whether a dash opens a speech: at the start of the text or of a line, or after a sentence's end."""
    if text[position] not in _DASHES or not text[position + 1 : position + 3].strip():
        return False
    before = position - 1
    while before >= 0 and text[before] in " \t\u00a0":
        before -= 1
    return before < 0 or text[before] == "\n" or text[before] in _TERMINAL


def _dash_pieces(text: str, start: int, words: SpeechWords) -> tuple[list[Quote], int]:
    """—Speech —tag. —speech: what lies between dashes is speech by turns; and where to read on.

    A speech without a second dash ends before its tag, else with its sentence.
    """
    line = text.find("\n", start)
    end = min(line if line >= 0 else len(text), start + _LONGEST_SPEECH)
    inner = start + 1
    dash = _tag_dash(text, inner, end)
    if dash is None:
        return _undashed(text, start, end, words)
    pieces = [Quote(start, inner, dash.start(), dash.start())]
    finished = _SENTENCE_END.search(text, dash.end(), end)
    resumed = _RESUMING_DASH.search(text, dash.end(), end)
    if resumed is None or (finished and finished.end() <= resumed.start()):
        return pieces, finished.end() if finished else end
    sentence = _SENTENCE_END.search(text, resumed.end(), end)
    stop = sentence.end() if sentence else end
    pieces.append(Quote(resumed.end(), resumed.end(), stop, stop))
    return pieces, stop


def _undashed(text: str, start: int, end: int, words: SpeechWords) -> tuple[list[Quote], int]:
    """— Speech, tag. Speech that goes on where it says "I" or "you" or asks, as French dialogue does."""
    tag = rf"(?:,|\s?[!?…])(?=\s+(?:\w+['’\s])?{words.verbs})"
    told = re.compile(tag, re.IGNORECASE).search(text, start + 1, end)
    sentence = _SENTENCE_END.search(text, start + 1, end)
    stop = min((match.end() for match in (told, sentence) if match), default=end)
    speech = Quote(start, start + 1, stop, stop)
    if not told or told.end() != stop:
        return [speech], stop
    finished = _SENTENCE_END.search(text, stop, end)
    if finished is None:
        return [speech], stop
    more = re.compile(r"\s*\S").match(text, finished.end(), end)
    here = more.end() - 1 if more else finished.end()
    if more is None or not re.search(rf"(?i){words.persons}|\?\s*$", text[here:end]):
        return [speech], finished.end()
    last = here + len(text[here:end].rstrip())
    return [speech, Quote(here, here, last, last)], last


def _tag_dash(text: str, inner: int, end: int) -> re.Match[str] | None:
    """The dash that ends the speech; one after a full sentence opens another speech unless a small letter follows."""
    for dash in _INNER_DASH.finditer(text, inner, end):
        if text[dash.end()].islower():
            return dash
    return None
