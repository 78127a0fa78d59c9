"""A story cut into units: one sentence each, a quotation kept together with its tag ("said Ann").

sentencex finds the sentence ends; repaired here are its known traps: a full stop after a title ("M. Dupont"), the
inside of quotations, and quotations cut off from their tags (`「…」と健太は言った`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import sentencex

from inkcast.story.lexicon import Lexicon, alternation, fold
from inkcast.story.quotes import Quote, SpeechWords

_TERMINAL = ".!?…。！？"
_LONGEST_TITLE = 30  # characters
_PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Unit:
    """`story[start:end]`, with the quotations in it; `paragraph` counts from 0."""

    start: int
    end: int
    paragraph: int
    quotes: tuple[Quote, ...]

    def narration(self) -> tuple[tuple[int, int], ...]:
        """The stretches between the quotations."""
        edges = [self.start, *(edge for quote in self.quotes for edge in (quote.start, quote.end)), self.end]
        return tuple((a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b)


def find_units(text: str, quotes: Sequence[Quote], lexicon: Lexicon, names: Collection[str] = ()) -> tuple[Unit, ...]:
    """The units of `text`; `names` are last words of names (in small letters) that end a sentence though they look
    like abbreviations ("She saw Jan.")."""
    units: list[Unit] = []
    start = 0
    breaks = [*((match.start(), match.end()) for match in _PARAGRAPH.finditer(text)), (len(text), len(text))]
    starts = [quote.start for quote in quotes]
    for number, (end, following) in enumerate(breaks):
        inside = quotes[bisect_left(starts, start) : bisect_left(starts, end)]
        units.extend(_paragraph_units(text, start, end, number, inside, lexicon, names))
        start = following
    return tuple(units)


def _paragraph_units(
    text: str, start: int, end: int, number: int, quotes: Sequence[Quote], lexicon: Lexicon, names: Collection[str]
) -> list[Unit]:
    masked = _mask(text, start, end, quotes)
    cuts = {start + cut for cut in (*_sentence_cuts(masked, lexicon), *_cuts_after_words(masked, lexicon, names))}
    cuts -= {cut for cut in cuts if _after_abbreviation(text[max(start, cut - _LONGEST_TITLE) : cut], lexicon)}
    for index, quote in enumerate(quotes):
        if text[quote.start] in "—–" and not quote.resumes:
            cuts.add(quote.start)  # a dash opens a turn
        here = _skip_spaces(text, quote.end, end)
        following = quotes[index + 1] if index + 1 < len(quotes) else None
        rest = text[here : following.start if following else end]
        joined = not _is_told(text, start, quote) and _continues(text, quote, rest, lexicon)
        cuts.difference_update(range(quote.start + 1, here + 1))
        if not joined and _ends(text, quote, rest):
            cuts.add(here)
        if following and (
            following.resumes
            or (joined and _is_bare_tag(rest, lexicon) and not _answered(text, quotes, index + 1, end, lexicon))
        ):
            cuts.difference_update(range(here + 1, following.start + 1))
    starts = [quote.start for quote in quotes]
    spans: list[tuple[int, int]] = []
    for a, b in pairwise(sorted({start, end, *(cut for cut in cuts if start < cut < end)})):
        if re.search(r"\w", text[a:b]) or not spans:
            spans.append((a, b))
        else:
            spans[-1] = (spans[-1][0], b)
    return [
        Unit(a, b, number, tuple(quotes[bisect_left(starts, a) : bisect_left(starts, b)]))
        for a, b in (_trim(text, a, b) for a, b in spans)
        if re.search(r"\w", text[a:b])
    ]


def _mask(text: str, start: int, end: int, quotes: Sequence[Quote]) -> str:
    """The paragraph with every quotation replaced by letters of the same length, so that no sentence ends in one."""
    characters = list(text[start:end].replace("\n", " "))
    for quote in quotes:
        for position in range(quote.start - start, min(quote.end, end) - start):
            characters[position] = "X"
    return "".join(characters)


def _sentence_cuts(masked: str, lexicon: Lexicon) -> list[int]:
    cuts, position = [], 0
    for sentence in sentencex.segment(lexicon.language, masked):
        found = masked.find(sentence.strip(), position)
        position = found + len(sentence.strip())
        cuts.append(_skip_spaces(masked, position, len(masked)))
    return cuts


def _cuts_after_words(masked: str, lexicon: Lexicon, names: Collection[str]) -> list[int]:
    """Where a sentence ends in a place or a name that is also an abbreviation ("el mar." is no Tuesday)."""
    ends = re.finditer(r"(?<!\w)(\w+)\.\s+(?=[^\W\d_])", masked)
    places = (match for match in ends if fold(match[1]) in (*lexicon.place.nouns, *names))
    return [match.end() for match in places if masked[match.end()].isupper()]


def _after_abbreviation(before: str, lexicon: Lexicon) -> bool:
    last = re.search(r"(\w+)\.\s*$", before)
    return bool(last) and fold(last.group(1)) in lexicon.titles.abbreviations  # type: ignore[union-attr]


def _skip_spaces(text: str, position: int, end: int) -> int:
    while position < end and text[position].isspace():
        position += 1
    return position


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    return _skip_spaces(text, start, end), start + len(text[start:end].rstrip())


def _is_told(text: str, start: int, quote: Quote) -> bool:
    """Whether the words before the quotation lead into it: 'Ann said, "…"'."""
    return (
        text[max(start, quote.start - 4) : quote.start].rstrip()[-1:] in (",", ":", "，", "：")
        and quote.said(text)[-1:] in _TERMINAL
    )


def _ends(text: str, quote: Quote, rest: str) -> bool:
    """Whether the sentence is over where the quotation is."""
    if not rest.strip():
        return True
    if rest.lstrip()[0] in ",;，；、と":
        return False
    return quote.said(text)[-1:] in _TERMINAL or not rest.lstrip()[:1].islower()


def _continues(text: str, quote: Quote, rest: str, lexicon: Lexicon) -> bool:
    """Whether the sentence goes on after the quotation: with a tag, or because the quotation did not end it."""
    said, after = quote.said(text), rest.lstrip()
    if not after:
        return False
    if after[0] in ",;，；、と" or after[0] in "—–" or after[0].islower():
        return True
    if said[-1:] not in _TERMINAL and after[0] not in _TERMINAL:
        return True
    if not lexicon.spaced:
        return first_tag(rest, lexicon)
    return said[-1:] != "." and first_tag(rest, lexicon) and not re.search(r":\s*$|^\w[^,]*,\s*$", rest)


def first_tag(rest: str, lexicon: Lexicon, *, gestures: bool = False) -> bool:
    """Whether `rest` opens with a clause that says who spoke: a speech verb among its first few words."""
    clause = re.split(r"[.!?…。！？,，;；:：]|(?<=\w)\s[—–]", rest.strip().lstrip("—–- "), maxsplit=1)[0]
    if not lexicon.spaced:
        return bool(speech_verbs(lexicon).search(fold(clause)))
    return bool(speech_verbs(lexicon, gestures=gestures).search(fold(" ".join(clause.split()[:5]))))


def speech_words(lexicon: Lexicon) -> SpeechWords:
    persons = alternation(lexicon.speech.persons, spaced=lexicon.spaced)
    return SpeechWords(speech_verbs(lexicon).pattern, persons.pattern)


def speech_verbs(lexicon: Lexicon, *, gestures: bool = False) -> re.Pattern[str]:
    """Finds verbs of speech; with `gestures` also those that only beside a quotation mean speech ("smiled")."""
    speech = lexicon.speech
    words = (*speech.speech, *speech.shout, *speech.whisper, *speech.thought, *(speech.gesture if gestures else ()))
    return alternation(words, spaced=lexicon.spaced)


def _is_bare_tag(rest: str, lexicon: Lexicon) -> bool:
    stripped = rest.strip()
    short = len(stripped.split()) <= 6 and len(stripped) < 60 and not re.search(r"[。！？].", stripped)
    inner = next((m for m in re.finditer(r"[.!?]\s+(?=\w)", stripped)), None)
    if inner and stripped[-1:] in ",:" and not _after_abbreviation(stripped[: inner.end()], lexicon):
        return False  # 'said Ann. Bo said:'
    return short and stripped[-1:] in ".。,，:：" and first_tag(rest, lexicon, gestures=True)


def _answered(text: str, quotes: Sequence[Quote], index: int, end: int, lexicon: Lexicon) -> bool:
    """Whether quotation `index` is a turn of its own: it has a tag, or another untagged quotation follows at once."""
    if _is_tagged(text, quotes, index, end, lexicon):
        return True
    follows = index + 1 < len(quotes) and not text[quotes[index].end : quotes[index + 1].start].strip()
    return follows and not _is_tagged(text, quotes, index + 1, end, lexicon)


def _is_tagged(text: str, quotes: Sequence[Quote], index: int, end: int, lexicon: Lexicon) -> bool:
    rest = text[quotes[index].end : quotes[index + 1].start if index + 1 < len(quotes) else end]
    return bool(rest.strip()) and _continues(text, quotes[index], rest, lexicon)
