"""Subjects a language leaves out: "Abre la puerta." is said of whoever acted last."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from inkcast.story.lexicon import Lexicon, fold
from inkcast.story.mentions import Mention

_WORD = re.compile(r"[^\W_]+")
_CLOSING = " \t\r\n\u3000。．！？!?….」』”"


def find_unsaid(text: str, start: int, end: int, known: Sequence[Mention], lexicon: Lexicon) -> Iterator[Mention]:
    """The subject that the sentence `text[start:end]` leaves out, as an empty mention where it would stand."""
    clitics = lexicon.clitics
    if not lexicon.spaced:
        yield from _unspaced(text, start, end, known, lexicon)
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


def _unspaced(text: str, start: int, end: int, known: Sequence[Mention], lexicon: Lexicon) -> Iterator[Mention]:
    unsaid = lexicon.unsaid
    sentence = text[start:end].strip(_CLOSING)
    at = start + len(re.match(rf"(?:{unsaid.leads})*", sentence)[0]) if unsaid.leads else start  # type: ignore[index]
    rest = text[at : start + len(sentence)]
    if not re.match(unsaid.begins, rest) or not re.search(rf"(?:{unsaid.ends})$", rest):
        return
    if re.search(rf"(?:{unsaid.never})$", rest) or re.search(unsaid.subject, rest):
        return
    if any(_opens_clause(text, at, mention, lexicon) for mention in known if mention.start >= at):
        return
    yield Mention(at, at, "pronoun", role="subject")


def _opens_clause(text: str, start: int, mention: Mention, lexicon: Lexicon) -> bool:
    """Whether the mention stands where a subject of its clause would, first or after a comma, and is marked as none."""
    before = text[start : mention.start].rstrip()
    marked = re.compile(lexicon.unsaid.objects).match(text, mention.end)
    return not mention.owner and not marked and (not before or before.endswith(("，", "、", ",")))


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
