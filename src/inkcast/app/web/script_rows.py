"""A script as rows of a table, and back; what a row does not show stays as it was in the script."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from inkcast.cast.names import name_key
from inkcast.errors import ConflictError, StoryError
from inkcast.story.parser import ParsedStory
from inkcast.story.script import Line, LineKind, Panel, Presence, Script

HEADERS = ["#", "Shows", "Who", "Dialogue", "Caption", "Place", "Time", "Shot", "Notes"]
EDITABLE = HEADERS[1:-1]
KINDS: tuple[LineKind, ...] = ("speech", "thought", "shout", "whisper", "off-panel")
_LINE = re.compile(r"(?:(?P<speaker>[^:(]{1,80}?)\s*(?:\((?P<kind>[a-z-]+)\))?\s*:\s*)?(?P<text>.*)", re.DOTALL)


def rows_of(script: Script, notes: Mapping[int, str]) -> list[list[str]]:
    """A row for each panel; `notes` by the panel's index, from 0."""
    return [
        [
            str(index + 1),
            panel.description,
            "; ".join(who_text(one) for one in panel.characters),
            dialogue_text(panel),
            panel.caption,
            panel.place,
            panel.time,
            panel.shot,
            notes.get(index, ""),
        ]
        for index, panel in enumerate(script.panels)
    ]


def rebased(rows: Sequence[Sequence[Any]], held: Sequence[Sequence[Any]], script: Script) -> list[list[str]]:
    """The rows of a table that was `held` before it was edited, with what changed in `script` meanwhile elsewhere.

    Raises:
        ConflictError: the script has other panels by now.
    """
    given, before = texts(rows), texts(held)
    now = rows_of(script, {})
    if [row[:-1] for row in now] == [row[:-1] for row in before]:
        return given
    if len(now) != len(before):
        raise ConflictError("the script got other panels in another window: the table shows them now, edit it again")
    made = []
    for row in given:
        index = _index(row[0], len(now))
        if index is not None:
            row = [new if cell == old else cell for cell, old, new in zip(row, before[index], now[index], strict=True)]
        made.append(row)
    return made


def _index(label: str, panels: int) -> int | None:
    """Of the panel that a row's number means, from 0; None for one that there is not."""
    number = int(label) if label.isdecimal() else 0
    return number - 1 if 1 <= number <= panels else None


def texts(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Cells as text; empty ones come from a browser as None."""
    return [["" if cell is None else str(cell) for cell in row] for row in rows]


def script_of(rows: Sequence[Sequence[Any]], before: Script) -> Script:
    """The script that the rows say; a row's number says which panel of `before` it was.

    Raises:
        StoryError: a row shows nothing or says something that is no line, naming the row.
    """
    panels = []
    for number, row in enumerate(rows, 1):
        cells = [str(cell if cell is not None else "").strip() for cell in row]
        if not any(cells[1:-1]):
            continue
        label, shows, who, dialogue, caption, place, time, shot, *_ = cells
        index = _index(label, len(before.panels))
        known = None if index is None else before.panels[index]
        if not shows:
            raise StoryError(f"row {number} shows nothing: write in Shows what its picture shows, or clear the row")
        changes: dict[str, Any] = {
            "description": shows,
            "characters": presences(who, known),
            "dialogue": lines_of(dialogue, known, f"row {number}"),
            "caption": caption,
            "place": place,
            "time": time,
            "shot": shot,
        }
        if known:
            changes["engine"] = settings_kept(known, changes["characters"])
        panels.append(known.model_copy(update=changes) if known else Panel(**changes))
    if not panels:
        raise StoryError("the script has no panel: write at least one row")
    return before.model_copy(update={"panels": tuple(panels)})


def who_text(presence: Presence) -> str:
    return f"{presence.name} ({presence.action})" if presence.action else presence.name


def presences(text: str, known: Panel | None) -> tuple[Presence, ...]:
    """ "Ann; Rolf (waving)" as presences; boxes and outfits stay with their names."""
    before = {name_key(one.name): one for one in known.characters} if known else {}
    found: dict[str, Presence] = {}
    for part in re.split(r"[;,\n]+(?![^(]*\))", text):
        name, _, action = part.strip().partition("(")
        if name.strip():
            key = name_key(name.strip())
            kept = before.get(key, Presence(name=name.strip()))
            found[key] = kept.model_copy(update={"action": action.rstrip(") ").strip()})
    return tuple(found.values())


def settings_kept(known: Panel, characters: Sequence[Presence]) -> dict[str, str | int | float | bool]:
    """A panel's engine settings without those of whoever `characters` show no more."""
    gone = {name_key(one.name) for one in known.characters} - {name_key(one.name) for one in characters}
    return {key: value for key, value in known.engine.items() if name_key(key.partition(".")[2]) not in gone}


def dialogue_text(panel: Panel) -> str:
    """One line each: "Ann (whisper): Hush"."""
    return "\n".join(line_text(line) for line in panel.dialogue)


def line_text(line: Line) -> str:
    kind = "" if line.kind == "speech" else f" ({line.kind})"
    return f"{line.speaker or 'Somebody'}{kind}: {line.text}"


def lines_of(text: str, known: Panel | None, where: str) -> tuple[Line, ...]:
    """The lines; one that was there before keeps its translations. Raises StoryError for an unknown kind."""
    before = {(line.speaker, line.text): line for line in known.dialogue} if known else {}
    made = []
    for part in filter(None, (each.strip() for each in text.splitlines())):
        match = cast(re.Match[str], _LINE.fullmatch(part))
        kind = match["kind"] or "speech"
        if kind not in KINDS:
            raise StoryError(f"{where} has a line of the kind {kind!r}: use one of {', '.join(KINDS)}")
        speaker = (match["speaker"] or "").strip()
        who = None if speaker.casefold() in ("", "somebody") else speaker
        line = before.get((who, match["text"]), Line(speaker=who, text=match["text"]))
        if line.text.strip():
            made.append(line.model_copy(update={"kind": cast(LineKind, kind)}))
    return tuple(made)


def notes_by_panel(parsed: ParsedStory) -> tuple[dict[int, str], tuple[str, ...]]:
    """The parser's warnings by the index of the panel they are about, and those about the whole story."""
    by_panel: dict[int, list[str]] = {}
    whole = []
    for warning in parsed.warnings:
        places = [
            index
            for index, (start, end) in enumerate(parsed.sources)
            if warning.sentence and parsed.text.find(warning.sentence.strip()[:40], start) in range(start, end)
        ]
        if places:
            by_panel.setdefault(places[0], []).append(warning.message)
        else:
            whole.append(str(warning))
    return {index: "; ".join(texts) for index, texts in by_panel.items()}, tuple(whole)


def standing_notes(parsed: ParsedStory | None, script: Script) -> tuple[dict[int, str], tuple[str, ...]]:
    """The warnings that still hold, by the index of the panel in `script` that they are about, and those about the
    whole story: an edited panel has none, a moved one keeps its own, and nobody who is shown by now is missed.
    """
    if parsed is None:
        return {}, ()
    by_panel, whole = notes_by_panel(parsed)
    made: dict[Any, list[int]] = {}
    for index, panel in enumerate(parsed.script.panels):
        made.setdefault(words_of(panel), []).append(index)
    found = {}
    for index, panel in enumerate(script.panels):
        same = made.get(words_of(panel))
        note = by_panel.get(same.pop(0)) if same else None
        if note:
            found[index] = note
    shown = {f"{one.name} " for panel in script.panels for one in panel.characters}
    return found, tuple(text for text in whole if not text.startswith(tuple(shown)))


def words_of(panel: Panel) -> tuple[object, ...]:
    """All of a panel that a parser's warning may be about."""
    who = tuple((one.name, one.action) for one in panel.characters)
    return panel.description, who, panel.caption, tuple((line.speaker, line.text, line.kind) for line in panel.dialogue)


def moved(script: Script, number: int, to: int) -> Script:
    """The script with panel `number` (from 1) at place `to`."""
    panels = list(script.panels)
    panels.insert(to - 1, panels.pop(checked(script, number) - 1))
    return script.model_copy(update={"panels": tuple(panels)})


def without(script: Script, number: int) -> Script:
    if len(script.panels) == 1:
        raise StoryError("this is the only panel: a script needs one")
    panels = [panel for index, panel in enumerate(script.panels, 1) if index != checked(script, number)]
    return script.model_copy(update={"panels": tuple(panels)})


def extended(script: Script, after: int) -> Script:
    """A new panel after panel `after`; 0 puts it first."""
    panels = list(script.panels)
    panels.insert(min(max(after, 0), len(panels)), Panel(description="Say here what the picture shows"))
    return script.model_copy(update={"panels": tuple(panels)})


def checked(script: Script, number: int) -> int:
    if not 1 <= number <= len(script.panels):
        raise StoryError(f"there is no panel {number}: choose one from 1 to {len(script.panels)}")
    return number
