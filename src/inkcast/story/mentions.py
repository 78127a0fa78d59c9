"""Who a sentence speaks of, before anybody asks who "she" is: names, group words, "the girl", "her brother"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from inkcast.story.lexicon import Gender, Lexicon, Words, alternation, fold
from inkcast.story.names import ADDRESSES, CastName, NameForm, name_forms

Kind = Literal["name", "pronoun", "person", "kin", "group", "stranger", "former", "latter"]
Role = Literal["subject", "object", "possessive", "reflexive", ""]
SINGULAR: tuple[Gender, ...] = ("he", "she", "it")


@dataclass(frozen=True)
class Move:
    """How a name takes the place of a pronoun that leans on a verb: `text[slice(*cut)]` goes, the name stands at `to`.

    `preposition` goes before the name; `repair` is (start, end, words) to put right in the verb.
    """

    cut: tuple[int, int]
    to: int
    preposition: str = ""
    repair: tuple[int, int, str] | None = None


@dataclass(frozen=True)
class Mention:
    """`story[start:end]` speaks of somebody.

    `members` are the cast indices a name can mean (one, unless ambiguous); all other kinds have none yet. `genders`
    are what a pronoun or noun allows, empty for any. `owner` says that the mention owns what follows ("Bo's");
    `size` is how many a group counts (0 = unknown), `among` the genders all of a "they" must have ("elles").
    """

    start: int
    end: int
    kind: Kind
    members: tuple[int, ...] = ()
    genders: tuple[Gender, ...] = ()
    role: Role = ""
    owner: bool = False
    size: int = 0
    among: tuple[Gender, ...] = ()
    move: Move | None = None


class NameFinder:
    """Finds the names of one cast in texts of one language.

    Whoever the whole story `text` never names with a capital letter is found in small letters too.
    """

    def __init__(self, cast: Sequence[CastName], lexicon: Lexicon, text: str = "") -> None:
        self.cast = tuple(cast)
        self._small: frozenset[int] = frozenset()
        self.lexicon = lexicon
        self._forms: dict[str, list[NameForm]] = {}
        for form in name_forms(cast, lexicon):
            self._forms.setdefault(_key(form.text), []).append(form)
        keys = sorted(self._forms, key=len, reverse=True)
        body = "|".join(re.escape(key).replace(r"\ ", r"\.?\s+") for key in keys) or r"(?!)"
        genitive = "s?" if lexicon.language == "de" else ""
        pattern = rf"(?<!\w)(?P<name>{body}){genitive}(?!\w)" if lexicon.spaced else rf"(?P<name>{body})"
        self._pattern = re.compile(pattern)
        met = {member for mention in self.find(text, 0, len(text)) for member in mention.members}
        self._small = frozenset(range(len(self.cast))) - met if text else frozenset()

    def find(self, text: str, start: int, end: int) -> Iterator[Mention]:
        folded = fold(text)
        position = start
        while match := self._pattern.search(folded, position, end):
            forms = self._allowed(text[match.start("name")], match["name"])
            modal = self._is_modal(match["name"], folded[match.end() : match.end() + 12])
            if not forms or modal or self._is_thing(folded, match.start(), start):
                position = match.start() + 1
                continue
            stop, owner = self._owner(folded, match.end("name"), match.end(), end)
            members = tuple(dict.fromkeys(form.member for form in forms))
            yield Mention(match.start(), stop, "name", members, role="possessive" if owner else "", owner=owner)
            position = max(stop, match.end())

    def _allowed(self, first: str, folded: str) -> list[NameForm]:
        capital = first.isupper() or first.lower() == first.upper()
        return [
            form
            for form in self._forms.get(_key(folded), [])
            if capital or not form.capital or form.member in self._small
        ]

    def _is_thing(self, folded: str, position: int, start: int) -> bool:
        """Whether a noun that looks like a name is none: "ein Wolf" in a language whose nouns have capitals."""
        if not self.lexicon.capital_nouns:
            return False
        before = re.search(r"(\w+)\s+$", folded[max(position - 12, start) : position])
        return bool(before) and before[1] in self.lexicon.people.indefinite  # type: ignore[index]

    def _is_modal(self, word: str, after: str) -> bool:
        """Whether the word is no name but opens a question ("Will they come?")."""
        asked = re.match(r"\s+(?:i|you|we|he|she|it|they|the|there|this|that)\b", after)
        return word in self.lexicon.modals and bool(asked)

    def families(self, text: str, start: int, end: int) -> Iterator[Mention]:
        """ "Mr. and Mrs. Lee", "the Lees": all the members of one surname."""
        if not self.lexicon.spaced:
            return
        titles = alternation((*self.lexicon.titles.abbreviations, *ADDRESSES), spaced=True).pattern
        pair = rf"{titles}\.?\s+(?:{re.escape(self.lexicon.conjunction)}|&)\s+{titles}\.?\s+(?P<pair>[^\W_]+)"
        articles = self.lexicon.definite
        unchanged = self.lexicon.language in ("fr", "es")  # "los Vega"
        articles = tuple(word for word in articles if word.endswith("s")) if unchanged else articles
        ending = "s?" if unchanged else "s"
        plural = rf"{alternation(articles, spaced=True).pattern}\s+(?P<plural>[^\W_]+?){ending}(?!\w)"
        for match in re.compile(rf"{pair}|{plural}").finditer(fold(text), start, end):
            last = "pair" if match["pair"] else "plural"
            own = [match[last]]
            members = tuple(i for i, member in enumerate(self.cast) if fold(member.name).split()[1:][-1:] == own)
            if len(members) > 1 and text[match.start(last)].isupper():
                yield Mention(match.start(), match.end(), "group", members)

    def _owner(self, folded: str, name_end: int, matched: int, end: int) -> tuple[int, bool]:
        """Where the mention ends, and whether it is a genitive ("Bo's", "Lenas", "小红的")."""
        if not self.lexicon.spaced:
            return name_end, folded[name_end:end].startswith(("的", "の"))
        if matched > name_end:
            return matched, True
        apostrophe = re.match(r"'s?(?=\s)", folded[name_end:end]) if self.lexicon.language in ("en", "de") else None
        if apostrophe and (apostrophe.group() == "'s" or folded[name_end - 1] in "sxz"):
            return name_end + apostrophe.end(), True
        return name_end, False


def find_ordered(text: str, start: int, end: int, lexicon: Lexicon) -> Iterator[Mention]:
    """ "the former", "the latter", unless they describe somebody ("the former pilot")."""
    folded = fold(text)
    kinds: tuple[tuple[Kind, Words], ...] = (("former", lexicon.groups.former), ("latter", lexicon.groups.latter))
    for kind, words in kinds:
        for match in alternation(words, spaced=lexicon.spaced).finditer(folded, start, end):
            after = re.compile(r"\s+([^\W_]+)").match(folded, match.end(), end)
            verbs = (*lexicon.split.verbs, *lexicon.place.stay, *lexicon.function_words, *lexicon.clitics.verbs)
            acts = not after or "-" in match.group() or after[1] in verbs
            if not lexicon.spaced or acts or re.search(lexicon.split.verb_ending or r"(?!)", after[1] if after else ""):
                yield Mention(match.start(), match.end(), kind)


def find_groups(text: str, start: int, end: int, lexicon: Lexicon) -> Iterator[Mention]:
    """ "both", "everyone", "the two friends", "all three"."""
    groups, folded = lexicon.groups, fold(text)
    for words, size in ((groups.both, 2), (groups.all, 0)):
        counted = alternation(words, spaced=lexicon.spaced).pattern
        noun = alternation(groups.nouns, spaced=lexicon.spaced).pattern
        following = rf"(?:\s+(?P<noun>{noun}))?" if lexicon.spaced else "(?P<noun>(?!))?"
        for match in re.compile(rf"(?P<count>{counted}){following}").finditer(folded, start, end):
            gender = groups.gender.get(match["noun"] or "", groups.gender.get(match["count"]))
            yield Mention(match.start(), match.end(), "group", genders=(gender,) if gender else (), size=size)
    for match in _group_pattern(lexicon).finditer(folded, start, end):
        noun = match["noun"] or ""
        size = groups.numbers.get(match["number"] or match["all"] or "", groups.sizes.get(noun, 0))
        gender = groups.gender.get(noun)
        yield Mention(match.start(), match.end(), "group", genders=(gender,) if gender else (), size=size)


def _group_pattern(lexicon: Lexicon) -> re.Pattern[str]:
    groups = lexicon.groups
    numbers = alternation(tuple(groups.numbers), spaced=lexicon.spaced).pattern
    nouns = alternation(groups.nouns, spaced=lexicon.spaced).pattern
    if not lexicon.spaced:
        return re.compile(rf"(?P<number>{numbers})(?P<noun>{nouns})|(?P<all>(?!))")
    articles = alternation(lexicon.definite, spaced=True).pattern
    adjectives = alternation(lexicon.people.adjectives, spaced=True).pattern
    noun_phrase = rf"{articles}\s+(?P<number>{numbers})?\s*(?:{adjectives}\s+)?(?P<noun>{nouns})"
    return re.compile(rf"(?:all\s+)?{noun_phrase}|all\s+(?P<all>{numbers})")


def find_people(text: str, start: int, end: int, lexicon: Lexicon) -> Iterator[Mention]:
    """ "the old woman", "his sister", "a man" (a stranger); nothing in languages without articles."""
    people, folded = lexicon.people, fold(text)
    if not lexicon.spaced:
        return
    adjectives = alternation(people.adjectives, spaced=True).pattern
    definite = alternation(lexicon.definite, spaced=True).pattern
    indefinite = alternation(people.indefinite, spaced=True).pattern
    owners = alternation(_possessives(lexicon), spaced=True).pattern
    kin = alternation(people.kin, spaced=True).pattern
    relatives = re.compile(rf"{owners}\s+(?:{adjectives}\s+)?(?P<kin>{kin})")
    for match in relatives.finditer(folded, start, end):
        genders = tuple(gender for gender in SINGULAR if match["kin"] in getattr(people, gender))
        yield Mention(match.start(), match.end(), "kin", genders=genders)
    for gender in SINGULAR:
        nouns = alternation(getattr(people, gender), spaced=True).pattern
        for match in re.compile(rf"{definite}\s+(?:{adjectives}\s+)?{nouns}").finditer(folded, start, end):
            yield Mention(match.start(), match.end(), "person", genders=(gender,))
        for match in re.compile(rf"{indefinite}\s+(?:{adjectives}\s+)?{nouns}").finditer(folded, start, end):
            yield Mention(match.start(), match.end(), "stranger", genders=(gender,))


def _possessives(lexicon: Lexicon) -> Words:
    own = [form for forms in lexicon.pronouns.values() for form in forms.possessive]
    return tuple(dict.fromkeys([*own, *lexicon.possessives]))


def _key(text: str) -> str:
    return re.sub(r"\.?\s+", " ", fold(text))
