"""The cast as a story names it: full names, first or last names, titles, roles, nicknames and aliases."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from inkcast.errors import CastError
from inkcast.story.lexicon import Gender, Lexicon, fold

LONGEST_NAME = 500
_HAN_OR_KANA = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_PARTICLES = frozenset(
    {
        "van",
        "von",
        "de",
        "der",
        "den",
        "del",
        "della",
        "di",
        "da",
        "du",
        "la",
        "le",
        "al",
        "el",
        "bin",
        "ibn",
        "ter",
        "zu",
    }
)
ADDRESSES = ("miss", "herr", "frau", "fräulein", "señor", "señora")  # written out, before a last name
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]")
_GENDER_OF = {
    "he": "he", "him": "he", "his": "he", "er": "he", "il": "he", "él": "he", "el": "he", "他": "he", "彼": "he",
    "she": "she", "her": "she", "hers": "she", "sie": "she", "elle": "she", "ella": "she", "她": "she", "彼女": "she",
    "it": "it", "its": "it", "es": "it", "它": "it",
    "they": "they", "them": "they", "their": "they", "theirs": "they", "iel": "they", "elle/il": "they",
}  # fmt: skip


@dataclass(frozen=True)
class CastName:
    """A cast member as far as a story goes. `pronouns` as people write them: "she", "she/her", "er", or empty."""

    name: str
    pronouns: str = ""
    aliases: tuple[str, ...] = ()

    @cached_property
    def gender(self) -> Gender | None:
        first = fold(self.pronouns).split("/")[0].strip()
        return _GENDER_OF.get(first)  # type: ignore[return-value]


class Rank(IntEnum):
    """How surely a form names its bearer; of two bearers the surer one wins."""

    FULL = 0
    PART = 1
    ROLE = 2
    NICKNAME = 3


@dataclass(frozen=True)
class NameForm:
    """One way to write one member's name. `capital` asks for a capital letter in the story."""

    text: str
    member: int
    rank: Rank
    capital: bool = True


def check_cast(cast: Sequence[CastName]) -> None:
    """Raises CastError for an empty, overlong or doubled name."""
    seen: dict[str, str] = {}
    for member in cast:
        name = member.name.strip()
        if not name:
            raise CastError("a cast member has an empty name: give each one a name")
        if len(name) > LONGEST_NAME:
            raise CastError(f"the cast name {name[:40]!r}… has {len(name)} characters: use at most {LONGEST_NAME}")
        if _FORBIDDEN.search(name):
            raise CastError(f"the cast name {name!r} contains a line break or control character: remove it")
        if fold(name) in seen:
            raise CastError(f"the cast names {name!r} twice: give each member a name of its own")
        seen[fold(name)] = name


def name_forms(cast: Sequence[CastName], lexicon: Lexicon) -> tuple[NameForm, ...]:
    """Every form of every member; of equal forms only the surest rank stays (several bearers of it stay ambiguous)."""
    forms = [form for index, member in enumerate(cast) for form in _member_forms(index, member, lexicon)]
    best: dict[str, Rank] = {}
    for form in forms:
        key = fold(form.text)
        best[key] = min(form.rank, best.get(key, form.rank))
    unique = {(fold(form.text), form.member): form for form in reversed(forms) if form.rank == best[fold(form.text)]}
    return tuple(unique.values())


def _member_forms(index: int, member: CastName, lexicon: Lexicon) -> Iterable[NameForm]:
    name = _written(member.name)
    yield NameForm(name, index, Rank.FULL, capital=" " not in name and name[:1].isupper())
    for alias in member.aliases:
        alias = _written(alias)
        if alias:
            yield NameForm(alias, index, Rank.FULL, capital=alias[:1].isupper())
    if _HAN_OR_KANA.search(name):
        yield from _unspaced_forms(index, member, name, lexicon)
    else:
        yield from _spaced_forms(index, member, name, lexicon)


def _written(name: str) -> str:
    """`name` as a cleaned story writes it: composed characters, single spaces."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def _spaced_forms(index: int, member: CastName, name: str, lexicon: Lexicon) -> Iterable[NameForm]:
    words = name.split()
    articles = frozenset(lexicon.definite) | {"the"}
    cut = next((i for i, word in enumerate(words) if i and fold(word) in articles), len(words))
    if cut < len(words):
        yield NameForm(" ".join(words[cut:]), index, Rank.ROLE, capital=False)
    titles, core = split_titles(words[:cut], lexicon)
    core = [word for word in core if not re.fullmatch(r"\w\.", word)] or core
    firsts = {core[0]} if core else set()
    lasts = _last_names(core) if len(core) > 1 or titles else set()
    for part in {" ".join(core), *firsts, *lasts} - {""}:
        yield NameForm(part, index, Rank.FULL if part == " ".join(core) else Rank.PART)
    for title in _fitting_titles(titles, member.gender, lexicon):
        for last in lasts | firsts:
            yield NameForm(f"{title} {last}", index, Rank.PART, capital=False)
    for title in _roles(titles, lexicon):
        yield NameForm(title, index, Rank.ROLE)
        for article in lexicon.definite:
            yield NameForm(f"{article} {title}", index, Rank.ROLE, capital=False)
    for first in firsts:
        for nick in _nicknames(fold(first), lexicon):
            for form in (nick, *(f"{nick} {last}" for last in lasts)):
                yield NameForm(form, index, Rank.NICKNAME)


def _nicknames(first: str, lexicon: Lexicon) -> tuple[str, ...]:
    """ "Elizabeth" is called Lizzie; "Tom", a short form himself, is called Tommy or Thomas."""
    if first in lexicon.nicknames:
        return lexicon.nicknames[first]
    families = [(full, *short) for full, short in lexicon.nicknames.items() if first in short]
    return tuple(form for family in families for form in family if form != first and form[:2] == first[:2])


def split_titles(words: Sequence[str], lexicon: Lexicon) -> tuple[list[str], list[str]]:
    """("Captain Tom Hale") -> (["captain"], ["Tom", "Hale"]); a name that is all titles keeps its last word as core."""
    known = {*lexicon.titles.he, *lexicon.titles.she, *lexicon.titles.any, *lexicon.titles.abbreviations}
    count = 0
    while count < len(words) - 1 and fold(words[count]).rstrip(".") in known:
        count += 1
    return [fold(word).rstrip(".") for word in words[:count]], list(words[count:])


def _last_names(core: Sequence[str]) -> set[str]:
    start = len(core) - 1
    while start > 1 and fold(core[start - 1]) in _PARTICLES:
        start -= 1
    return {core[-1], " ".join(core[start:])}


def _fitting_titles(own: Sequence[str], gender: Gender | None, lexicon: Lexicon) -> set[str]:
    """The member's own titles and the forms of address their gender allows ("Mr" for Captain Tom Hale)."""
    polite = [title for title in lexicon.titles.abbreviations if title in {*lexicon.titles.he, *lexicon.titles.she}]
    polite += [title for title in ADDRESSES if title in {*lexicon.titles.he, *lexicon.titles.she}]
    other = {"he": lexicon.titles.she, "she": lexicon.titles.he}.get(gender or "", ())
    titles = {*own, *(title for title in polite if title not in other)}
    return titles | {longer for title in own for longer in lexicon.titles.expand.get(title, ())}


def _roles(titles: Sequence[str], lexicon: Lexicon) -> set[str]:
    """Titles that can stand for their bearer: "the captain", but not "the Mr"."""
    adjectives = {"old", "young", "little", "big", "st", "saint", *lexicon.people.adjectives}
    full = [title for title in titles if title not in lexicon.titles.abbreviations and title not in adjectives]
    return {*full, *(longer for title in titles for longer in lexicon.titles.expand.get(title, ()))}


def _unspaced_forms(index: int, member: CastName, name: str, lexicon: Lexicon) -> Iterable[NameForm]:
    bare = name
    for suffix in sorted((*lexicon.titles.he, *lexicon.titles.she, *lexicon.titles.any), key=len, reverse=True):
        if name.endswith(suffix) and len(name) > len(suffix):
            bare = name[: -len(suffix)]
            yield NameForm(bare, index, Rank.PART)
            if len(suffix) > 1:
                yield NameForm(suffix, index, Rank.ROLE)
            break
    for part in re.split(r"[・·\s]+", bare):
        if part != bare:
            yield NameForm(part, index, Rank.PART)
    if re.fullmatch(r"[\u4e00-\u9fff]{3,4}", bare):
        yield NameForm(bare[-2:], index, Rank.PART)
        if len(bare) == 4:
            yield NameForm(bare[:2], index, Rank.PART)
    parts = {bare, *_unspaced_surnames(bare, lexicon)}
    mixed = re.fullmatch(r"([\u4e00-\u9fff]{1,3})([\u3040-\u30ff]{2,})", bare)  # 佐藤ゆき
    if mixed:
        parts |= {mixed[1], mixed[2]} - ({mixed[1]} if len(mixed[1]) == 1 else set())
        yield from (NameForm(part, index, Rank.PART) for part in parts - {bare})
    own = {"he": lexicon.titles.he, "she": lexicon.titles.she}.get(member.gender or "", ())
    for suffix in (*lexicon.titles.any, *own):
        yield from (NameForm(part + suffix, index, Rank.PART) for part in parts)


def _unspaced_surnames(bare: str, lexicon: Lexicon) -> set[str]:
    """王明 is 王先生, 老张 is 张先生, 欧阳小红 is 欧阳小姐."""
    if lexicon.language == "zh" and bare[:1] in "老小阿" and len(bare) == 2:
        return {bare[1]}
    if re.fullmatch(r"[\u4e00-\u9fff]{2}", bare):
        return {bare[0]} if lexicon.language == "zh" else set()
    return {bare[: len(bare) // 2]} if re.fullmatch(r"[\u4e00-\u9fff]{3,4}", bare) else set()
