"""What a panel's picture shows, in words that stand alone: full names where the story has pronouns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from inkcast.story.discourse import Reference
from inkcast.story.lexicon import Lexicon, fold
from inkcast.story.mentions import Mention, Move
from inkcast.story.names import CastName
from inkcast.story.possessives import article, contracted, is_followed_by_name
from inkcast.story.sentences import speech_verbs


def join_names(members: Sequence[int], cast: Sequence[CastName], lexicon: Lexicon) -> str:
    """ "Ann Lee, Bo and Max", in the words of the story's language."""
    names = [cast[member].name for member in members]
    if len(names) < 2:
        return "".join(names)
    if not lexicon.spaced:
        return "、".join(names[:-1]) + lexicon.conjunction + names[-1]
    before_i = lexicon.language == "es" and re.match(r"h?i(?!e)", fold(names[-1]))
    return ", ".join(names[:-1]) + f" {'e' if before_i else lexicon.conjunction} " + names[-1]


_UNSAID = "\0"  # after a subject that the story leaves out; no story has this character


@dataclass(frozen=True)
class _Edit:
    """`text[start:end]` becomes `words`."""

    start: int
    end: int
    words: str
    late: bool = field(default=False, kw_only=True)  # comes after another at the same place


def self_contained(
    text: str, start: int, end: int, references: Sequence[Reference], cast: Sequence[CastName], lexicon: Lexicon
) -> str:
    """`text[start:end]` with every mention of a cast member replaced by full names."""
    edits: list[_Edit] = []
    subject: tuple[int, ...] = ()
    before: Reference | None = None
    named = {reference.mention.start for reference in references if reference.mention.kind == "name"}

    def _names(members: Sequence[int]) -> str:
        return join_names(members, cast, lexicon)

    for reference in references:
        mention = reference.mention
        if start <= mention.start < end:
            if before and _is_floating(text, before, reference, lexicon):
                continue
            if before and _is_apposition(text, before, reference):
                edits.append(_Edit(before.mention.end, mention.end, ""))
            elif mention.move and mention.owner and reference.members:
                own = set(reference.members) <= set(subject)
                edits.extend(_possessed(text, mention, "" if own else _names(reference.members), named, lexicon))
            elif lexicon.possession.articles and reference.owners and not reference.members:
                kin = _kin_possessive(text, mention, lexicon)
                edits.extend(_possessed(text, kin, _names(reference.owners), named, lexicon))
            elif mention.move and reference.members:
                edits.extend(_moved(mention.move, end, join_names(reference.members, cast, lexicon)))
            else:
                edits.append(_seated(text, reference, _replacement(text, reference, subject, cast, lexicon), lexicon))
            before = reference
        if reference.subject:
            subject = reference.members
    words = re.sub(r"\s+", " ", _applied(text, start, end, edits)).strip()
    return elided_in(contracted(words, lexicon), lexicon)


def _moved(move: Move, end: int, names: str) -> Iterator[_Edit]:
    yield _Edit(*move.cut, "")
    yield _Edit(min(move.to, end), min(move.to, end), f" {move.preposition} {names}", late=True)
    if move.repair and move.repair[0] < end:
        yield _Edit(*move.repair)


def _kin_possessive(text: str, mention: Mention, lexicon: Lexicon) -> Mention:
    """ "Sa mère" as a possessive and what it owns."""
    words = text[mention.start : mention.end].split()
    at = mention.start + len(words[0])
    owner = fold(words[0])
    if owner not in lexicon.possession.articles:
        return mention
    put = (mention.start, at, article(owner, words[1:], lexicon))
    return replace(mention, end=at, move=Move((mention.start, at), mention.end, lexicon.possession.of, put))


def _possessed(text: str, mention: Mention, names: str, named: Collection[int], lexicon: Lexicon) -> Iterator[_Edit]:
    """ "Son chien" as "le chien de Luc", or "le chien" where `names` is empty: its owner is the subject."""
    move = mention.move
    if move is None or move.repair is None:
        return
    start, end, words = move.repair
    yield _Edit(start, end, words)
    if names:
        comma = "," if is_followed_by_name(mention, text, named) else ""
        yield _Edit(move.to, move.to, f" {move.preposition} {names}{comma}")


def _seated(text: str, reference: Reference, names: str, lexicon: Lexicon) -> _Edit:
    """The mention replaced by `names`, and the words that leaned on it put right: "dit-il", "s'il", "d'elle"."""
    mention = reference.mention
    start = mention.start
    if reference.members and mention.start == mention.end:
        return _Edit(start, start, names + (_UNSAID if lexicon.spaced else lexicon.unsaid.mark))
    if mention.kind != "pronoun" or not reference.members:
        return _Edit(start, mention.end, names)
    if turned := re.search(r"(?:-t)?[-\u2010]$", text[max(start - 3, 0) : start]):
        return _Edit(start - len(turned.group()), mention.end, f" {names}")
    elided = re.search(r"(\w+)['’]$", text[max(start - 12, 0) : start]) if lexicon.elisions else None
    if elided is None or (_opens_in_vowel(names) and fold(elided[1]) != "s"):
        return _Edit(start, mention.end, names)
    vowel = "i" if fold(elided[1]) == "s" else "e"
    return _Edit(start - 1, mention.end, f"{vowel} {names}")


def _applied(text: str, start: int, end: int, edits: Sequence[_Edit]) -> str:
    pieces, position = [], start
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end, edit.late)):
        pieces.append(text[position : edit.start])
        pieces.append(edit.words)
        position = max(position, edit.end)
    return re.sub(rf"{_UNSAID}(\w)", lambda first: f" {first[1].lower()}", "".join([*pieces, text[position:end]]))


def elided_in(words: str, lexicon: Lexicon) -> str:
    """French "de Anna" as "d'Anna"."""
    if not lexicon.elisions:
        return words
    short = re.compile(rf"\b({'|'.join(lexicon.elisions)})e (?=[aeiouâàéèêëîïôûAEIOUÂÀÉÈÊËÎÏÔÛ])", re.IGNORECASE)
    return short.sub(r"\1'", words)


def _opens_in_vowel(name: str) -> bool:
    return unicodedata.normalize("NFD", name[:1]).lower()[:1] in tuple("aeiou")


def _is_floating(text: str, before: Reference, after: Reference, lexicon: Lexicon) -> bool:
    """Whether `after` only says how many `before` were ("they were both tired")."""
    word, between = fold(text[after.mention.start : after.mention.end]), text[before.mention.end : after.mention.start]
    counts = word in lexicon.groups.both or word in lexicon.groups.all
    same = set(before.members) == set(after.members) and len(after.members) > 1
    return after.mention.kind == "group" and counts and same and not re.search(r"[^\w\s]", between)


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
    if not reference.members and reference.owners and lexicon.doing.get("owner"):
        whose = _genitive(join_names(reference.owners, cast, lexicon), lexicon)
        return whose + written[len(written.split()[0]) :]
    if not reference.members:
        return written
    names = join_names(reference.members, cast, lexicon)
    if mention.kind == "group" and fold(written).split()[-1] in lexicon.groups.sizes:
        return f"{written} ({names})"  # "the couple", whose verb is singular
    if not mention.owner:
        return names
    if mention.kind == "pronoun" and set(reference.members) <= set(subject) and lexicon.doing.get("own"):
        return lexicon.doing["own"]
    if not lexicon.spaced:
        return names  # the particle that says "of" follows in the text
    return _genitive(names, lexicon)


def _genitive(names: str, lexicon: Lexicon) -> str:
    apostrophe = lexicon.language == "de" and names.endswith(("s", "x", "z", "ß"))
    return names + ("'" if apostrophe else lexicon.doing.get("owner", ""))


def sentence(text: str) -> str:
    """`text` without loose punctuation at its ends, its first letter a capital."""
    text = re.sub(r"^[\s,;:.，、。：；—–-]+|[\s,;:，、：；—–-]+$", "", text)
    return text[:1].upper() + text[1:]


def upright(words: str, names: str, lexicon: Lexicon) -> str:
    """ "Said Ann with a smile", the rest of a sentence that began with what is said, as "Ann said with a smile"."""
    verbs = speech_verbs(lexicon, gestures=True).pattern
    turned = re.match(rf"(?P<verb>{verbs})\s+{re.escape(names)}(?!\w)", words, re.IGNORECASE) if names else None
    if turned is None or not lexicon.spaced:
        return words
    return f"{names} {turned['verb'].lower()}{words[turned.end() :]}"


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
