"""Who says a quotation, and how loud."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from inkcast.story.discourse import Reference
from inkcast.story.lexicon import Lexicon, alternation, fold
from inkcast.story.script import LineKind
from inkcast.story.sentences import Unit, speech_verbs

UNKNOWN_SUBJECT = -1


@dataclass(frozen=True)
class Tag:
    """A speech tag: where its verb is, its speakers (empty: nobody of the cast; None: it does not say), the kind."""

    start: int
    end: int
    speakers: tuple[int, ...] | None
    kind: LineKind


def find_tag(text: str, unit: Unit, references: Sequence[Reference], lexicon: Lexicon) -> Tag | None:
    """The tag of the unit's quotations, looked for after the first quotation, then before it."""
    spans = unit.narration()
    if not unit.quotes:
        return None
    first = unit.quotes[0].start
    impersonal = alternation(lexicon.speech.impersonal, spaced=lexicon.spaced)
    ordered = [span for span in spans if span[0] > first] + [span for span in spans if span[0] < first]
    for start, end in ordered:
        verbs = list(speech_verbs(lexicon, gestures=True).finditer(fold(text), start, end))
        if answer := impersonal.search(fold(text), start, end):
            return Tag(answer.start(), answer.end(), None, "speech")
        if start < first:
            verbs = verbs[-1:]
        if verbs:
            verb = verbs[0]
            speakers = _speakers(text, (start, end), verb.span(), references, lexicon)
            return Tag(verb.start(), verb.end(), speakers, kind_of(verb.group(), lexicon))
    return None


def _speakers(
    text: str, span: tuple[int, int], verb: tuple[int, int], references: Sequence[Reference], lexicon: Lexicon
) -> tuple[int, ...] | None:
    inside = [r for r in references if span[0] <= r.mention.start < span[1] and not r.mention.owner]
    before = [r for r in inside if r.mention.end <= verb[0] and r.mention.role != "object"]
    subjects = [r for r in before if r.subject]
    if subjects:
        return tuple(dict.fromkeys(m for r in subjects for m in r.members))
    if before:
        return before[-1].members
    after = [r for r in inside if r.mention.start >= verb[1] and r.mention.role != "object"]
    if after and not _stranger(text[verb[1] : after[0].mention.start], lexicon):
        chosen = [after[0]]
        for reference in after[1:]:
            if fold(text[chosen[-1].mention.end : reference.mention.start]).strip() in (lexicon.conjunction, ",", "、"):
                chosen.append(reference)
            else:
                break
        return tuple(dict.fromkeys(m for r in chosen for m in r.members))
    if lexicon.speech.subject_marks:
        return () if any(mark in text[slice(*span)] for mark in lexicon.speech.subject_marks) else None
    words = re.findall(r"\w+", text[span[0] : verb[0]] + " " + text[verb[1] : span[1]])
    return () if words else None


def _stranger(between: str, lexicon: Lexicon) -> bool:
    """Whether somebody outside the cast stands between verb and next mention ("asked a sailor, looking at Eva")."""
    return bool(alternation(lexicon.articles, spaced=lexicon.spaced).search(fold(between))) if lexicon.spaced else False


def kind_of(verb: str, lexicon: Lexicon) -> LineKind:
    speech = lexicon.speech
    if verb in speech.thought:
        return "thought"
    if verb in speech.shout:
        return "shout"
    return "whisper" if verb in speech.whisper else "speech"


def addressed(names: Sequence[tuple[int, int, int]], text: str, start: int, end: int) -> tuple[int, ...]:
    """Members called by name inside the quotation `text[start:end]`: set off by commas or standing alone.

    `names` are (member, start, end) of the names in it.
    """
    called = []
    for member, name_start, name_end in names:
        before, after = text[start:name_start].rstrip(), text[name_end:end].lstrip()
        opens = (
            not before
            or before[-1] in ",.!?…—–，。！？、¡¿"
            or before.split()[-1].lower() in ("sorry", "hello", "hi", "hey", "dear", "oh")
        )
        closes = not after or after[0] in ",.!?…:—–，。！？、"
        if opens and closes:
            called.append(member)
    return tuple(dict.fromkeys(called))
