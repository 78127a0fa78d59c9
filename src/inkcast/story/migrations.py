"""Scripts of older versions brought up to `SCRIPT_VERSION`, one step per version.

Version 0 is a script without a version: what people write by hand and what early drafts wrote. It may be a title
and panels whose lines are `NAME: text` strings and whose picture is called `picture` or `prompt`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inkcast.errors import StoryError
from inkcast.story.script import SCRIPT_VERSION

Document = dict[str, Any]


def migrate(document: Document, source: str = "script") -> Document:
    """`document` at `SCRIPT_VERSION`. Raises StoryError for a version that is no number or from the future."""
    version = document.get("version", 0)
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise StoryError(f"{source}: version is {version!r}, not a whole number: write version: {SCRIPT_VERSION}")
    if version > SCRIPT_VERSION:
        raise StoryError(
            f"{source}: version {version} is newer than this inkcast reads ({SCRIPT_VERSION}): update inkcast"
        )
    for step in STEPS[version:]:
        document = step(document)
    return {**document, "version": SCRIPT_VERSION}


def _from_0(document: Document) -> Document:
    panels = document.get("panels")
    if not isinstance(panels, list):
        return document
    return {**document, "panels": [_panel_from_0(panel) for panel in panels]}


def _panel_from_0(panel: Any) -> Any:
    if isinstance(panel, str):
        return {"description": panel}
    if not isinstance(panel, dict):
        return panel
    renamed = {_OLD_NAMES.get(key, key): value for key, value in panel.items() if _OLD_NAMES.get(key) not in panel}
    if isinstance(renamed.get("dialogue"), list):
        renamed["dialogue"] = [_line_from_0(line) for line in renamed["dialogue"]]
    return renamed


_OLD_NAMES = {"picture": "description", "prompt": "description", "who": "characters", "lines": "dialogue"}


def _line_from_0(line: Any) -> Any:
    if isinstance(line, dict) and len(line) == 1 and "text" not in line:
        ((speaker, text),) = line.items()
        return {"speaker": speaker, "text": text}
    if isinstance(line, str):
        speaker, separator, text = line.partition(": ")
        return {"speaker": speaker, "text": text} if separator else {"text": line}
    return line


STEPS: tuple[Callable[[Document], Document], ...] = (_from_0,)
