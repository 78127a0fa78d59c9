"""One panel as the workbench shows it, and as it gives it back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inkcast.app.project import PanelState, Project
from inkcast.app.web.boxes import NamedBox, boxes_value, colour
from inkcast.app.web.maps import maps_of, overlaid
from inkcast.app.web.pictures import opened
from inkcast.app.web.script_rows import dialogue_text, lines_of, presences, settings_kept, who_text
from inkcast.assets import toon_weights
from inkcast.cast.names import name_key
from inkcast.cast.record import Entry
from inkcast.errors import StoryError
from inkcast.story.script import Box, Panel

CLOTHES = "clothes."  # of StoryMaker's settings of a panel
USUAL = ("the usual", "")
GONE = "#6b6b6b"  # whoever is on a map but no longer in the script


def panel_of(project: Project, panel_id: str) -> PanelState | None:
    return next((panel for panel in project.panels if panel.id == panel_id), None)


def number_of(project: Project, panel_id: str) -> int:
    """From 1; raises StoryError where the script has no such panel any more."""
    for number, panel in enumerate(project.panels, 1):
        if panel.id == panel_id:
            return number
    raise StoryError("no panel is chosen: choose one of the strip above")


def places(panel: PanelState) -> list[NamedBox]:
    """Where everybody stands: by the author's box, else as drawn."""
    found = []
    drawn = {name_key(figure.name): figure.box for figure in panel.chosen.figures} if panel.chosen else {}
    for presence in panel.script.characters:
        seen = drawn.get(name_key(presence.name))
        if presence.box is not None:
            found.append(NamedBox(presence.name, presence.box, "Set by you; used with the next drawing."))
        elif seen is not None and panel.chosen is not None:
            found.append(
                NamedBox(presence.name, fractions(seen, panel.chosen.size), "As drawn. Move it to correct it.")
            )
        elif panel.chosen is not None:
            found.append(NamedBox(presence.name, None, "Not seen in the picture."))
        else:
            found.append(NamedBox(presence.name, None, "Stands where the engine likes, until you add a box."))
    return found


def fractions(box: tuple[int, int, int, int], size: tuple[int, int]) -> Box | None:
    width, height = size
    x0, y0, x1, y1 = box
    found = max(x0 / width, 0.0), max(y0 / height, 0.0), min(x1 / width, 1.0), min(y1 / height, 1.0)
    return found if found[0] < found[2] and found[1] < found[3] else None


def editor_value(panel: PanelState, number: int, picture: bytes | None, routes: bytes | None) -> dict[str, Any]:
    """The panel's picture with its boxes, under the routing maps where those are given; a blank where none is drawn."""
    if picture is None:
        return boxes_value(None, f"Panel {number} is not drawn yet", places(panel))
    shown, alt = opened(picture), f"panel {number}: {panel.script.description}"
    if routes is not None and panel.chosen is not None:
        colours = map_colours(panel.chosen.characters, panel.script)
        shown, alt = overlaid(shown, maps_of(opened(routes), shown), colours), f"who acts where in {alt}"
    return boxes_value(shown, alt, places(panel))


def may_pose(base: str) -> bool:
    """Whether a base can follow a pose picture; of one that is not on this machine, that is not known: yes."""
    folder = toon_weights() if base == "toon" else Path(base).expanduser()
    return not folder.is_dir() or (folder / "controlnet").is_dir()


def map_colours(drawn: Sequence[str], panel: Panel) -> list[str]:
    """The colour of each character's map: the one that their box has on the workbench."""
    order = [name_key(presence.name) for presence in panel.characters]
    return [colour(order.index(name_key(name))) if name_key(name) in order else GONE for name in drawn]


def moved_boxes(panel: PanelState, given: dict[str, Box | None]) -> list[tuple[str, Box | None]]:
    """Whose box a person changed; numbers are percents, so what is nearer than one is the same."""
    changed = []
    for shown in places(panel):
        box = given.get(shown.name, shown.box)
        same = box == shown.box or (
            box is not None
            and shown.box is not None
            and all(abs(new - old) < 0.004 for new, old in zip(box, shown.box, strict=True))
        )
        if not same:
            changed.append((shown.name, box))
    return changed


def words_on_form(panel: Panel) -> tuple[str, str, str, str, str]:
    """What the workbench's fields show of a panel."""
    who = "; ".join(who_text(one) for one in panel.characters)
    return panel.description, who, dialogue_text(panel), panel.caption, ", ".join(panel.effects)


def merged(held: Sequence[str], given: Sequence[str], now: Sequence[str]) -> list[str]:
    """The fields as they should be kept: those that nobody touched since they were `held` say what is true `now`."""
    return [current if new == old else new for old, new, current in zip(held, given, now, strict=True)]


def edited(panel: Panel, shows: str, who: str, dialogue: str, caption: str, effects: str) -> Panel:
    """The panel with other words. Raises StoryError where they make none."""
    if not shows.strip():
        raise StoryError("the panel shows nothing: write what its picture shows")
    sounds = tuple(part.strip() for part in effects.split(",") if part.strip())
    characters = presences(who, panel)
    changes: dict[str, Any] = {
        "description": shows.strip(),
        "characters": characters,
        "engine": settings_kept(panel, characters),
        "dialogue": lines_of(dialogue, panel, "the panel"),
        "caption": caption.strip(),
        "effects": sounds,
    }
    if sounds != panel.effects:
        changes["effect_translations"] = {}
    return panel.model_copy(update=changes)


def outfits(name: str, entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """What somebody can wear: their own outfits, and (with StoryMaker) the clothes of the others."""
    mine = next((entry for entry in entries if name_key(entry.name) == name_key(name)), None)
    own = [(state.name, f"state:{state.name}") for state in mine.states] if mine else []
    others = [(f"the clothes of {entry.name}", f"{CLOTHES}{entry.name}") for entry in entries if entry is not mine]
    return [USUAL, *own, *others]


def worn(panel: Panel, name: str) -> str:
    """What somebody wears in a panel, as a value of `outfits`."""
    borrowed = next((value for key, value in panel.engine.items() if _dresses(key, name)), "")
    if borrowed:
        return f"{CLOTHES}{borrowed}"
    state = next((one.state for one in panel.characters if name_key(one.name) == name_key(name)), "")
    return f"state:{state}" if state else ""


def dressed(panel: Panel, name: str, choice: str) -> Panel:
    """The panel with somebody in other clothes."""
    settings = {key: value for key, value in panel.engine.items() if not _dresses(key, name)}
    if choice.startswith(CLOTHES):
        settings[f"{CLOTHES}{name}"] = choice.removeprefix(CLOTHES)
    state = choice.removeprefix("state:") if choice.startswith("state:") else ""
    characters = tuple(
        one.model_copy(update={"state": state}) if name_key(one.name) == name_key(name) else one
        for one in panel.characters
    )
    return panel.model_copy(update={"engine": settings, "characters": characters})


def _dresses(key: str, name: str) -> bool:
    return key.startswith(CLOTHES) and name_key(key.removeprefix(CLOTHES)) == name_key(name)
