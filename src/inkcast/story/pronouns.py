"""Pronouns in a sentence, and which of its readings each one has there ("her": object or possessive)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from inkcast.story.lexicon import GENDERS, Gender, Lexicon, Words, alternation, fold
from inkcast.story.mentions import Mention, Role
from inkcast.story.sentences import speech_verbs

_REACH = 60  # characters around a pronoun that decide how it is read
_Reading = tuple[Gender, Role]
_ROLES: tuple[Role, ...] = ("reflexive", "subject", "object", "possessive")


def find_pronouns(text: str, start: int, end: int, known: Sequence[Mention], lexicon: Lexicon) -> Iterator[Mention]:
    """Pronouns of the third person in `text[start:end]`; `known` are the names and people there."""
    folded = fold(text)
    titles = {*lexicon.people.kin, *lexicon.titles.he, *lexicon.titles.she, *lexicon.titles.any}
    named = {m.start for m in known if m.kind == "name" and not _opens_with(folded, m, titles)}
    for match in alternation(_forms(lexicon, *_ROLES), spaced=lexicon.spaced).finditer(folded, start, end):
        if not lexicon.spaced and folded[match.start() - 1 : match.start()] in lexicon.not_before:
            continue
        if lexicon.impersonal and re.compile(lexicon.impersonal).match(folded, match.start(), end):
            continue
        readings = _readings(match.group(), lexicon)
        role, genders = _choose(readings, text, match.start(), match.end(), start, end, named, lexicon)
        owner = role == "possessive" or (not lexicon.spaced and folded[match.end() : match.end() + 1] in ("的", "の"))
        among: tuple[Gender, ...] = ("she",) if match.group() in lexicon.feminine_plurals else ()
        yield Mention(match.start(), match.end(), "pronoun", genders=genders, role=role, owner=owner, among=among)


def _opens_with(folded: str, mention: Mention, words: Collection[str]) -> bool:
    return folded[mention.start : mention.end].split()[0].rstrip(".") in words


def _of(lexicon: Lexicon, gender: Gender, role: str) -> Words:
    return getattr(lexicon.pronouns[gender], role) if gender in lexicon.pronouns else ()


def _forms(lexicon: Lexicon, *roles: str) -> Words:
    return tuple(dict.fromkeys(form for role in roles for gender in GENDERS for form in _of(lexicon, gender, role)))


def _readings(word: str, lexicon: Lexicon) -> list[_Reading]:
    return [(gender, role) for role in _ROLES for gender in GENDERS if word in _of(lexicon, gender, role)]


def _choose(
    readings: Sequence[_Reading],
    text: str,
    start: int,
    stop: int,
    left: int,
    right: int,
    named: Collection[int],
    lexicon: Lexicon,
) -> tuple[Role, tuple[Gender, ...]]:
    roles = {role for _, role in readings}
    role = readings[0][1]
    if {"object", "possessive"} <= roles:
        owns = stop + 1 not in named and _owns_next(text, start, stop, right, lexicon)
        role = "possessive" if owns else "object"
    elif {"subject", "object"} <= roles:
        role = "subject" if _acts_here(text, start, left, lexicon) else "object"
    genders = tuple(dict.fromkeys(gender for gender, own in readings if own == role))
    if "they" in genders and len(genders) > 1 and role in ("subject", "object"):
        plural = _plural_verb(text, start, stop, left, right, lexicon)
        genders = ("they",) if plural else tuple(gender for gender in genders if gender != "they")
    return role, genders


def _owns_next(text: str, start: int, stop: int, right: int, lexicon: Lexicon) -> bool:
    following = re.match(r"\s+(\w+)", text[stop:right])
    if not following:
        return False
    word = following.group(1)
    if lexicon.capital_nouns:
        return word[0].isupper()
    before = re.search(r"(\w+)\s+$", fold(text[max(start - _REACH, 0) : start]))
    if before and before.group(1) in lexicon.ditransitive:
        return False
    return fold(word) not in lexicon.function_words and not word.endswith("ly")


def _acts_here(text: str, start: int, left: int, lexicon: Lexicon) -> bool:
    """Whether a form that may be subject or object stands where subjects do: first, or after a speech verb."""
    before = fold(text[max(left, start - _REACH) : start])
    if not before.strip() or before[-1] in "-‐":
        return True
    if re.search(r"[.,;:!?\"”»’“—–]\s*$", before):
        return True
    last = re.search(r"(\w+'?)\s*$", before)
    if last and last.group(1) in lexicon.clause_words:
        return True
    return lexicon.inverts and bool(last) and bool(re.search(rf"{speech_verbs(lexicon).pattern}\s*$", before))


def _plural_verb(text: str, start: int, stop: int, left: int, right: int, lexicon: Lexicon) -> bool:
    around = [
        *re.findall(r"(\w+)\W*$", text[max(start - _REACH, left) : start]),
        *re.findall(r"^\W*(\w+)", text[stop : min(stop + _REACH, right)]),
    ]
    return (
        any(re.search(lexicon.plural_verb, fold(word)) and word[0].islower() for word in around)
        if lexicon.plural_verb
        else False
    )
