"""What a job takes with it: copies of the project and the cast as they were when it was submitted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from inkcast.app.jobs_tasks import DrawComic, Export, LearnIdentity, RedrawPanels
from inkcast.app.project import Document, PanelState, Project
from inkcast.app.safety import check_words
from inkcast.cast.archive import pack_character, unpack_character
from inkcast.cast.character import Character, CharacterId
from inkcast.cast.names import name_key
from inkcast.cast.record import CharacterRecord
from inkcast.drawing.planning import panel_seed
from inkcast.drawing.reading import as_script
from inkcast.errors import EngineError, StoryError, StudioError
from inkcast.images import Reference, open_picture

if TYPE_CHECKING:
    from inkcast.cast.store import CastLibrary


@dataclass(frozen=True)
class Turn:
    """One picture to draw: the `turn`-th of a panel. No seed: the one the script or the comic's seed gives."""

    panel: str
    turn: int = 0
    seed: int | None = None


@dataclass(frozen=True)
class CastCopy:
    """A character as it was: id in its library, and the digest of its character file, which goes with the job."""

    id: str
    digest: str


@dataclass(frozen=True)
class Order:
    """`kept` are pictures (candidate ids by panel) that the comic shows where the job draws none. A story without a
    script has no turns yet: they are known once it is parsed.
    """

    document: Document | None = None
    cast: tuple[CastCopy, ...] = ()
    turns: tuple[Turn, ...] = ()
    kept: Mapping[str, str] | None = None

    def dump(self) -> str:
        document = None if self.document is None else self.document.dump()
        return json.dumps(
            {
                "document": document,
                "cast": [asdict(one) for one in self.cast],
                "turns": [asdict(one) for one in self.turns],
                "kept": dict(self.kept or {}),
            }
        )

    @classmethod
    def load(cls, text: str) -> Order:
        found = json.loads(text)
        return cls(
            None if found["document"] is None else Document.load(found["document"]),
            tuple(CastCopy(**one) for one in found["cast"]),
            tuple(Turn(**one) for one in found["turns"]),
            found["kept"],
        )


def drawing_order(
    task: DrawComic | RedrawPanels | Export, project: Project, library: CastLibrary
) -> tuple[Order, tuple[bytes, ...]]:
    """The order of a job on a project, and the character files that go with it.

    Raises:
        InkcastError: the comic cannot be drawn as it stands; says why.
    """
    if not project.script.panels and not project.story.strip():
        raise StoryError("the project is empty: write a story or a script first")
    if isinstance(task, Export) and task.format != "comic":
        return Order(project.document, kept=_all_shown(project)), ()
    _check_cast(project, library)
    packed = [(library.entry(name).id, pack_character(library.record(name))) for name in project.cast]
    copies = tuple(CastCopy(id, hashlib.sha256(data).hexdigest()) for id, data in packed)
    if isinstance(task, Export):
        return Order(project.document, copies, kept=_all_shown(project)), tuple(data for _, data in packed)
    characters = [character_of(data, id) for id, data in packed]
    story = project.script if project.script.panels else project.story
    script, _ = as_script(story, characters, project.choices.engine)
    for number, panel in enumerate(script.panels, 1):
        check_words(panel.description, f"panel {number}")
    check_words(project.choices.negative, "the negative prompt")
    turns = _draw_turns(project, task.missing_only) if isinstance(task, DrawComic) else _redraw_turns(task, project)
    if project.script.panels and not turns:
        raise StudioError("there is nothing to draw: every panel has a picture or is locked")
    drawn = {turn.panel for turn in turns}
    kept = {panel.id: panel.chosen.id for panel in project.panels if panel.chosen and panel.id not in drawn}
    return Order(project.document, copies, turns, kept), tuple(data for _, data in packed)


def _check_cast(project: Project, library: CastLibrary) -> None:
    known = {name_key(name) for entry in library.entries() for name in (entry.name, *entry.aliases)}
    gone = [name for name in project.cast if name_key(name) not in known]
    if gone:
        raise StoryError(
            f"{' and '.join(gone)} {'is' if len(gone) == 1 else 'are'} in this story, but not in the cast library any "
            "more: add them again, give the old name to whoever has another now, or take them out of the story"
        )


def learning_order(task: LearnIdentity, library: CastLibrary) -> tuple[Order, tuple[bytes, ...]]:
    entry = library.entry(task.character)
    if not entry.references:
        raise EngineError(f"{entry.name} has no picture to learn from: add one first")
    data = pack_character(library.record(task.character))
    return Order(cast=(CastCopy(entry.id, hashlib.sha256(data).hexdigest()),)), (data,)


def character_of(data: bytes, character_id: str) -> Character:
    """A character from its file, with the id it has in its library."""
    import io

    record = unpack_character(io.BytesIO(data), "the character")
    return Character(
        CharacterId(character_id),
        record.name,
        _references(record),
        record.pronouns,
        record.aliases,
        record.description,
        record.states,
    )


def panels_by_turn(turns: Sequence[Turn]) -> dict[str, list[Turn]]:
    """The turns of each panel, in order."""
    found: dict[str, list[Turn]] = {}
    for turn in turns:
        found.setdefault(turn.panel, []).append(turn)
    return found


def _references(record: CharacterRecord) -> tuple[Reference, ...]:
    found = []
    for number, one in enumerate(record.references, 1):
        label = f"{record.name}, picture {number}"
        mask = None if one.mask is None else open_picture(one.mask, name=label).convert("L")
        digest = hashlib.sha256(one.picture).hexdigest()
        picture = open_picture(one.picture, name=label)
        found.append(Reference(picture, digest, one.source, one.view, mask, one.consent, one.state))
    return tuple(found)


def _draw_turns(project: Project, missing_only: bool) -> tuple[Turn, ...]:
    def wanted(panel: PanelState) -> bool:
        return panel.chosen is None or not (panel.locked or missing_only)

    return tuple(Turn(panel.id) for panel in project.panels if wanted(panel))


def _redraw_turns(task: RedrawPanels, project: Project) -> tuple[Turn, ...]:
    panels = {panel.id: (index, panel) for index, panel in enumerate(project.panels)}
    turns = []
    for panel_id in task.panels:
        if panel_id not in panels:
            raise StoryError("the project has no such panel any more: load it again")
        index, panel = panels[panel_id]
        if panel.locked:
            raise StudioError(f"panel {index + 1} is locked: unlock it to draw it again")
        turns += [Turn(panel_id, turn, seed) for turn, seed in enumerate(_seeds(task, project, index, panel))]
    return tuple(turns)


def _seeds(task: RedrawPanels, project: Project, index: int, panel: PanelState) -> list[int | None]:
    """One a candidate: counted up from the given one, else each following from the last, none that was used already."""
    if task.seed is not None:
        return [task.seed + turn for turn in range(task.candidates)]
    if not panel.candidates:
        first: list[int | None] = [None]
        last = panel.script.seed if panel.script.seed is not None else panel_seed(project.choices.seed, index)
    else:
        first, last = [], panel.candidates[-1].seed
    used = {one.seed for one in panel.candidates} | {last}
    seeds: list[int | None] = first
    while len(seeds) < task.candidates:
        last = panel_seed(last, index)
        if last not in used:
            seeds.append(last)
            used.add(last)
    return seeds


def _all_shown(project: Project) -> dict[str, str]:
    """The candidate that each panel shows; raises StudioError where one shows none."""
    missing = [str(number) for number, panel in enumerate(project.panels, 1) if panel.chosen is None]
    if missing or not project.panels:
        raise StudioError(f"panels without a picture: {', '.join(missing) or 'all'}; draw them before you export")
    return {panel.id: panel.chosen.id for panel in project.panels if panel.chosen}
