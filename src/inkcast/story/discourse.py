"""What a reader remembers of a story, and whom a pronoun or a group word means by gender, number and recency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from inkcast.story.lexicon import Gender, Lexicon
from inkcast.story.mentions import Mention
from inkcast.story.names import CastName

_MEMORY = 6  # units after which a member is no longer on the reader's mind
NEAR = 2  # units within which a group word looks for its members, and a rival makes a pronoun ambiguous


@dataclass(frozen=True)
class Reference:
    """A mention with its answer. `rivals` are other members it could mean; they make a warning, and so does `doubt`:
    it may mean nobody of the cast. `owners` are whose relative it is, where that one is outside the cast."""

    mention: Mention
    members: tuple[int, ...]
    subject: bool = False
    rivals: tuple[int, ...] = ()
    owners: tuple[int, ...] = ()
    doubt: bool = False


@dataclass
class Discourse:
    """What a reader remembers: when each member was last met, who acted last, which group was last together."""

    cast: Sequence[CastName]
    lexicon: Lexicon
    unit: int = 0
    seen: dict[int, tuple[int, int]] = field(default_factory=dict)  # member -> (unit, order of mention)
    subjects: tuple[int, ...] = ()
    group: tuple[int, ...] = ()
    pair: tuple[int, ...] = ()  # the last two who were named in one sentence, in the order of their names
    alone: bool = False
    speaker: int | None = None  # who spoke in the unit before, if it was a quotation
    stranger: tuple[Gender, ...] = ()  # somebody outside the cast who acted last
    strangers: dict[str, int] = field(default_factory=dict)  # "woman", and in which unit "a woman" came in
    relatives: dict[tuple[int, str], int] = field(default_factory=dict)  # whose "daughter" has which name

    def is_stranger(self, noun: str) -> bool:
        """Whether "the woman" goes back to "a woman", who is nobody of the cast."""
        return noun in self.strangers and self.unit - self.strangers[noun] <= _MEMORY

    def advance(self) -> None:
        self.unit += 1

    def note(self, members: Sequence[int]) -> None:
        order = max((when[1] for when in self.seen.values()), default=0)
        for step, member in enumerate(members, 1):
            self.seen[member] = (self.unit, order + step)

    def present(self) -> list[int]:
        """Members met lately, the latest first."""
        recent = [member for member in self.seen if self.age(member) <= _MEMORY]
        return sorted(recent, key=lambda member: self.seen[member], reverse=True)

    def age(self, member: int) -> int:
        return self.unit - self.seen[member][0]

    def fits(self, member: int, genders: Sequence[Gender]) -> bool:
        own = self.cast[member].gender
        return not genders or own is None or own in genders

    def known(self, member: int, genders: Sequence[Gender]) -> bool:
        return not genders or self.cast[member].gender in genders

    def one(
        self, genders: Sequence[Gender], excluded: Sequence[int], *, subject: bool
    ) -> tuple[int | None, tuple[int, ...]]:
        """The member a singular pronoun means, and the rivals that were about as likely."""
        open_to = [member for member in range(len(self.cast)) if member not in excluded]
        fitting = [m for m in open_to if self.known(m, genders)] or [m for m in open_to if self.fits(m, genders)]
        met = [member for member in self.present() if member in fitting]
        if not met:
            return (fitting[0], ()) if len(fitting) == 1 and "it" not in genders else (None, ())
        actors = [member for member in met if member in self.subjects and self.age(member) <= 1]
        if subject and self.speaker is not None and len(met) > 1:
            actors = [member for member in actors if member != self.speaker] or actors
        best = actors[0] if subject and actors else met[0]
        return best, tuple(m for m in met if m != best and self.age(m) <= NEAR)

    def many(self, size: int, genders: Sequence[Gender], excluded: Sequence[int] = ()) -> tuple[int, ...]:
        """The members a group word means: the last group together, else the last ones met; `size` 0 is any number."""
        met = [m for m in self.present() if m not in excluded and self.fits(m, genders)]
        people = [member for member in met if self.cast[member].gender != "it"]
        met = people if len(people) >= max(size, 2) else met
        grouped = [member for member in self.group if member in met]
        if size:
            chosen = grouped if len(grouped) == size and set(met[:size]) <= set(grouped) else met[:size]
            return self._in_order(chosen) if len(chosen) == size else ()
        if len(grouped) > 1 and {member for member in met if self.age(member) <= 1} == set(grouped):
            return self._in_order(grouped)
        latest = [member for member in met if self.age(member) <= NEAR]
        if len(grouped) > 1 and set(latest) <= set(grouped):
            return self._in_order(grouped)
        chosen = latest if len(latest) > 1 else met
        return self._in_order(chosen) if len(chosen) > 1 else ()

    def others(self, chosen: Sequence[int], genders: Sequence[Gender]) -> tuple[int, ...]:
        """Who else a group word with a number could mean: nobody if the chosen acted together last."""
        if len(chosen) < 2 or set(chosen) == set(self.group):
            return ()
        met = [m for m in self.present() if m not in chosen and self.fits(m, genders)]
        return self._in_order([m for m in met if self.cast[m].gender != "it"])

    def _in_order(self, members: Sequence[int]) -> tuple[int, ...]:
        return tuple(sorted(members))
