"""From units to panels: one panel per sentence or quotation, more where a long sentence holds several actions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from inkcast.story.clauses import cut_actions, find_clauses, leaves_subject_out, subject_before
from inkcast.story.clitics import find_clitics
from inkcast.story.describe import join_names, self_contained, sentence, upright, with_subject
from inkcast.story.dialogue import Dialogue
from inkcast.story.discourse import Discourse, Reference
from inkcast.story.lexicon import Lexicon, fold
from inkcast.story.mentions import Mention, NameFinder, find_groups, find_ordered, find_people
from inkcast.story.possessives import find_possessives
from inkcast.story.presence import visible
from inkcast.story.pronouns import find_pronouns
from inkcast.story.resolving import resolve
from inkcast.story.scenes import Scene
from inkcast.story.script import Line, LineKind, Panel, Presence
from inkcast.story.sentences import Unit, speech_verbs
from inkcast.story.speech import Tag, addressed, find_tag
from inkcast.story.unsaid import find_unsaid

_MERE_LEAD = 3  # words; a quotation led in by so few ("And then:") shows who speaks


@dataclass(frozen=True)
class Warning:
    """Something the parser had to choose: the sentence (empty: the whole story), what was unclear, the choice taken."""

    sentence: str
    message: str

    def __str__(self) -> str:
        return f"{self.message}: {self.sentence!r}" if self.sentence else self.message


@dataclass
class PanelMaker:
    """Reads the units of one story in order; `panels[i]` was made from `text[slice(*sources[i])]`."""

    text: str
    finder: NameFinder
    lexicon: Lexicon
    units: tuple[Unit, ...]
    panels: list[Panel] = field(default_factory=list)
    sources: list[tuple[int, int]] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)
    met: set[int] = field(default_factory=set)
    named: bool = False

    def __post_init__(self) -> None:
        self.cast = self.finder.cast
        self.scene = Scene()
        self.talk = Discourse(self.cast, self.lexicon)
        self.dialogue = Dialogue(self.units, self.talk, self._mentions, self.text)

    def make(self) -> None:
        for number, unit in enumerate(self.units):
            self.talk.advance()
            narration = unit.narration()
            mentions = tuple(mention for a, b in narration for mention in self._mentions(a, b))
            if not unit.quotes:
                unsaid = find_unsaid(self.text, unit.start, unit.end, mentions, self.lexicon)
                mentions = tuple(sorted((*mentions, *unsaid), key=lambda mention: (mention.start, mention.end)))
            references = resolve(self.text, mentions, find_clauses(self.text, narration, self.lexicon), self.talk)
            self.met.update(member for reference in references for member in reference.members)
            self.named |= any(mention.kind == "name" or mention.members for mention in mentions)
            self._warn_of_rivals(unit, references)
            if unit.quotes:
                self._spoken(number, unit, references)
            else:
                self.talk.speaker = None
                self._narrated(unit, references)

    def _mentions(self, start: int, end: int) -> tuple[Mention, ...]:
        """All mentions in the stretch, in order; of overlapping ones groups win over names, names over the rest."""
        found: list[Mention] = []
        _keep(found, self.finder.families(self.text, start, end))
        _keep(found, find_ordered(self.text, start, end, self.lexicon))
        _keep(found, find_groups(self.text, start, end, self.lexicon))
        _keep(found, self.finder.find(self.text, start, end))
        _keep(found, find_people(self.text, start, end, self.lexicon))
        _keep(found, find_clitics(self.text, start, end, found, self.lexicon))
        _keep(found, find_possessives(self.text, start, end, self.lexicon))
        _keep(found, find_pronouns(self.text, start, end, found, self.lexicon))
        return tuple(sorted(found, key=lambda mention: mention.start))

    def _warn(self, unit: Unit, message: str) -> None:
        if message:
            self.warnings.append(Warning(self.text[unit.start : unit.end], message))

    def _warn_of_rivals(self, unit: Unit, references: Sequence[Reference]) -> None:
        for reference in references:
            word = self.text[reference.mention.start : reference.mention.end]
            if reference.doubt:
                taken = join_names(reference.members, self.cast, self.lexicon)
                self._warn(unit, f"'{word}' may be nobody of the cast; taken: {taken}")
            if reference.rivals:
                others = " or ".join(self.cast[m].name for m in (*reference.members, *reference.rivals))
                taken = join_names(reference.members, self.cast, self.lexicon)
                what = f"'{word}'" if word else "who acts is not said; it"
                self._warn(unit, f"{what} could be {others}; taken: {taken}")

    def _narrated(self, unit: Unit, references: Sequence[Reference]) -> None:
        for start, end in cut_actions(self.text, unit.start, unit.end, references, self.lexicon):
            inside = [reference for reference in references if start <= reference.mention.start < end]
            acting = subject_before(references, start, unit.start)
            picture = sentence(self_contained(self.text, start, end, references, self.cast, self.lexicon))
            members = list(visible(self.text, inside, self.lexicon))
            if acting and leaves_subject_out(self.text, start, inside, self.lexicon):
                picture = with_subject(picture, join_names(acting, self.cast, self.lexicon), self.lexicon)
                members = list(dict.fromkeys([*acting, *members]))
            self.scene.enter(self.text[start:end], self.lexicon)
            self._add(start, end, picture, members, caption=self.text[start:end].strip())

    def _spoken(self, number: int, unit: Unit, references: Sequence[Reference]) -> None:
        tag = find_tag(self.text, unit, references, self.lexicon)
        called = self._called(unit)
        speakers, note = self.dialogue.speakers(number, tag, references, called)
        self._warn(unit, note)
        called = tuple(member for member in called if member not in speakers)
        shown = visible(self.text, references, self.lexicon)
        self.scene.enter(" ".join(self.text[a:b] for a, b in unit.narration()), self.lexicon)
        kind: LineKind = tag.kind if tag else "speech"
        picture, caption = self._told(unit, tag, references, speakers, kind)
        name = self.cast[speakers[0]].name if speakers else None
        lines = [Line(speaker=name, text=_said(quote.said(self.text)), kind=kind) for quote in unit.quotes]
        members = list(dict.fromkeys([*speakers, *shown, *called]))
        self._add(unit.start, unit.end, picture, members, caption=caption, lines=lines)
        self.dialogue.spoken(speakers, called or tuple(member for member in shown if member not in speakers))
        self.met.update(members)

    def _called(self, unit: Unit) -> tuple[int, ...]:
        """Members addressed by name inside the unit's quotations."""
        found: list[int] = []
        for quote in unit.quotes:
            names = [(m.members[0], m.start, m.end) for m in self.finder.find(self.text, quote.inner, quote.outer)]
            found += addressed(names, self.text, quote.inner, quote.outer)
        return tuple(dict.fromkeys(found))

    def _told(
        self, unit: Unit, tag: Tag | None, references: Sequence[Reference], speakers: Sequence[int], kind: LineKind
    ) -> tuple[str, str]:
        """The picture and the caption of a unit with quotations; a tag that only says who speaks is no caption."""
        pieces = [(a, b) for a, b in unit.narration() if re.search(r"\w", self.text[a:b])]
        told = [self_contained(self.text, a, b, references, self.cast, self.lexicon) for a, b in pieces]
        words = sentence(self.lexicon.joiner.join(_bare(part) for part in told))
        manner = self._manner(unit, tag, references, speakers)
        names = join_names(speakers, self.cast, self.lexicon) or (self._stranger(references) if manner == [] else "")
        words = upright(words, names, self.lexicon)
        if names and (not words or manner == [] or (not references and len(words.split()) <= _MERE_LEAD)):
            doing = self.lexicon.doing
            several = doing.get(f"{kind}-many", doing[kind]) if len(speakers) > 1 else doing[kind]
            words = f"{names}{self.lexicon.joiner}{several}"
        caption = " … ".join(_bare(self.text[a:b], ends="") for a, b in pieces) if manner is None else ""
        return words or self.text[unit.start : unit.end].strip(), sentence(caption) if caption else ""

    def _stranger(self, references: Sequence[Reference]) -> str:
        """Somebody outside the cast ("the old woman"), as the story says it."""
        kinds = ("person", "stranger")
        found = [r.mention for r in references if r.mention.kind in kinds and not r.members]
        return sentence(self.text[found[0].start : found[0].end]) if found else ""

    def _manner(
        self, unit: Unit, tag: Tag | None, references: Sequence[Reference], speakers: Sequence[int]
    ) -> list[str] | None:
        """The words of a mere tag besides speaker and verb ("softly", "Bo"); None where the narration says more."""
        if tag is None:
            return None
        covered = [(tag.start, tag.end), *((r.mention.start, r.mention.end) for r in references)]
        stretches = [i for a, b in unit.narration() for i in range(a, b)]
        if self.lexicon.spaced and len(unit.quotes) > 1:
            verbs = speech_verbs(self.lexicon, gestures=True)
            covered += [verb.span() for verb in verbs.finditer(fold(self.text), unit.start, unit.end)]
        left = "".join(" " if any(start <= i < end for start, end in covered) else self.text[i] for i in stretches)
        words = re.findall(r"\w+", fold(left))
        if not self.lexicon.spaced:
            left = "".join(words)
            manner = [sign for sign in left if sign not in self.lexicon.speech.particles]
            return manner if len(left) <= 2 and set(manner) <= set("".join(self.lexicon.speech.tagwords)) else None
        adverb = re.compile(self.lexicon.speech.adverb or r"(?!)")
        mere = len(words) <= 3 and all(word in self.lexicon.speech.tagwords or adverb.search(word) for word in words)
        others = [self.text[r.mention.start : r.mention.end] for r in references if set(r.members) - set(speakers)]
        return [*words, *others] if mere else None

    def _add(
        self, start: int, end: int, picture: str, members: Sequence[int], *, caption: str, lines: Sequence[Line] = ()
    ) -> None:
        panel = Panel(
            description=picture,
            characters=tuple(Presence(name=self.cast[member].name) for member in members),
            place=self.scene.place,
            time=self.scene.when,
            dialogue=tuple(lines),
            caption=caption,
        )
        self.panels.append(panel)
        self.sources.append((start, end))


def _said(words: str) -> str:
    return re.sub(r"[,，]+$", "", re.sub(r"\s+", " ", words))


def _bare(words: str, ends: str = ".。") -> str:
    """`words` without the blanks, commas and `ends` around them."""
    marks = re.escape(ends + ",，、")
    return re.sub(rf"^[\s{marks}]+|[\s{marks}]+$", "", words)


def _keep(found: list[Mention], more: Iterable[Mention]) -> None:
    for mention in more:
        if all(mention.end <= other.start or mention.start >= other.end for other in found):
            found.append(mention)
