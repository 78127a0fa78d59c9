"""Everybody whom a comic shows, as its engine sees them: encoded once, and kept with the characters of the library."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.cast.names import name_key
from inkcast.cast.usual import usual_library
from inkcast.drawing.panel_settings import lenders
from inkcast.drawing.planning import PlannedPanel
from inkcast.drawing.record import library_versions
from inkcast.errors import CastError
from inkcast.events import Note, Progress, Report

if TYPE_CHECKING:
    from inkcast.cast.store import CastLibrary
    from inkcast.drawing.easel import Easel
    from inkcast.engines.engine import Engine
    from inkcast.sdxl.backbone import Backbone

LIBRARY_ID = re.compile("[0-9a-f]{32}")
EYES = ("detector", "face", "faces")  # companion parts that look at references and are in no engine's digest


class Shelf(Protocol):
    """Where identities wait to be used again."""

    def find(self, character: Character, easel: Easel, report: Report) -> Identity | None: ...

    def keep(self, character: Character, easel: Easel, identity: Identity, report: Report) -> None: ...

    def served(self, engine: Engine) -> Engine:
        """The engine; one that keeps by itself what it makes, keeping it here."""
        ...


@dataclass(frozen=True)
class LibraryShelf:
    """A cast library: an identity fits whoever has just those references, as those weights and this machine made it.

    Whoever is not in the library is encoded for every comic; stable-identity keeps the faces it learned by itself, in
    `home` if that is given.
    """

    opened: Callable[[], AbstractContextManager[CastLibrary] | None] = usual_library
    home: Path | None = None

    def served(self, engine: Engine) -> Engine:
        from inkcast.engines.engine import Keeping

        return engine.keeping(self.home, self.opened) if self.home and isinstance(engine, Keeping) else engine

    def find(self, character: Character, easel: Easel, report: Report) -> Identity | None:
        """None of one that is damaged: `report` hears of it, and it will be made anew."""
        if not _keeps(character, easel):
            return None
        try:
            found = self.opened()
            if found is None:
                return None
            with found as library:
                return library.identity(character, easel.engine.name, easel.origin.engine, made=circumstances(easel))
        except CastError as error:
            report(Note(f"{character.name} is encoded again: {error}"))
            return None

    def keep(self, character: Character, easel: Easel, identity: Identity, report: Report) -> None:
        """Of whoever is in the library still; `report` hears why an identity could not be kept."""
        if not _keeps(character, easel):
            return
        try:
            found = self.opened()
            if found is None:
                return
            with found as library:
                if library.knows(character.id):
                    library.save_identity(character, identity, made=circumstances(easel))
        except CastError as error:
            report(Note(f"what {identity.engine} made of {character.name} is not kept: {error}"))


def enrol(
    easel: Easel,
    plan: Sequence[PlannedPanel],
    cast: Sequence[Character],
    report: Report,
    shelf: Shelf | None = None,
) -> dict[CharacterId, Identity]:
    """The identity of every character whom some panel shows or borrows from: from the shelf, else encoded, once, and
    kept there."""
    from inkcast.engines.engine import introduce

    shown = {member.id for panel in plan for member in panel.prompt.members}
    lent = {name_key(name) for panel in plan for name in lenders(panel.prompt.settings, easel.drawing.engine)}
    needed = [one for one in cast if one.id in shown or lent & {name_key(name) for name in (one.name, *one.aliases)}]
    introduce(easel.engine, needed)
    engine = easel.engine if shelf is None else shelf.served(easel.engine)
    identities = {}
    for number, character in enumerate(needed):
        report(Progress("cast", number, len(needed)))
        identity = None if shelf is None else shelf.find(character, easel, report)
        if identity is None:
            identity = engine.encode(character)
            if shelf is not None:
                shelf.keep(character, easel, identity, report)
        identities[character.id] = identity
    report(Progress("cast", len(needed), len(needed)))
    return identities


def circumstances(easel: Easel) -> str:
    """What decides an identity's bits beside its references and the engine's own weights, as 16 hexadecimal digits:
    the base, other models that look at references, precision, device, threads and the versions of libraries."""
    import torch

    drawing = easel.drawing
    facts = [easel.origin.base, *easel.sight, drawing.dtype, drawing.device]
    if drawing.device == "cpu":
        facts += [str(torch.get_num_threads()), torch.backends.cpu.get_cpu_capability()]
    facts += [f"{name} {version}" for name, version in library_versions().items()]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def sight_of(base: Backbone) -> tuple[str, ...]:
    """The files beside a base, and rembg's, that find faces and cut subjects out; a changed file reads differently."""
    return tuple(sorted(_sight(base.folder)))


def _sight(folder: Path | None) -> Iterator[str]:
    from inkcast.vision.segment import rembg_homes

    if folder is not None:
        for part in EYES:
            yield from _files(folder / part, "*")
    if find_spec("rembg") is not None:
        for home in rembg_homes():
            yield from _files(home, "*.onnx")


def _files(folder: Path, pattern: str) -> Iterator[str]:
    for file in folder.rglob(pattern) if folder.is_dir() else ():
        if file.is_file():
            facts = file.stat()
            yield f"{file.relative_to(folder.parent)} {facts.st_size} {facts.st_mtime_ns}"


def _keeps(character: Character, easel: Easel) -> bool:
    """Whether the library may have the character, by its id, and the engine has no shelf of its own."""
    return bool(LIBRARY_ID.fullmatch(character.id)) and not hasattr(easel.engine, "shelf")
