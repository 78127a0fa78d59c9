"""The frozen eyes that a base brings for learning faces, and where faces are kept, learned and half learned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from inkcast.cast.character import Character, Identity
from inkcast.cast.identities import references_digest
from inkcast.cast.usual import usual_library
from inkcast.config import settings
from inkcast.engines.cutting import find_segmenter
from inkcast.engines.identity import load_identity, save_identity
from inkcast.engines.stable_identity.gallery import words_of
from inkcast.engines.stable_identity.sight import Eyes, ToonEyes, VitEyes
from inkcast.errors import BaseModelError
from inkcast.files import keep_newest, reporting
from inkcast.sdxl.backbone import Backbone
from inkcast.vision.detector import ToonDetector
from inkcast.vision.face import ToonFaces
from inkcast.vision.face_parsing import SegformerParser, ToonFaceParser
from inkcast.vision.segment import ToonSegmenter

if TYPE_CHECKING:
    from inkcast.cast.store import CastLibrary

NAME = "stable-identity"
UNFINISHED = 4  # faces begun and not finished, kept in one place; on SDXL each has some 600 MB


def find_eyes(base: Backbone) -> Eyes | None:
    """Of the base's companion folder: `engines/stable-identity/face` (a ViT) and `…/parser` (a SegFormer), else the
    toon world's `detector` and `face`; None where it has neither.

    Raises:
        BaseModelError: a ViT without a parser.
    """
    if base.folder is None:
        return None
    vit, parser = (base.folder / "engines" / NAME / part for part in ("face", "parser"))
    if vit.is_dir():
        if not parser.is_dir():
            raise BaseModelError(
                f"base {base.name!r} has a face encoder but no face parser: put a SegFormer at {parser}"
            )
        return VitEyes(vit, SegformerParser(parser, str(base.device)), str(base.device), find_segmenter(base))
    if _net(base.folder / "detector") == "Detector" and _net(base.folder / "face") == "FaceEncoder":
        detector = ToonDetector(base.folder / "detector")
        return ToonEyes(ToonFaces(detector, base.folder / "face"), ToonFaceParser(detector), ToonSegmenter(detector))
    return None


def _net(folder: Path) -> str:
    config = folder / "config.json"
    return str(json.loads(config.read_text()).get("net", "")) if config.is_file() else ""


def gallery_folder(companions: Path) -> Path:
    """Where a base keeps its gallery."""
    return companions / "engines" / NAME / "gallery"


class Shelf(Protocol):
    """Where learned faces wait to be used again."""

    def find(self, character: Character, digest: str, family: str) -> Identity | None: ...

    def keep(self, character: Character, identity: Identity) -> None: ...

    def unfinished(self, run: str) -> Path:
        """The file in which the learning that `run` names goes on after a stop; to be asked when it begins."""
        ...


def unfinished(folder: Path, run: str) -> Path:
    """A file of `folder` named after the run; of the others there, the newest stay."""
    with reporting(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{hashlib.sha256(run.encode()).hexdigest()[:32]}.safetensors"
        keep_newest(folder, UNFINISHED - 1, besides=path)
    return path


@dataclass(frozen=True)
class HomeShelf:
    """The cast library's identities, learned or imported, files in the home folder for whoever is not in it, and the
    gallery that came with the base. `home` and `opened` are the settings' folder and library unless given."""

    gallery: Path | None = None
    home: Path | None = None
    opened: Callable[[], AbstractContextManager[CastLibrary] | None] = usual_library

    def find(self, character: Character, digest: str, family: str) -> Identity | None:
        """What those weights made of just those references, else what was imported for the base's family."""
        imported: tuple[Identity, ...] = ()
        known_here = self.opened()
        if known_here is not None:
            with known_here as library:
                found = library.identity(character, NAME, digest)
                imported = library.imported_identities(character.id, NAME)
            if found is not None:
                return found
        file = self.file(character, digest)
        if file.is_file():
            return load_identity(file)
        known = None if self.gallery is None else words_of(self.gallery, character, digest)
        if known is not None:
            return known
        return next((each for each in imported if family_of(each) == family), None)

    def keep(self, character: Character, identity: Identity) -> None:
        save_identity(identity, self.file(character, identity.weights_digest))

    def file(self, character: Character, digest: str) -> Path:
        """Named after what was learned from, and by which base: not after the character."""
        return self._home / "faces" / f"{references_digest(character.references)[:32]}-{digest[:16]}.safetensors"

    def unfinished(self, run: str) -> Path:
        return unfinished(self._home / "learning", run)

    @property
    def _home(self) -> Path:
        return self.home or settings().home


def family_of(identity: Identity) -> str:
    """The family an imported identity was made for; empty for one learned here."""
    imported, _, rest = identity.weights_digest.partition("-")
    return rest.partition(":")[0] if imported == "imported" and ":" in rest else ""
