"""Whose turn it is: the speakers of quotations, by their tags or by the flow of the dialogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inkcast.story.discourse import Discourse, Reference
from inkcast.story.mentions import Mention
from inkcast.story.sentences import Unit
from inkcast.story.speech import Tag

FindMentions = Callable[[int, int], tuple[Mention, ...]]

NOBODY = "nobody of the cast seems to say this; the balloon has no speaker"


@dataclass
class Dialogue:
    """Who spoke last and to whom, over the units of one story."""

    units: Sequence[Unit]
    talk: Discourse
    mentions: FindMentions
    text: str
    speaker: tuple[int, ...] = ()
    listener: tuple[int, ...] = ()

    def speakers(
        self, number: int, tag: Tag | None, references: Sequence[Reference], called: Sequence[int]
    ) -> tuple[tuple[int, ...], str]:
        """The speakers of unit `number` (`called` are addressed in it), and what to warn of."""
        if tag and tag.speakers is not None:
            return tag.speakers, "" if tag.speakers else NOBODY
        if number and any(quote.runs_on for quote in self.units[number - 1].quotes[-1:]):
            return self.speaker, ""
        acting = tuple(dict.fromkeys(m for r in references if r.subject for m in r.members))
        if acting:
            return acting[:1], ""
        guess = self._said_later(number) or self._guess(number, (*called, *self._answers_next(number, called)))
        return guess, f"it is not said who speaks; taken: {self.talk.cast[guess[0]].name}" if guess else NOBODY

    def spoken(self, speakers: Sequence[int], listeners: Sequence[int]) -> None:
        """Remembers a turn; without listeners, whoever spoke before listens."""
        self.listener = tuple(listeners) or tuple(m for m in self.speaker if m not in speakers)
        self.speaker = tuple(speakers)
        self.talk.note(speakers)
        if speakers:
            self.talk.subjects = self.speaker
            self.talk.speaker = speakers[0]

    def _guess(self, number: int, others: Sequence[int]) -> tuple[int, ...]:
        """Who answers in a dialogue, else who acts right after the quotation or before it."""
        if number and self.units[number - 1].quotes and self._goes_on(number):
            return self.speaker[:1]
        if number and self.units[number - 1].quotes:
            answering = [m for m in (*self.listener, *self.talk.present()) if m not in (*self.speaker, *others)]
            if answering:
                return (answering[0],)
        before = [member for member in self.talk.subjects if member not in others]
        following = self._acts_next(number)
        if following and not set(following) & {*others, *before}:
            return following
        return tuple((before or [m for m in self.talk.present() if m not in others])[:1])

    def _said_later(self, number: int) -> tuple[int, ...]:
        """Who is named beside the last paragraph of a quotation that runs over several, the first being this unit."""
        while number + 1 < len(self.units) and any(quote.runs_on for quote in self.units[number].quotes[-1:]):
            number += 1
            narration = self.units[number].narration()
            named = [m for a, b in narration for m in self.mentions(a, b) if m.kind == "name" and not m.owner]
            if named:
                return named[0].members[:1]
        return ()

    def _goes_on(self, number: int) -> bool:
        """Whether the speaker before is led into more, in the same paragraph: 'And then: "…"'."""
        unit, before = self.units[number], self.units[number - 1]
        lead = self.text[unit.start : unit.quotes[0].start].rstrip()
        return unit.paragraph == before.paragraph and lead.endswith((":", "："))

    def _acts_next(self, number: int) -> tuple[int, ...]:
        """Who is named first in the next unit, if that is no quotation."""
        if number + 1 >= len(self.units) or self.units[number + 1].quotes:
            return ()
        unit = self.units[number + 1]
        named = [
            mention for mention in self.mentions(unit.start, unit.end) if mention.kind == "name" and not mention.owner
        ]
        return named[0].members[:1] if named else ()

    def _answers_next(self, number: int, called: Sequence[int]) -> tuple[int, ...]:
        """Who speaks in the next unit, if that is a tagged quotation and somebody else is there to speak now."""
        if number + 1 >= len(self.units) or not self.units[number + 1].quotes:
            return ()
        mentions = [m for a, b in self.units[number + 1].narration() for m in self.mentions(a, b) if not m.owner]
        if not mentions:
            return ()
        first, present = mentions[0], [member for member in self.talk.present() if member not in called]
        following = tuple(
            m for m in present if m in first.members or (first.genders and self.talk.known(m, first.genders))
        )
        return following if set(present) - set(following) else ()
