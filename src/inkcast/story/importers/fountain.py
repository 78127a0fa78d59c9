"""Fountain screenplays (fountain.io): scene headings become places and times, cues balloons, action pictures.

The screenplay is written out as prose for the offline parser, so that pronouns in the action resolve; what the
screenplay says outright (who speaks, how, where) then replaces what the parser would have guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inkcast.errors import StoryError
from inkcast.story.importers.fountain_text import Element, parse_fountain
from inkcast.story.lexicon import Lexicon, detect_language, load_lexicon
from inkcast.story.mentions import NameFinder
from inkcast.story.names import CastName, check_cast
from inkcast.story.parser import ParsedStory, Warning, clean_story, parse_story
from inkcast.story.script import Line, LineKind, Panel, Presence, Script

_TONES: dict[LineKind, tuple[str, ...]] = {
    "whisper": (
        "whisper",
        "quiet",
        "sotto",
        "under his breath",
        "under her breath",
        "murmur",
        "flüster",
        "chuchot",
        "susurr",
    ),
    "shout": ("shout", "yell", "scream", "loud", "call", "cry", "schrei", "ruf", "crie", "grita"),
    "thought": ("think", "to himself", "to herself", "thought", "denk", "pens"),
}


@dataclass(frozen=True)
class _Part:
    """A paragraph of the prose, and the element it was made from (with the heading it stands under)."""

    prose: str
    element: Element
    place: str
    time: str


def import_fountain(text: str, cast: Sequence[CastName] = (), *, language: str | None = None) -> ParsedStory:
    """One panel per sentence of action and per speech; the two speeches of a dual dialogue share a panel.

    Without a `cast`, the cast is everybody who has a cue. Notes are left out, each with a warning.

    Raises:
        StoryError: no action and no dialogue in it, or nobody of the cast.
    """
    check_cast(cast)
    screenplay = parse_fountain(clean_story(text))
    if not any(element.kind in ("action", "speech") for element in screenplay.elements):
        raise StoryError("the screenplay has neither action nor dialogue: is this a Fountain file?")
    members = tuple(cast) or _cued(screenplay.elements)
    lexicon = load_lexicon(language or detect_language(text))
    finder = NameFinder(members, lexicon)
    parts = tuple(_parts(screenplay.elements, finder, lexicon))
    parsed = parse_story("\n\n".join(part.prose for part in parts), members, language=lexicon.language)
    notes = tuple(Warning(note, "a note of the screenplay is left out") for note in screenplay.notes)
    panels = tuple(_merge_dual(_panels(parsed, parts, finder)))
    return ParsedStory(Script(title=screenplay.title, panels=panels), (*notes, *parsed.warnings))


def _cued(elements: Sequence[Element]) -> tuple[CastName, ...]:
    cues = dict.fromkeys(element.cue for element in elements if element.kind == "speech")
    return tuple(CastName(cue.title() if cue.isupper() else cue) for cue in cues)


def _parts(elements: Sequence[Element], finder: NameFinder, lexicon: Lexicon) -> Iterator[_Part]:
    place = time = ""
    for element in elements:
        if element.kind == "heading":
            place, time = _lower(element.text, finder), element.time.lower()
            continue
        prose = element.text
        if element.kind == "speech":
            said = re.sub(r'["“”„«»「」]', "'", " ".join(element.text.split()))
            prose = lexicon.speech.tagged.format(text=said, name=_name(element.cue, finder))
        yield _Part(prose, element, place, time)


def _lower(place: str, finder: NameFinder) -> str:
    """A heading's place in small letters, but for the names of the cast."""
    names = {word.lower(): word for member in finder.cast for word in member.name.split()}
    return re.sub(r"\w+", lambda match: names.get(match.group().lower(), match.group().lower()), place)


def _name(cue: str, finder: NameFinder) -> str:
    """The cast member a cue names, else the cue itself."""
    for written in (cue, cue.title()):
        found = [mention for mention in finder.find(written, 0, len(written)) if len(mention.members) == 1]
        if found:
            return finder.cast[found[0].members[0]].name
    return cue.title() if cue.isupper() else cue


def _panels(parsed: ParsedStory, parts: Sequence[_Part], finder: NameFinder) -> Iterator[tuple[Panel, Element]]:
    edges, position = [], 0
    for part in parts:
        edges.append((position, position + len(part.prose)))
        position += len(part.prose) + 2
    said: set[int] = set()
    before = Panel(description="-")
    for panel, (start, _) in zip(parsed.script.panels, parsed.sources, strict=True):
        index = next(i for i, (a, b) in enumerate(edges) if a <= start < b)
        part = parts[index]
        panel = panel.model_copy(update={"place": part.place or panel.place, "time": part.time or panel.time})
        if part.element.kind == "speech":
            if index in said:
                continue
            said.add(index)
            panel = _spoken(panel, part.element, finder, before)
        before = panel
        yield panel, part.element


def _spoken(panel: Panel, element: Element, finder: NameFinder, before: Panel) -> Panel:
    name = _name(element.cue, finder)
    in_cast = any(member.name == name for member in finder.cast)
    kind = _kind(element)
    line = Line(speaker=name if in_cast else None, text=" ".join(element.text.split()), kind=kind)
    others = tuple(presence for presence in panel.characters if presence.name != name)
    speaker = (Presence(name=name, action=element.manner),) if in_cast and kind != "off-panel" else ()
    said = {"dialogue": (line,), "characters": (*speaker, *others), "caption": ""}
    if kind == "off-panel":
        listening = before.characters if before.place == panel.place else ()
        said["characters"] = tuple(p for p in listening if p.name != name)
        said["description"] = before.description if said["characters"] else panel.place or panel.description
    return panel.model_copy(update=said)


def _kind(element: Element) -> LineKind:
    if re.search(r"\b(?:V\.?\s?O|O\.?\s?S|O\.?\s?C|OFF)\b", element.extension.upper()):
        return "off-panel"
    manner = element.manner.lower()
    return next((kind for kind, words in _TONES.items() if any(word in manner for word in words)), "speech")


def _merge_dual(panels: Iterator[tuple[Panel, Element]]) -> Iterator[Panel]:
    """Puts the second speech of a dual dialogue into the panel of the first."""
    waiting: Panel | None = None
    for panel, element in panels:
        if waiting is not None and element.kind == "speech" and element.dual:
            present = {presence.name: presence for presence in (*waiting.characters, *panel.characters)}
            waiting = waiting.model_copy(
                update={
                    "description": ", ".join(dict.fromkeys([waiting.description, panel.description])),
                    "characters": tuple(present.values()),
                    "dialogue": (*waiting.dialogue, *panel.dialogue),
                }
            )
            continue
        if waiting is not None:
            yield waiting
        waiting = panel
    if waiting is not None:
        yield waiting
