"""The offline story parser: no model, no network.

A story becomes a `Script` by rules over the cast list. Each step is a module of its own: `quotes` (what is said),
`sentences` (units), `mentions` (who is spoken of), `discourse` (who "she" is), `speech` (who says it), `scenes` (where and
when), `clauses` (single actions), `describe` (pictures in words that stand alone).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from inkcast.errors import StoryError
from inkcast.story.clauses import cut_actions, find_clauses, subject_before
from inkcast.story.describe import join_names, self_contained, sentence
from inkcast.story.discourse import Discourse, Reference, resolve
from inkcast.story.lexicon import Lexicon, alternation, detect_language, fold, load_lexicon
from inkcast.story.mentions import Mention, NameFinder, find_groups, find_people
from inkcast.story.names import CastName, check_cast
from inkcast.story.pronouns import find_clitics, find_pronouns
from inkcast.story.quotes import find_quotes
from inkcast.story.scenes import find_place, find_time
from inkcast.story.script import Line, LineKind, Panel, Presence, Script
from inkcast.story.sentences import Unit, find_units, speech_verbs
from inkcast.story.speech import Tag, addressed, find_tag

__all__ = ["CastName", "ParsedStory", "Warning", "parse_story"]

LONGEST_STORY = 400_000


@dataclass(frozen=True)
class Warning:
    """Something the parser had to choose: the sentence, what was unclear, and the choice taken."""

    sentence: str
    message: str

    def __str__(self) -> str:
        return f"{self.message}: {self.sentence!r}"


@dataclass(frozen=True)
class ParsedStory:
    """`sources[i]` is the stretch of the story panel i was made from; together they are the whole story."""

    script: Script
    warnings: tuple[Warning, ...] = ()
    sources: tuple[tuple[int, int], ...] = ()
    text: str = ""


@dataclass
class _Scene:
    place: str = ""
    time: str = ""
    weather: str = ""

    def enter(self, text: str, lexicon: Lexicon) -> None:
        time, weather = find_time(text, lexicon)
        place = find_place(text, lexicon, anywhere=not self.place)
        if place and place != self.place:
            self.place = place
        self.time = time or self.time
        if weather or time:
            self.weather = weather

    @property
    def when(self) -> str:
        return ", ".join(part for part in (self.time, self.weather) if part)


@dataclass
class _Talk:
    """Who spoke last, and to whom: what an untagged quotation is answered from."""

    speaker: tuple[int, ...] = ()
    listener: tuple[int, ...] = ()


@dataclass
class _Parser:
    text: str
    finder: NameFinder
    lexicon: Lexicon
    units: tuple[Unit, ...]
    talk: Discourse
    scene: _Scene = field(default_factory=_Scene)
    turn: _Talk = field(default_factory=_Talk)
    panels: list[Panel] = field(default_factory=list)
    sources: list[tuple[int, int]] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)
    met: set[int] = field(default_factory=set)

    @property
    def cast(self) -> tuple[CastName, ...]:
        return self.finder.cast

    def parse(self) -> None:
        for number, unit in enumerate(self.units):
            self.talk.advance()
            narration = unit.narration()
            mentions = tuple(mention for a, b in narration for mention in self._mentions(a, b))
            references = resolve(self.text, mentions, find_clauses(self.text, narration, self.lexicon), self.talk)
            self.met.update(member for reference in references for member in reference.members)
            self._warn(unit, references)
            if unit.quotes:
                self._spoken(number, unit, references)
            else:
                self.talk.speaker = None
                self._narrated(unit, references)

    def _mentions(self, start: int, end: int) -> tuple[Mention, ...]:
        """All mentions in the stretch, in order, none overlapping another; names win over words."""
        found: list[Mention] = []
        for look in (find_groups, find_people, find_pronouns, find_clitics):
            if look is find_people:
                _keep(found, self.finder.find(self.text, start, end))
            if look in (find_groups, find_people):
                _keep(found, look(self.text, start, end, self.lexicon))
            else:
                _keep(found, look(self.text, start, end, found, self.lexicon))
        return tuple(sorted(found, key=lambda mention: mention.start))

    def _warn(self, unit: Unit, references: Sequence[Reference]) -> None:
        said = self.text[unit.start : unit.end]
        for reference in references:
            if not reference.rivals:
                continue
            word = self.text[reference.mention.start : reference.mention.end]
            others = " or ".join(self.cast[m].name for m in (*reference.members, *reference.rivals))
            taken = join_names(reference.members, self.cast, self.lexicon)
            self.warnings.append(Warning(said, f"'{word}' could be {others}; taken: {taken}"))

    def _narrated(self, unit: Unit, references: Sequence[Reference]) -> None:
        for start, end in cut_actions(self.text, unit.start, unit.end, references, self.lexicon):
            inside = [reference for reference in references if start <= reference.mention.start < end]
            acting = subject_before(references, start, unit.start)
            opened = any(reference.subject for reference in inside)
            picture = sentence(self_contained(self.text, start, end, references, self.cast, self.lexicon))
            members = list(self._visible(inside))
            if start > unit.start and acting and not opened:
                picture = _with_subject(picture, join_names(acting, self.cast, self.lexicon), self.lexicon)
                members = list(dict.fromkeys([*acting, *members]))
            self.scene.enter(self.text[start:end], self.lexicon)
            self._add(start, end, picture, members, caption=self.text[start:end].strip())

    def _spoken(self, number: int, unit: Unit, references: Sequence[Reference]) -> None:
        tag = find_tag(self.text, unit, references, self.lexicon)
        names = [
            [
                (m, mention.start, mention.end)
                for mention in self.finder.find(self.text, q.inner, q.outer)
                for m in mention.members[:1]
            ]
            for q in unit.quotes
        ]
        called = tuple(
            member
            for quote, named in zip(unit.quotes, names, strict=True)
            for member in addressed(named, self.text, quote.inner, quote.outer)
        )
        speakers = self._speakers(number, unit, tag, references, called)
        called = tuple(member for member in dict.fromkeys(called) if member not in speakers)
        kind: LineKind = tag.kind if tag else "speech"
        lines = [self._line(quote.said(self.text), speakers, kind) for quote in unit.quotes]
        told = " … ".join(filter(None, (self.text[a:b].strip(" \t\n,,、") for a, b in unit.narration())))
        bare = tag is not None and self._is_bare(unit, tag, references)
        members = list(dict.fromkeys([*speakers, *self._visible(references), *called]))
        place_text = " ".join(self.text[a:b] for a, b in unit.narration())
        self.scene.enter(place_text, self.lexicon)
        picture = self._picture(unit, references, speakers, kind, bare)
        caption = "" if bare or not re.search(r"\w", told) else sentence(told)
        self._add(unit.start, unit.end, picture, members, caption=caption, lines=lines)
        listeners = called or tuple(m for m in self._visible(references) if m not in speakers)
        self.turn = _Talk(speakers, listeners or tuple(m for m in self.turn.speaker if m not in speakers))
        self.talk.note(speakers)
        self.met.update(speakers)
        if speakers:
            self.talk.subjects = tuple(speakers)
            self.talk.speaker = speakers[0]

    def _line(self, said: str, speakers: Sequence[int], kind: LineKind) -> Line:
        speaker = self.cast[speakers[0]].name if speakers else None
        return Line(speaker=speaker, text=re.sub(r"\s+", " ", said).rstrip(",,"), kind=kind)

    def _speakers(
        self, number: int, unit: Unit, tag: Tag | None, references: Sequence[Reference], called: Sequence[int]
    ) -> tuple[int, ...]:
        if tag and tag.speakers is not None:
            if not tag.speakers:
                self.warnings.append(
                    Warning(
                        self.text[unit.start : unit.end],
                        "nobody of the cast seems to say this; the balloon has no speaker",
                    )
                )
            return tag.speakers
        acting = tuple(dict.fromkeys(m for r in references if r.subject for m in r.members))
        if acting:
            return acting[:1]
        guess = self._guess(number, called)
        if guess:
            name = self.cast[guess[0]].name
            self.warnings.append(Warning(self.text[unit.start : unit.end], f"it is not said who speaks; taken: {name}"))
        return guess

    def _guess(self, number: int, called: Sequence[int]) -> tuple[int, ...]:
        """The speaker of an untagged quotation: who answers in a dialogue, else whoever acts right after or before it."""
        called = (*called, *self._answers_next(number, called))
        if number and self.units[number - 1].quotes:
            answering = [
                m for m in (*self.turn.listener, *self.talk.present()) if m not in self.turn.speaker and m not in called
            ]
            if answering:
                return (answering[0],)
        before = [m for m in self.talk.subjects if m not in called]
        if number + 1 < len(self.units) and not self.units[number + 1].quotes:
            following = self.units[number + 1]
            named = [m.members[0] for m in self.finder.find(self.text, following.start, following.end) if not m.owner]
            if named and named[0] not in called and named[0] not in before:
                return (named[0],)
        if before:
            return (before[0],)
        present = [m for m in self.talk.present() if m not in called]
        return (present[0],) if present else ()

    def _answers_next(self, number: int, called: Sequence[int]) -> tuple[int, ...]:
        """Who speaks in the next unit, if that is a tagged quotation and somebody else is there to speak now."""
        if number + 1 >= len(self.units) or not self.units[number + 1].quotes:
            return ()
        mentions = [m for a, b in self.units[number + 1].narration() for m in self._mentions(a, b) if not m.owner]
        if not mentions:
            return ()
        first, present = mentions[0], [m for m in self.talk.present() if m not in called]
        next_ones = tuple(
            m for m in present if m in first.members or (first.genders and self.talk.known(m, first.genders))
        )
        return next_ones if set(present) - set(next_ones) else ()

    def _is_bare(self, unit: Unit, tag: Tag, references: Sequence[Reference]) -> bool:
        """Whether the narration only says who speaks: a speaker, a speech verb, perhaps how and to whom."""
        covered = {position for r in references for position in range(r.mention.start, r.mention.end)}
        covered |= set(range(tag.start, tag.end))
        left = "".join(self.text[i] if i not in covered else " " for a, b in unit.narration() for i in range(a, b))
        words = re.findall(r"\w+", fold(left))
        adverb = re.compile(self.lexicon.speech.adverb) if self.lexicon.speech.adverb else None
        if not self.lexicon.spaced:
            return len("".join(words)) <= 2
        return len(words) <= 2 and all(
            w in self.lexicon.speech.tagwords or (adverb and adverb.search(w)) for w in words
        )

    def _picture(
        self, unit: Unit, references: Sequence[Reference], speakers: Sequence[int], kind: LineKind, bare: bool
    ) -> str:
        names = join_names(speakers, self.cast, self.lexicon)
        told = [self_contained(self.text, a, b, references, self.cast, self.lexicon) for a, b in unit.narration()]
        words = sentence(self.lexicon.joiner.join(part.strip(" ,.,。、") for part in told if re.search(r"\w", part)))
        if (bare or not words) and names:
            return f"{names}{self.lexicon.joiner}{self.lexicon.doing[kind]}"
        return words or self.text[unit.start : unit.end].strip()

    def _visible(self, references: Sequence[Reference]) -> tuple[int, ...]:
        """The members the references put into the picture, in order."""
        absent = set()
        seen: dict[int, None] = {}
        for reference in references:
            mention = reference.mention
            if self._is_absent(mention):
                absent.update(reference.members)
                continue
            if mention.owner and not self._owns_body(mention):
                continue
            seen.update(dict.fromkeys(reference.members))
        return tuple(member for member in seen if member not in absent)

    def _owns_body(self, mention: Mention) -> bool:
        after = fold(self.text[mention.end : mention.end + 40])
        if self.lexicon.spaced:
            words = re.findall(r"\w+", after)[:3]
            return any(word in self.lexicon.absent.bodies for word in words)
        return any(after[1:].startswith(body) or after.startswith(body) for body in self.lexicon.absent.bodies)

    def _is_absent(self, mention: Mention) -> bool:
        folded = fold(self.text)
        before = "|".join(self.lexicon.absent.before) or r"(?!)"
        if re.search(rf"(?:{before})\s*$", folded[max(mention.start - 40, 0) : mention.start]):
            return True
        after = "|".join(self.lexicon.absent.after) or r"(?!)"
        return bool(re.match(rf"\s*(?:{after})", folded[mention.end : mention.end + 60]))

    def _add(
        self, start: int, end: int, picture: str, members: Sequence[int], *, caption: str, lines: Sequence[Line] = ()
    ) -> None:
        self.panels.append(
            Panel(
                description=picture,
                characters=tuple(Presence(name=self.cast[member].name) for member in members),
                place=self.scene.place,
                time=self.scene.when,
                dialogue=tuple(lines),
                caption=caption,
            )
        )
        self.sources.append((start, end))


def _keep(found: list[Mention], more: Iterable[Mention]) -> None:
    for mention in more:
        if all(mention.end <= other.start or mention.start >= other.end for other in found):
            found.append(mention)


def _with_subject(picture: str, names: str, lexicon: Lexicon) -> str:
    words = picture.split(" ")
    while words and fold(words[0]) in {word for phrase in lexicon.split.connectors for word in phrase.split()}:
        words = words[1:]
    rest = lexicon.joiner.join(words) if lexicon.spaced else picture
    return f"{names}{lexicon.joiner}{rest[:1].lower()}{rest[1:]}"


def clean_story(text: str) -> str:
    """`text` in composed characters and plain line ends. Raises StoryError where it is empty, too long or no text."""
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    if not re.search(r"\w", text):
        raise StoryError("the story is empty: write at least one sentence")
    if "\0" in text:
        raise StoryError("the story is not text: it contains a null character; save it as plain text in UTF-8")
    if len(text) > LONGEST_STORY:
        raise StoryError(f"the story has {len(text)} characters, more than {LONGEST_STORY}: split it into chapters")
    return text


def parse_story(text: str, cast: Sequence[CastName], *, language: str | None = None) -> ParsedStory:
    """Turns `text` into a script in which only members of `cast` are characters.

    One sentence makes one panel; long sentences are split into single actions; a panel's caption is the story's own text
    without its quotations, which become balloons. `language` (one of `LANGUAGES`) is guessed when absent.

    Raises:
        StoryError: the story is empty, too long, or names nobody of the cast.
        CastError: a cast name is empty, too long or there twice.
    """
    check_cast(cast)
    text = clean_story(text)
    lexicon = load_lexicon(language or detect_language(text))
    quotes, unclosed = find_quotes(text, speech_verbs(lexicon).pattern)
    units = find_units(text, quotes, lexicon)
    finder = NameFinder(cast, lexicon)
    parser = _Parser(text, finder, lexicon, units, Discourse(cast, lexicon))
    for position in unclosed:
        parser.warnings.append(
            Warning(
                text[position : position + 60], "a quotation is opened but not closed; read to the end of its paragraph"
            )
        )
    parser.parse()
    if cast and not parser.met:
        names = ", ".join(member.name for member in cast[:6])
        raise StoryError(f"the story names nobody of the cast ({names}): use their names in it, or another cast")
    for index, member in enumerate(cast):
        if index not in parser.met:
            parser.warnings.append(Warning("", f"{member.name} does not appear in the story"))
    return ParsedStory(Script(panels=tuple(parser.panels)), tuple(parser.warnings), tuple(parser.sources), text)
