"""Who "she" is: pronouns, group words and ambiguous names resolved by gender, number, sentence structure and recency."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from inkcast.story.lexicon import Gender, Lexicon
from inkcast.story.mentions import Mention
from inkcast.story.names import CastName

_MEMORY = 6  # units after which a member is no longer on the reader's mind


@dataclass(frozen=True)
class Reference:
    """A mention with its answer. `rivals` are other members it could mean; they make a warning."""

    mention: Mention
    members: tuple[int, ...]
    subject: bool = False
    rivals: tuple[int, ...] = ()


@dataclass
class Discourse:
    """What a reader remembers: when each member was last met, who acted last, which group was last together."""

    cast: Sequence[CastName]
    lexicon: Lexicon
    clock: float = 0.0
    seen: dict[int, float] = field(default_factory=dict)
    subjects: tuple[int, ...] = ()
    group: tuple[int, ...] = ()
    alone: bool = False

    def advance(self) -> None:
        self.clock = float(int(self.clock) + 1)

    def note(self, members: Sequence[int]) -> None:
        self.clock += 0.001
        for member in members:
            self.seen[member] = self.clock
        if len(members) > 1:
            self.group = tuple(members)

    def present(self) -> list[int]:
        """Members met lately, the latest first."""
        recent = [member for member, when in self.seen.items() if int(self.clock) - int(when) <= _MEMORY]
        return sorted(recent, key=lambda member: -self.seen[member])

    def fits(self, member: int, gender: Gender | None) -> bool:
        own = self.cast[member].gender
        return gender is None or own is None or own == gender

    def known(self, member: int, gender: Gender | None) -> bool:
        return gender is None or self.cast[member].gender == gender

    def one(
        self, gender: Gender | None, excluded: Sequence[int], *, subject: bool
    ) -> tuple[int | None, tuple[int, ...]]:
        """The member a singular pronoun of `gender` means, and the rivals that were about as likely."""
        open_to = [member for member in range(len(self.cast)) if member not in excluded]
        fitting = [m for m in open_to if self.known(m, gender)] or [m for m in open_to if self.fits(m, gender)]
        met = [member for member in self.present() if member in fitting]
        if not met:
            return (fitting[0], ()) if len(fitting) == 1 and gender != "it" else (None, ())
        actors = [member for member in met if member in self.subjects]
        best = actors[0] if subject and actors and int(self.clock) - int(self.seen[actors[0]]) <= 1 else met[0]
        near = [m for m in met if m != best and int(self.clock) - int(self.seen[m]) <= 2]
        return best, tuple(near)

    def many(self, size: int, gender: Gender | None, excluded: Sequence[int] = ()) -> tuple[int, ...]:
        """The members a group word means: the last group together, else the last ones met; `size` 0 is any number."""
        met = [m for m in self.present() if m not in excluded and (gender is None or self.fits(m, gender))]
        people = [member for member in met if self.cast[member].gender != "it"]
        if len(people) >= max(size, 2):
            met = people
        latest = [member for member in met if int(self.clock) - int(self.seen[member]) <= 2]
        grouped = [member for member in self.group if member in met]
        if size:
            if len(grouped) == size and set(met[:size]) <= set(grouped):
                return tuple(grouped)
            return tuple(sorted(met[:size], key=lambda member: self.seen[member])) if len(met) >= size else ()
        outside = [member for member in latest if member not in grouped]
        if len(grouped) > 1 and not outside:
            return tuple(grouped)
        chosen = latest if len(latest) > 1 else met
        chosen = list(dict.fromkeys([*chosen, *(grouped if set(chosen) & set(grouped) else ())]))
        return tuple(sorted(chosen, key=lambda member: self.seen[member])) if len(chosen) > 1 else ()


def resolve(
    text: str, mentions: Sequence[Mention], clauses: Sequence[tuple[int, int]], talk: Discourse
) -> tuple[Reference, ...]:
    """Answers the mentions of one unit in order and lets `talk` remember them."""
    references: list[Reference] = []
    subject: tuple[int, ...] = ()
    first_subject: tuple[int, ...] = ()
    for clause in clauses:
        own_subject: tuple[int, ...] = ()
        inside = [mention for mention in mentions if clause[0] <= mention.start < clause[1]]
        for position, mention in enumerate(inside):
            later = {
                m for other in inside[position + 1 :] if other.kind == "name" and not other.owner for m in other.members
            }
            acting = own_subject or subject
            reference = _resolve_one(mention, acting, own_subject, tuple(later), talk)
            if (
                reference.members
                and not mention.owner
                and mention.role not in ("reflexive",)
                and not own_subject
                and (mention.role != "object")
            ):
                own_subject = reference.members
                reference = Reference(mention, reference.members, True, reference.rivals)
            elif (
                own_subject
                and references
                and references[-1].subject
                and _coordinated(text, references[-1].mention.end, mention.start, talk.lexicon)
            ):
                own_subject = (*own_subject, *(m for m in reference.members if m not in own_subject))
                reference = Reference(mention, reference.members, True, reference.rivals)
            references.append(reference)
            talk.note(reference.members)
        if own_subject:
            subject = own_subject
            first_subject = first_subject or own_subject
            if len(own_subject) > 1:
                talk.group = own_subject
    if first_subject:
        talk.subjects = subject
        talk.alone = len({m for reference in references for m in reference.members}) == 1
    return tuple(references)


def _resolve_one(
    mention: Mention, acting: tuple[int, ...], own_subject: tuple[int, ...], later: tuple[int, ...], talk: Discourse
) -> Reference:
    if mention.kind == "name":
        if len(mention.members) == 1:
            return Reference(mention, mention.members)
        met = [member for member in talk.present() if member in mention.members]
        best = met[0] if met else mention.members[0]
        return Reference(mention, (best,), rivals=tuple(m for m in mention.members if m != best))
    if mention.kind == "group":
        return Reference(mention, talk.many(mention.size, mention.gender))
    if mention.kind == "kin":
        owner = acting[0] if acting else (talk.present() or [None])[0]
        relatives = [m for m in _relatives(owner, talk) if talk.known(m, mention.gender)]
        return Reference(mention, (relatives[0],) if relatives else ())
    if mention.gender == "they":
        return _resolve_they(mention, acting, own_subject, talk)
    if mention.role == "reflexive" or (mention.role == "possessive" and acting):
        own = [member for member in acting if talk.known(member, mention.gender)]
        if own or mention.role == "reflexive":
            return Reference(mention, tuple(own[:1]))
    if mention.gender == "it" and mention.kind == "pronoun" and mention.role == "object":
        return Reference(mention, ())
    excluded = (*later, *(acting if mention.role == "object" else own_subject if mention.kind == "person" else ()))
    best, rivals = talk.one(mention.gender, excluded, subject=mention.role == "subject" or not own_subject)
    return Reference(mention, () if best is None else (best,), rivals=rivals)


def _resolve_they(
    mention: Mention, acting: tuple[int, ...], own_subject: tuple[int, ...], talk: Discourse
) -> Reference:
    singular = [m for m in talk.present() if talk.cast[m].gender == "they"]
    if mention.role in ("possessive", "reflexive") and acting:
        if len(acting) > 1 or talk.cast[acting[0]].gender == "they":
            return Reference(mention, acting)
    if singular and talk.alone and talk.subjects == (singular[0],) and mention.role != "object":
        return Reference(mention, (singular[0],))
    excluded = acting if mention.role == "object" else ()
    return Reference(mention, talk.many(0, None, excluded))


def _relatives(owner: int | None, talk: Discourse) -> list[int]:
    """Members who can be somebody's sister or uncle: others of the same surname first, then others met lately."""
    others = [member for member in talk.present() if member != owner]
    if owner is None:
        return others
    surname = talk.cast[owner].name.split()[-1]
    family = [m for m, c in enumerate(talk.cast) if m != owner and c.name.split()[-1] == surname]
    return [*family, *(member for member in others if member not in family)]


def _coordinated(text: str, start: int, end: int, lexicon: Lexicon) -> bool:
    between = text[start:end].strip().lower()
    return between in {
        lexicon.conjunction,
        ",",
        "、",
        "&",
        "or",
        f", {lexicon.conjunction}",
        "und",
        "et",
        "y",
        "e",
        "和",
        "与",
        "跟",
        "と",
    }


def find_clauses(text: str, spans: Sequence[tuple[int, int]], lexicon: Lexicon) -> tuple[tuple[int, int], ...]:
    """The stretches in which a pronoun cannot mean the subject it is the object of."""
    breaks = r"[;:,;,]\s*|\s+(?:and|but|while|when|as|because|und|aber|et|mais|y|pero)\s+"
    clauses: list[tuple[int, int]] = []
    for start, end in spans:
        edges = [start, *(match.end() for match in re.finditer(breaks, text[start:end])), end]
        edges = [start, *(start + match.end() for match in re.finditer(breaks, text[start:end])), end]
        clauses.extend((a, b) for a, b in zip(edges, edges[1:], strict=False) if a < b)
    return tuple(clauses)
