"""How much story one comic holds."""

from __future__ import annotations

from inkcast.errors import StoryError
from inkcast.story.parser import ParsedStory

MOST_PANELS = 1000  # about 200 pages


def check_length(parsed: ParsedStory, source: str) -> None:
    """Raises StoryError where the offline parser made more panels of a story than one comic holds, naming the line.

    A script that a person wrote may have as many as they like.
    """
    count = len(parsed.script.panels)
    if count <= MOST_PANELS or len(parsed.sources) < count:
        return
    start, end = parsed.sources[MOST_PANELS]
    line = parsed.text.count("\n", 0, start) + 1
    words = " ".join(parsed.text[start:end].split())
    shown = words if len(words) <= 60 else words[:59] + "…"
    raise StoryError(
        f"the story '{source}' makes {count} panels, more than the {MOST_PANELS} of one comic: cut it before line "
        f"{line} ('{shown}'), or write all of it out with  inkcast script  and draw parts of that"
    )
