"""A story as a script, checked against its cast."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inkcast.cast.character import Character
from inkcast.cast.names import name_key
from inkcast.drawing.panel_settings import check_settings
from inkcast.errors import CastError, StoryError
from inkcast.files import shown
from inkcast.images import open_picture
from inkcast.story.parser import CastName, parse_story
from inkcast.story.script import Script
from inkcast.story.script_file import script_line


def as_script(story: str | Script, cast: Sequence[Character], engine: str = "") -> tuple[Script, tuple[str, ...]]:
    """The script of a story, and what the parser had to choose; `engine` is the one that will draw, if it is chosen.

    Raises:
        CastError: two characters share a name.
        StoryError: nobody of the cast is in the story, or a script names somebody who is not in the cast.
        SettingError: a panel sets what no engine knows, or names nobody in it.
    """
    known = check_names(cast)
    if isinstance(story, Script):
        script, notes = story, tuple[str, ...]()
    else:
        parsed = parse_story(story, [CastName(one.name, one.pronouns, one.aliases) for one in cast])
        script, notes = parsed.script, tuple(str(warning) for warning in parsed.warnings)
    if not script.panels:
        raise StoryError("the script has no panel: describe at least one under  panels")
    for stranger in strangers(script, known):
        if stranger.drawn:
            raise StoryError(f"panel {stranger.panel + 1} shows {stranger.told}")
    if cast and not any(panel.characters for panel in script.panels):
        names = ", ".join(character.name for character in cast)
        raise StoryError(f"the story names nobody of the cast ({names}): use these names in it")
    check_settings(script, cast, engine)
    return script, notes


@dataclass(frozen=True)
class Stranger:
    """A name in a script that nobody of the cast has: of somebody to be `drawn`, or of a speaker. `where` leads to it
    in the document; `close` is a name of the cast that is much like it."""

    name: str
    panel: int
    drawn: bool
    where: tuple[str | int, ...]
    close: str

    @property
    def told(self) -> str:
        more = "add them (--cast NAME=PICTURE; in the studio, tick them)"
        advice = f"did you mean {shown(self.close)}?" if self.close else more
        return f"{shown(self.name)}, who is not in the cast: {advice}"


def strangers(script: Script, known: Mapping[str, Character]) -> Iterator[Stranger]:
    """`known` is the cast by `name_key`."""
    names = [character.name for character in known.values()]

    def stranger(name: str, number: int, drawn: bool, *where: str | int) -> Iterator[Stranger]:
        if name_key(name) not in known:
            close = difflib.get_close_matches(name, names, n=1)
            yield Stranger(name, number, drawn, ("panels", number, *where), close[0] if close else "")

    for number, panel in enumerate(script.panels):
        for index, presence in enumerate(panel.characters):
            yield from stranger(presence.name, number, True, "characters", index)
        for index, line in enumerate(panel.dialogue):
            if line.speaker:
                yield from stranger(line.speaker, number, False, "dialogue", index)


def check_people(script: Script, cast: Sequence[Character], source: Path) -> tuple[str, ...]:
    """Notes on speakers who are nobody of the cast; raises StoryError, with the line of the file `source`, where the
    script shows somebody who is not."""
    notes = []
    for stranger in strangers(script, check_names(cast)):
        line = f"{shown(source)} line {script_line(source, stranger.where)}"
        if stranger.drawn:
            raise StoryError(f"{line} shows {stranger.told}")
        close = f"; did you mean {shown(stranger.close)}?" if stranger.close else ""
        notes.append(f"{line}: {shown(stranger.name)} is not in the cast and speaks from outside the picture{close}")
    return tuple(notes)


def with_poses(script: Script, poses: Sequence[Path]) -> Script:
    """The script with `poses` for the panels that name none, in turn; raises PictureError where one cannot be read."""
    panels = list(script.panels)
    for number, panel in enumerate(panels):
        pose = panel.pose or (str(poses[number % len(poses)]) if poses else "")
        if pose:
            open_picture(pose)
            panels[number] = panel.model_copy(update={"pose": pose})
    return script.model_copy(update={"panels": tuple(panels)})


def check_names(cast: Sequence[Character]) -> dict[str, Character]:
    """The cast by name and alias; raises CastError where one name means two."""
    known: dict[str, Character] = {}
    for character in cast:
        for name in (character.name, *character.aliases):
            if known.setdefault(name_key(name), character) is not character:
                raise CastError(f"{shown(name)} is in the cast twice: give each character a name of their own")
    return known
