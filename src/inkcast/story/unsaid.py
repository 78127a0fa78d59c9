"""Subjects a language leaves out: "Abre la puerta." is said of whoever acted last."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from inkcast.story.lexicon import Lexicon, fold
from inkcast.story.mentions import Mention

_WORD = re.compile(r"[^\W_]+")


def find_unsaid(text: str, start: int, end: int, known: Sequence[Mention], lexicon: Lexicon) -> Iterator[Mention]:
    """The subject that the sentence `text[start:end]` leaves out, as an empty mention where it would stand."""
    clitics = lexicon.clitics
    if not clitics.drops:
        return
    folded = fold(text)
    words = list(_WORD.finditer(folded, start, end))
    place = 0
    while place < len(words) and words[place].group() in clitics.leads:
        place += 1
    first = place
    forms = {form for own in (*clitics.direct.values(), *clitics.dative.values()) for form in own}
    while place < len(words) and words[place].group() in {*clitics.negation, clitics.dative_beside, *forms}:
        place += 1
    if place == len(words):
        return
    verb = words[place].group()
    is_noun = place > first and words[place - 1].group() in clitics.articles and verb in clitics.nouns
    if is_noun or verb in clitics.prepositions or not _is_finite(verb, lexicon):
        return
    if _has_subject(folded, words[place].end(), end, verb, known, lexicon):
        return
    at = words[first].start()
    yield Mention(at, at, "pronoun", genders=("they",) if verb.endswith("n") else (), role="subject")


def _is_finite(verb: str, lexicon: Lexicon) -> bool:
    clitics = lexicon.clitics
    stems = "|".join(map(re.escape, (*clitics.stems, *clitics.moving, *clitics.things, *clitics.others)))
    return verb in clitics.verbs or re.fullmatch(rf"(?:{stems})(?:{clitics.endings})", verb) is not None


def _has_subject(folded: str, verb_end: int, end: int, verb: str, known: Sequence[Mention], lexicon: Lexicon) -> bool:
    """Whether the subject follows its verb: a name, a pronoun, or after a verb without object any noun."""
    following = re.compile(r"\s+([^\W_]+)").match(folded, verb_end, end)
    if following is None:
        return False
    position, word = following.start(1), following[1]
    if word in lexicon.clitics.subjects or any(m.start == position and m.kind != "pronoun" for m in known):
        return True
    moves = any(verb.startswith(stem) for stem in lexicon.clitics.moving)
    return moves and word in {*lexicon.articles, *lexicon.possessives} - {"al", "del"}
