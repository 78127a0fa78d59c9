"""What a panel's picture shows, in words that stand alone: full names where the story has pronouns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inkcast.story.discourse import Reference
from inkcast.story.lexicon import Lexicon, fold
from inkcast.story.names import CastName


def join_names(members: Sequence[int], cast: Sequence[CastName], lexicon: Lexicon) -> str:
    """ "Ann Lee, Bo and Max", in the words of the story's language."""
    names = [cast[member].name for member in members]
    if len(names) < 2:
        return "".join(names)
    if not lexicon.spaced:
        return "、".join(names[:-1]) + lexicon.conjunction + names[-1]
    return ", ".join(names[:-1]) + f" {lexicon.conjunction} " + names[-1]


def self_contained(
    text: str, start: int, end: int, references: Sequence[Reference], cast: Sequence[CastName], lexicon: Lexicon
) -> str:
    """`text[start:end]` with every mention of a cast member replaced by full names."""
    pieces, position = [], start
    subject: tuple[int, ...] = ()
    before: Reference | None = None
    for reference in references:
        mention = reference.mention
        if not start <= mention.start < end:
            if reference.subject:
                subject = reference.members
            continue
        if not (before and _is_apposition(text, before, reference)):
            pieces.append(text[position : mention.start])
            pieces.append(_replacement(text, reference, subject, cast, lexicon))
        position = mention.end
        before = reference
        if reference.subject:
            subject = reference.members
    pieces.append(text[position:end])
    return re.sub(r"\s+", " ", "".join(pieces)).strip()


def _is_apposition(text: str, before: Reference, after: Reference) -> bool:
    """Whether `after` only goes on naming who `before` named ("ihr Bruder Jürgen", 'Margaret "Maggie" Smith')."""
    same = len(before.members) == 1 and before.members == after.members
    between = text[before.mention.end : after.mention.start]
    owns = before.mention.owner or after.mention.owner
    named = after.mention.kind == "name" and re.fullmatch(r"\s*[\"“”„«»]\w+[\"“”„«»]\s*|[\s\"“”„«»]+", between)
    return same and not owns and bool(named)


def _replacement(
    text: str, reference: Reference, subject: tuple[int, ...], cast: Sequence[CastName], lexicon: Lexicon
) -> str:
    mention, written = reference.mention, text[reference.mention.start : reference.mention.end]
    if not reference.members:
        return written
    names = join_names(reference.members, cast, lexicon)
    if not mention.owner:
        return names
    if mention.kind == "pronoun" and set(reference.members) <= set(subject) and lexicon.doing.get("own"):
        return lexicon.doing["own"]
    if not lexicon.spaced:
        return names  # the particle that says "of" follows in the text
    apostrophe = lexicon.language == "de" and names.endswith(("s", "x", "z", "ß"))
    return names + ("'" if apostrophe else lexicon.doing.get("owner", ""))


def sentence(text: str) -> str:
    """`text` without loose punctuation at its ends, its first letter a capital."""
    text = re.sub(r"^[\s,;:.，、。：；—–-]+|[\s,;:，、：；—–-]+$", "", text)
    return text[:1].upper() + text[1:]


def with_subject(picture: str, names: str, lexicon: Lexicon) -> str:
    """`picture`, whose sentence left its subject to the one before, with `names` as its subject."""
    if not lexicon.spaced:
        return names + picture
    words = picture.split(" ")
    connectors = {word for phrase in lexicon.split.connectors for word in phrase.split()}
    while words and fold(words[0]) in connectors:
        words = words[1:]
    rest = " ".join(words)
    return f"{names} {rest[:1].lower()}{rest[1:]}"
