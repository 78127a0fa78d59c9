"""What a project is: words, cast, choices, and pictures of each panel."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from inkcast.drawing.choices import Drawing
from inkcast.errors import StoryError, StudioError
from inkcast.files import shown
from inkcast.page.options import PageOptions
from inkcast.page.panel import Figure
from inkcast.story.script import Panel, Script, dump_script
from inkcast.story.script_file import parse_script

CHOICES = ("engine", "base", "style", "steps", "guidance", "scheduler", "negative", "seed", "low_vram")
PAGE = tuple(one.name for one in fields(PageOptions) if one.name != "template")  # a template is a path


@dataclass(frozen=True)
class Candidate:
    """A picture of a panel. `picture` and `routes` (where each character acted) are digests of PNG files; `drawn` is
    in seconds since 1970; `characters` are who was to be seen, in the order of the maps.
    """

    id: str
    panel: str
    seed: int
    prompt: str
    negative: str
    engine: str
    size: tuple[int, int]
    figures: tuple[Figure, ...]
    picture: str
    routes: str | None
    drawn: float
    characters: tuple[str, ...] = ()


@dataclass(frozen=True)
class PanelDocument:
    """What is kept of a panel beside the script: the chosen candidate's id; the digest of a picture to pose after."""

    id: str
    chosen: str | None = None
    locked: bool = False
    pose: str | None = None


@dataclass(frozen=True)
class Document:
    """All of a project that can be edited and undone. `script` is YAML as its author wrote it."""

    title: str = ""
    story: str = ""
    script: str = ""
    cast: tuple[str, ...] = ()
    drawing: Mapping[str, Any] = field(default_factory=dict)
    page: Mapping[str, Any] = field(default_factory=dict)
    panels: tuple[PanelDocument, ...] = ()

    def dump(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def load(cls, text: str) -> Document:
        found = json.loads(text)
        panels = tuple(PanelDocument(**panel) for panel in found.pop("panels"))
        return cls(**{**found, "cast": tuple(found["cast"]), "panels": panels})


@dataclass(frozen=True)
class PanelState:
    """One panel as it stands; `candidates` are its pictures, oldest first."""

    id: str
    script: Panel
    candidates: tuple[Candidate, ...] = ()
    chosen: Candidate | None = None
    locked: bool = False
    pose: str | None = None


@dataclass(frozen=True)
class Project:
    """One comic in the making. `drawing` and `page` hold what differs from the defaults; times are in seconds since
    1970.
    """

    id: str
    document: Document
    panels: tuple[PanelState, ...]
    revision: int
    can_undo: bool
    can_redo: bool
    created: float
    changed: float

    @property
    def title(self) -> str:
        return self.document.title

    @property
    def story(self) -> str:
        return self.document.story

    @property
    def script_text(self) -> str:
        return self.document.script

    @cached_property
    def script(self) -> Script:
        return script_of(self.document)

    @property
    def cast(self) -> tuple[str, ...]:
        return self.document.cast

    @property
    def drawing(self) -> Mapping[str, Any]:
        return self.document.drawing

    @property
    def page(self) -> Mapping[str, Any]:
        return self.document.page

    @property
    def choices(self) -> Drawing:
        return Drawing(**self.drawing)

    @property
    def options(self) -> PageOptions:
        return PageOptions(**self.page)


@dataclass(frozen=True)
class ProjectEntry:
    """A project in a list: `drawn` of `panels` have a picture; `cover` is the first one's digest."""

    id: str
    title: str
    panels: int
    drawn: int
    cover: str | None
    created: float
    changed: float


@dataclass(frozen=True)
class Revision:
    """One edit; `current` marks the one that counts, later ones were undone."""

    number: int
    what: str
    when: float
    current: bool


def script_of(document: Document) -> Script:
    """The script, its title the project's where it has none of its own."""
    script = parse_script(document.script, "the script") if document.script else Script()
    return script if script.title else script.model_copy(update={"title": document.title})


def with_script(document: Document, text: str) -> Document:
    """The document with another script; panels that are the same, or were edited in place, keep their pictures.

    Raises:
        StoryError: it is no script, or names files of the machine that the studio runs on.
    """
    old, new = parse_script(document.script or dump_script(Script()), "the script"), parse_script(text, "the script")
    refuse_files(new.panels)
    return replace(document, script=text, panels=aligned(document.panels, old.panels, new.panels))


def refuse_files(panels: Sequence[Panel]) -> None:
    """Raises StoryError for a panel that names a file of the machine that the studio runs on."""
    for panel in panels:
        if panel.pose:
            raise StoryError(f"a panel names the pose {shown(panel.pose)}: upload the picture to the panel instead")
        for one in panel.characters:
            if one.mask:
                raise StoryError(
                    f"a panel names the mask {shown(one.mask)} for {shown(one.name)}, and the studio takes no masks: "
                    "give a box instead, or draw the script with  inkcast make"
                )


def aligned(known: Sequence[PanelDocument], old: Sequence[Panel], new: Sequence[Panel]) -> tuple[PanelDocument, ...]:
    """For each new panel, what is known of the old one that it was: the same one, else the one that stood there."""
    found: list[PanelDocument | None] = [None] * len(new)
    before, after = ([panel.model_dump_json() for panel in panels] for panels in (old, new))
    for tag, a0, a1, b0, b1 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal" or (tag == "replace" and a1 - a0 == b1 - b0):
            found[b0:b1] = known[a0:a1]
        elif tag == "replace":
            for place, panel in _alike(range(a0, a1), range(b0, b1), old, new):
                found[place] = known[panel]
    return tuple(one or PanelDocument(new_id()) for one in found)


def _alike(before: range, after: range, old: Sequence[Panel], new: Sequence[Panel]) -> list[tuple[int, int]]:
    """Pairs (new, old) in order, by how alike their descriptions are."""
    pairs, first = [], before.start
    for place in after:
        ratios = {
            index: SequenceMatcher(None, old[index].description, new[place].description).ratio()
            for index in range(first, before.stop)
        }
        best = max(ratios, key=lambda index: ratios[index], default=None)
        if best is not None and ratios[best] > 0.6:
            pairs.append((place, best))
            first = best + 1
    return pairs


def checked_choices(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Raises StudioError for a choice that a project does not have or that is of the wrong kind."""
    return _checked(changes, CHOICES, Drawing(), "drawing choice")


def checked_page(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Raises StudioError, or PageError for a value that no page can have."""
    found = _checked(changes, PAGE, PageOptions(), "page option")
    PageOptions(**found)
    return found


def _checked(changes: Mapping[str, Any], known: Sequence[str], usual: Any, what: str) -> dict[str, Any]:
    for name, value in changes.items():
        if name not in known:
            raise StudioError(f"unknown {what} {name!r}: use one of {', '.join(known)}")
        default = getattr(usual, name)
        kinds = (int, float) if default is None or type(default) is float else (type(default),)
        free = value is None and default is None
        flag = isinstance(value, bool) and (default is None or isinstance(default, bool))
        if not (free or flag or (isinstance(value, kinds) and not isinstance(value, bool))):
            raise StudioError(f"{what} {name} is {value!r}: give a value like {default!r}")
    return dict(changes)


def new_id() -> str:
    """122 random bits: nobody's words, and not to be guessed."""
    return uuid.uuid4().hex


def panel_index(document: Document, panel_id: str) -> int:
    """Raises StoryError where the script has no such panel any more."""
    for index, panel in enumerate(document.panels):
        if panel.id == panel_id:
            return index
    raise StoryError("the project has no such panel any more: load it again")
