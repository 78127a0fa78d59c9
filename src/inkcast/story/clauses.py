"""Long sentences cut into single drawable actions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from inkcast.story.discourse import Reference
from inkcast.story.lexicon import Lexicon, alternation, fold

LONG_WORDS = 16
LONG_CHARACTERS = 36
_SHORTEST = 3


def find_clauses(text: str, spans: Sequence[tuple[int, int]], lexicon: Lexicon) -> tuple[tuple[int, int], ...]:
    """The stretches of `spans` in each of which one subject acts."""
    words = alternation(lexicon.clause_breaks, spaced=lexicon.spaced).pattern
    breaks = re.compile(rf"[;:,；，]\s*|\s+{words}\s+" if lexicon.clause_breaks else r"[;:,；：，]\s*")
    folded = fold(text)
    clauses: list[tuple[int, int]] = []
    for start, end in spans:
        edges = [start, *(match.end() for match in breaks.finditer(folded, start, end)), end]
        clauses.extend((a, b) for a, b in pairwise(edges) if a < b)
    return tuple(clauses)


def cut_actions(
    text: str, start: int, end: int, references: Sequence[Reference], lexicon: Lexicon
) -> tuple[tuple[int, int], ...]:
    """`text[start:end]` (no quotation in it) as one span per action; short sentences stay whole."""
    if not _is_long(text[start:end], lexicon):
        return ((start, end),)
    edges = [start]
    for match in _separator(lexicon).finditer(fold(text), start, end):
        begin = match.end("mark")
        if (
            _acts(text, match.end(), references, lexicon)
            and _length(text[edges[-1] : begin], lexicon) >= _SHORTEST
            and _length(text[begin:end], lexicon) >= _SHORTEST
        ):
            edges.append(begin)
    edges.append(end)
    return tuple(pairwise(edges))


def _is_long(text: str, lexicon: Lexicon) -> bool:
    return _length(text, lexicon) > (LONG_WORDS if lexicon.spaced else LONG_CHARACTERS)


def _length(text: str, lexicon: Lexicon) -> int:
    return len(text.split()) if lexicon.spaced else len(text.strip())


def _separator(lexicon: Lexicon) -> re.Pattern[str]:
    connectors = (
        "|".join(re.escape(word) for word in sorted(lexicon.split.connectors, key=len, reverse=True)) or r"(?!)"
    )
    if not lexicon.spaced:
        return re.compile(rf"(?P<mark>[,，;；、]\s*)(?:{connectors})?")
    return re.compile(rf"(?P<mark>[,;]\s+)(?:(?:{connectors})\s+)*")


def _acts(text: str, position: int, references: Sequence[Reference], lexicon: Lexicon) -> bool:
    """Whether an action starts at `position`: with a mention of the cast, or with a verb."""
    if any(reference.mention.start == position and not reference.mention.owner for reference in references):
        return True
    if not lexicon.spaced:
        return False
    word = re.compile(r"\w+").match(fold(text), position)
    if not word:
        return False
    ending = lexicon.split.verb_ending
    return word.group() in lexicon.split.verbs or bool(
        ending and re.search(ending, word.group()) and len(word.group()) > 3
    )


def subject_before(references: Sequence[Reference], position: int, start: int) -> tuple[int, ...]:
    """Who acts in a part that begins without naming anybody: the last subject before `position`."""
    acting: tuple[int, ...] = ()
    for reference in references:
        if reference.subject and start <= reference.mention.start < position:
            acting = reference.members
    return acting


def leaves_subject_out(text: str, start: int, references: Sequence[Reference], lexicon: Lexicon) -> bool:
    """Whether nobody acts in the part at `start` before its verb does; `references` are those of the part."""
    first = next((reference.mention.start for reference in references if reference.subject), None)
    if first is None:
        return True
    words = alternation(lexicon.clause_words, spaced=lexicon.spaced)
    connectors = alternation(lexicon.split.connectors, spaced=lexicon.spaced).pattern
    lead = re.sub(rf"^\W*(?:{connectors}\W+)*", "", fold(text[start:first]))
    return lexicon.spaced and len(lead.split()) > 1 and words.search(lead) is not None and words.match(lead) is None
