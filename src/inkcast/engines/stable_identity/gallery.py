"""Identities learned in advance (the paper's figure 5), kept beside a base: a picture and the words of each.

`gallery.json` lists them by name. Their words are found by their pictures, like those of any learned face.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.cast.identities import references_digest
from inkcast.cast.names import name_key
from inkcast.engines.identity import load_identity, save_identity
from inkcast.errors import WeightsError
from inkcast.events import Progress, Report
from inkcast.files import shown, write_text
from inkcast.images import load_reference, save_png

INDEX = "gallery.json"
_FILE = re.compile(r"[a-z0-9-]+\.(png|safetensors)")
SIDE = 256

NAMES = (
    ("Lena Moss", "she", "girl"),
    ("Otto Brandt", "he", "boy"),
    ("Aiko Mori", "she", "girl"),
    ("Samir Haddad", "he", "boy"),
    ("Nia Okafor", "she", "girl"),
    ("Luca Ferri", "he", "boy"),
    ("Ines Duarte", "she", "girl"),
    ("Erik Sund", "he", "boy"),
)


class Learner(Protocol):
    """What of the engine a gallery needs."""

    @property
    def digest(self) -> str: ...

    def run_of(self, character: Character) -> str: ...

    def learn(
        self,
        character: Character,
        *,
        checkpoint: Path,
        resume: bool,
        insist: bool,
        keep: Callable[[Identity], None],
    ) -> Identity: ...


@dataclass(frozen=True)
class Portrayed:
    """One of the gallery. `picture` and `words` are file names in its folder; `digest` is the weights'."""

    name: str
    pronouns: str
    description: str
    picture: str
    words: str
    digest: str


@dataclass(frozen=True)
class Sitter:
    """Somebody to learn: a name, words and a portrait."""

    name: str
    pronouns: str
    description: str
    portrait: Image.Image


def sitters(count: int) -> Iterator[Sitter]:
    """People of the drawn world that are none of its stars; a name decides the looks."""
    from inkcast.toon.captions import describe
    from inkcast.toon.design import design
    from inkcast.toon.renderer import reference_sheet

    for name, pronouns, kind in NAMES[:count]:
        look = design(name, {"kind": kind})
        yield Sitter(name, pronouns, describe(look), Image.fromarray(reference_sheet(look, SIDE, "front").image))


def read_gallery(folder: Path) -> tuple[Portrayed, ...]:
    """Nobody where there is no gallery. Raises `WeightsError` if its list is damaged."""
    path = folder / INDEX
    if not path.is_file():
        return ()
    try:
        members = tuple(Portrayed(**member) for member in json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise WeightsError(f"{shown(path)} is damaged: learn the gallery again") from error
    for member in members:
        for file in (member.picture, member.words):
            if not isinstance(file, str) or not _FILE.fullmatch(file):
                raise WeightsError(f"{shown(path)} names a file {shown(str(file))}: learn the gallery again")
    return members


def portrayed(folder: Path, name: str) -> Character | None:
    """The member of that name, whatever its case, as a character with its picture."""
    for member in read_gallery(folder):
        if name_key(member.name) == name_key(name):
            reference = load_reference(folder / member.picture)
            who = CharacterId(f"gallery-{Path(member.picture).stem}")
            return Character(who, member.name, (reference,), member.pronouns, description=member.description)
    return None


def words_of(folder: Path, character: Character, digest: str) -> Identity | None:
    """The words of whichever member has just these pictures, learned by those weights."""
    wanted = references_digest(character.references)
    for member in read_gallery(folder):
        if member.digest == digest and wanted == references_digest((load_reference(folder / member.picture),)):
            return load_identity(folder / member.words)
    return None


def learn_gallery(
    engine: Learner, people: Sequence[Sitter], folder: Path, unfinished: Callable[[str], Path], report: Report
) -> tuple[Portrayed, ...]:
    """Learns whoever is not there yet for these weights, and lists each when done.

    A stopped run goes on, the face at hand in the file that `unfinished` names for its run, to the same words.
    """
    members = {member.name: member for member in read_gallery(folder)}
    for number, sitter in enumerate(people):
        report(Progress("gallery", number, len(people)))
        if sitter.name in members and members[sitter.name].digest == engine.digest:
            continue
        stem = "-".join(re.findall("[a-z0-9]+", sitter.name.casefold()))
        member = Portrayed(
            sitter.name, sitter.pronouns, sitter.description, f"{stem}.png", f"{stem}.safetensors", engine.digest
        )
        save_png(sitter.portrait, folder / member.picture)
        character = Character(CharacterId(stem), sitter.name, (load_reference(folder / member.picture),))

        def keep(identity: Identity, member: Portrayed = member) -> None:
            save_identity(identity, folder / member.words)
            members[member.name] = member
            write_text(folder / INDEX, json.dumps([asdict(each) for each in members.values()], indent=2) + "\n")

        checkpoint = unfinished(engine.run_of(character))
        engine.learn(character, checkpoint=checkpoint, resume=True, insist=False, keep=keep)
    report(Progress("gallery", len(people), len(people)))
    return tuple(members.values())
