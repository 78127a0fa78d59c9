""" "Son chien", "su casa": French and Spanish possessives, which become "le chien de Luc", "la casa de Ana"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from inkcast.story.lexicon import Lexicon, alternation, fold
from inkcast.story.mentions import Mention, Move


def find_possessives(text: str, start: int, end: int, lexicon: Lexicon) -> Iterator[Mention]:
    """Possessives of the third person in `text[start:end]`, with the article and the place for "de" and a name."""
    own = lexicon.possession
    if not own.articles:
        return
    adjectives = alternation((*own.adjectives, *lexicon.people.adjectives), spaced=True).pattern
    owners = alternation(tuple(own.articles), spaced=True).pattern
    pattern = re.compile(rf"(?P<owner>{owners})\s+(?:{adjectives}\s+)*(?P<noun>[^\W_]+)")
    for match in pattern.finditer(fold(text), start, end):
        words = article(match["owner"], text[match.end("owner") : match.end("noun")].split(), lexicon)
        at = match.end("owner")
        move = Move((match.start(), at), match.end(), own.of, (match.start(), at, words))
        genders = ("they",) if match["owner"] in own.plural else ()
        yield Mention(match.start(), at, "pronoun", genders=genders, role="possessive", owner=True, move=move)  # type: ignore[arg-type]


def article(owner: str, following: Sequence[str], lexicon: Lexicon) -> str:
    """The article that stands where a possessive did: "son" is "le", or "l'" before a vowel; "su mesa" is "la mesa"."""
    own = lexicon.possession
    masculine, feminine = own.articles[owner]
    noun = fold(following[-1])
    if re.match(own.elided or r"(?!)", fold(following[0])) and owner in own.elides:
        return "l'"
    is_feminine = noun in own.feminine or (
        noun not in own.masculine and re.search(own.feminine_ending or r"(?!)", noun) is not None
    )
    return feminine if is_feminine else masculine


def contracted(words: str, lexicon: Lexicon) -> str:
    """French "de le" as "du", Spanish "a el" as "al"; and no blank after an article that was cut short."""
    words = re.sub(r"\b([lL]')\s+", r"\1", words)
    for long, short in lexicon.possession.contractions.items():
        words = re.sub(rf"\b{long}\b(?!')", short, words)
    return words


def is_followed_by_name(mention: Mention, text: str, names: Collection[int]) -> bool:
    """Whether a name follows at once: "sa sœur Claire"."""
    to = mention.move.to if mention.move else mention.end
    blank = re.compile(r"\s*").match(text, to)
    return bool(blank) and blank.end() in names  # type: ignore[union-attr]
