"""Who a sentence speaks of, before anybody asks who "she" is: names, pronouns, group words and "the girl"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from inkcast.story.lexicon import GENDERS, Gender, Lexicon, Words, alternation, fold
from inkcast.story.names import CastName, NameForm, Rank, name_forms

Kind = Literal["name", "pronoun", "person", "kin", "group"]
Role = Literal["subject", "object", "possessive", "reflexive", ""]


@dataclass(frozen=True)
class Mention:
    """`story[start:end]` speaks of somebody.

    `members` are the cast indices a name can mean (one, unless ambiguous); pronouns and groups have none yet.
    `owner` says that the mention owns what follows ("Bo's"); `size` is how many a group counts (0 = unknown).
    """

    start: int
    end: int
    kind: Kind
    members: tuple[int, ...] = ()
    gender: Gender | None = None
    role: Role = ""
    owner: bool = False
    size: int = 0


class MentionFinder:
    """Finds mentions of one cast in one language."""

    def __init__(self, cast: Sequence[CastName], lexicon: Lexicon) -> None:
        self.cast = tuple(cast)
        self.lexicon = lexicon
        self._forms: dict[str, list[NameForm]] = {}
        for form in name_forms(cast, lexicon):
            self._forms.setdefault(_key(form.text), []).append(form)
        self._pattern = self._name_pattern()

    def _name_pattern(self) -> re.Pattern[str]:
        keys = sorted(self._forms, key=len, reverse=True)
        body = "|".join(re.escape(key).replace(r"\ ", r"\.?\s+") for key in keys) or r"(?!)"
        if not self.lexicon.spaced:
            return re.compile(f"(?:{body})")
        ending = r"(?P<genitive>s)?" if self.lexicon.language == "de" else ""
        return re.compile(rf"(?<![\w])(?:{body}){ending}(?!\w)")

    def names(self, text: str, start: int, end: int) -> Iterator[Mention]:
        """Mentions by name in `text[start:end]`."""
        folded = fold(text)
        position = start
        while match := self._pattern.search(folded, position, end):
            position = match.end()
            stop = match.end() - (1 if "genitive" in match.groupdict() and match["genitive"] else 0)
            forms = self._allowed(text, match.start(), folded[match.start() : stop])
            if not forms:
                position = match.start() + 1
                continue
            owner, owner_end = self._owner(folded, stop, match.end(), end)
            members = tuple(dict.fromkeys(form.member for form in forms))
            yield Mention(match.start(), owner_end, "name", members, role="possessive" if owner else "", owner=owner)

    def _allowed(self, text: str, start: int, folded: str) -> list[NameForm]:
        capital = text[start].isupper() or not text[start].isalpha() or text[start].lower() == text[start].upper()
        forms = self._forms.get(_key(folded), [])
        if self.lexicon.spaced and _is_role(forms) and start and text[start - 1 : start] == " ":
            capital = capital or False
        return [form for form in forms if capital or not form.capital]

    def _owner(self, folded: str, stop: int, matched: int, end: int) -> tuple[bool, int]:
        if not self.lexicon.spaced:
            return folded[stop : stop + 1] in "的の" and stop < end, stop
        apostrophe = re.match(r"'s?(?=\s)", folded[stop:end]) if self.lexicon.language in ("en", "de") else None
        if apostrophe and (apostrophe.group() == "'s" or folded[stop - 1] in "sxz"):
            return True, stop + apostrophe.end()
        return matched > stop, matched

    def find(self, text: str, start: int, end: int) -> tuple[Mention, ...]:
        """All mentions in `text[start:end]`, in order, none overlapping another; names win over words."""
        found: list[Mention] = []
        sources = (
            self.names(text, start, end),
            self._groups(text, start, end),
            self._people(text, start, end),
            self._pronouns(text, start, end),
        )
        for source in sources:
            for mention in source:
                if all(mention.end <= other.start or mention.start >= other.end for other in found):
                    found.append(mention)
        return tuple(sorted(found, key=lambda mention: mention.start))

    def _groups(self, text: str, start: int, end: int) -> Iterator[Mention]:
        groups, folded = self.lexicon.groups, fold(text)
        for word, size in ((groups.both, 2), (groups.all, 0)):
            for match in alternation(word, spaced=self.lexicon.spaced).finditer(folded, start, end):
                yield Mention(match.start(), match.end(), "group", size=size)
        for match in _group_pattern(self.lexicon).finditer(folded, start, end):
            noun, number = match["noun"] or "", match["number"] or ""
            size = groups.numbers.get(number, groups.sizes.get(noun, 0))
            yield Mention(match.start(), match.end(), "group", gender=groups.gender.get(noun), size=size)

    def _people(self, text: str, start: int, end: int) -> Iterator[Mention]:
        people, folded = self.lexicon.people, fold(text)
        if not self.lexicon.spaced:
            return
        adjectives = alternation(people.adjectives, spaced=True).pattern
        definite = alternation(self.lexicon.definite, spaced=True).pattern
        for gender in GENDERS[:3]:
            nouns = alternation(getattr(people, gender), spaced=True).pattern
            for match in re.compile(rf"{definite}\s+(?:{adjectives}\s+)?{nouns}").finditer(folded, start, end):
                yield Mention(match.start(), match.end(), "person", gender=gender)
        owners = alternation(_all_forms(self.lexicon, "possessive"), spaced=True).pattern
        kin = alternation(people.kin, spaced=True).pattern
        for match in re.compile(rf"{owners}\s+(?:{adjectives}\s+)?(?P<kin>{kin})").finditer(folded, start, end):
            gender_of = next((gender for gender in GENDERS[:3] if match["kin"] in getattr(people, gender)), None)
            yield Mention(match.start(), match.end(), "kin", gender=gender_of)

    def _pronouns(self, text: str, start: int, end: int) -> Iterator[Mention]:
        folded = fold(text)
        every = tuple(
            {
                form
                for role in ("subject", "object", "possessive", "reflexive")
                for form in _all_forms(self.lexicon, role)
            }
        )
        for match in alternation(every, spaced=self.lexicon.spaced).finditer(folded, start, end):
            word = match.group()
            roles = [
                (gender, role)
                for gender in GENDERS
                for role in ("reflexive", "subject", "object", "possessive")
                if word in getattr(self.lexicon.pronouns.get(gender), role, ())
            ]
            gender, role = _choose_role(roles, folded, match.start(), match.end(), end, self.lexicon)
            yield Mention(match.start(), match.end(), "pronoun", gender=gender, role=role, owner=role == "possessive")


def _key(text: str) -> str:
    return re.sub(r"\.?\s+", " ", fold(text))


def _is_role(forms: Sequence[NameForm]) -> bool:
    return bool(forms) and all(form.rank is Rank.ROLE for form in forms)


def _all_forms(lexicon: Lexicon, role: str) -> Words:
    return tuple(dict.fromkeys(form for forms in lexicon.pronouns.values() for form in getattr(forms, role)))


def _group_pattern(lexicon: Lexicon) -> re.Pattern[str]:
    groups = lexicon.groups
    numbers = alternation(tuple(groups.numbers), spaced=lexicon.spaced).pattern
    nouns = alternation(groups.nouns, spaced=lexicon.spaced).pattern
    if not lexicon.spaced:
        return re.compile(rf"(?P<number>{numbers})(?P<noun>{nouns})|(?P<none>(?!))")
    articles = alternation(lexicon.definite, spaced=True).pattern
    adjectives = alternation(lexicon.people.adjectives, spaced=True).pattern
    return re.compile(
        rf"(?:(?:all\s+)?{articles}\s+)(?P<number>{numbers})?\s*(?:{adjectives}\s+)?(?P<noun>{nouns})"
        rf"|(?:all\s+)(?P<all>{numbers})"
    )


def _choose_role(
    roles: Sequence[tuple[Gender, str]], folded: str, start: int, stop: int, end: int, lexicon: Lexicon
) -> tuple[Gender, Role]:
    """Which of a word's readings holds here ("her": object before a pause or function word, else possessive)."""
    kinds = {role for _, role in roles}
    if {"object", "possessive"} <= kinds:
        following = re.match(r"\s+(\w+)", folded[stop:end])
        wanted = (
            "possessive"
            if following and following.group(1) not in _FUNCTION_WORDS and not following.group(1).endswith("ly")
            else "object"
        )
        roles = [pair for pair in roles if pair[1] == wanted]
    if {"subject", "object"} <= {role for _, role in roles}:
        before = re.search(
            r"(?:^|[.,;:!?]\s*|\b(?:and|but|then|when|while|as|because|that|if|so|before|after)\s+)$", folded[:start]
        )
        wanted = "subject" if before else "object"
        roles = [pair for pair in roles if pair[1] == wanted]
    gender, role = roles[0]
    return gender, role  # type: ignore[return-value]


_FUNCTION_WORDS = frozenset(
    "a an the to and but or in on at into onto of from with without by for as that this these those when while if then over under up down out off away back again "
    "before after until because so is was were are has had will would could can did does do not it him them you me us one two three some any no every very too".split()
)
