"""A story as a script, checked against its cast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inkcast.cast.character import Character
from inkcast.cast.names import name_key
from inkcast.errors import CastError, StoryError
from inkcast.files import shown
from inkcast.images import open_picture
from inkcast.story.parser import CastName, parse_story
from inkcast.story.script import Script


def as_script(story: str | Script, cast: Sequence[Character]) -> tuple[Script, tuple[str, ...]]:
    """The script of a story, and what the parser had to choose.

    Raises:
        CastError: two characters share a name.
        StoryError: nobody of the cast is in the story, or a script names somebody who is not in the cast.
    """
    known = check_names(cast)
    if isinstance(story, Script):
        script, notes = story, tuple[str, ...]()
    else:
        parsed = parse_story(story, [CastName(one.name, one.pronouns, one.aliases) for one in cast])
        script, notes = parsed.script, tuple(str(warning) for warning in parsed.warnings)
    for number, panel in enumerate(script.panels, 1):
        for presence in panel.characters:
            if name_key(presence.name) not in known:
                raise StoryError(
                    f"panel {number} shows {shown(presence.name)}, who is not in the cast: add  --cast NAME=PICTURE"
                )
    if cast and not any(panel.characters for panel in script.panels):
        names = ", ".join(character.name for character in cast)
        raise StoryError(f"the story names nobody of the cast ({names}): use these names in it")
    return script, notes


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
