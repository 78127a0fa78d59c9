"""Stories as files: plain text, AnyStory storyboards, Fountain screenplays, Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

from inkcast.story.importers.any_story import import_storyboard
from inkcast.story.importers.fountain import import_fountain
from inkcast.story.importers.markdown import import_markdown
from inkcast.story.importers.plain import import_plain
from inkcast.story.names import CastName
from inkcast.story.parser import ParsedStory

__all__ = ["IMPORTERS", "import_fountain", "import_markdown", "import_plain", "import_story", "import_storyboard"]

Importer = Callable[..., ParsedStory]
IMPORTERS: Mapping[str, Importer] = {
    ".json": import_storyboard,
    ".fountain": import_fountain,
    ".spmd": import_fountain,
    ".md": import_markdown,
    ".markdown": import_markdown,
}


def import_story(text: str, name: str, cast: Sequence[CastName], *, language: str | None = None) -> ParsedStory:
    """`text` as a script by what the suffix of the file `name` says it is; anything else is a plain story.

    Raises StoryError and CastError like `parse_story`, and StoryError for a file that is not what its suffix says.
    """
    importer = IMPORTERS.get(PurePath(name).suffix.lower(), import_plain)
    return importer(text, cast, language=language)
