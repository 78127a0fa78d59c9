"""The protocols of FastComposer, with one identity in a picture and with two, and of StoryMaker over a folder of
identities.

The folder holds one folder per identity with its pictures, the first by name being the reference, and beside them, if
wanted, `noun.txt` ("a woman"). A file `prompts.txt` in the folder, of two identities `pair-prompts.txt`, replaces the
prompts, a line each, `{}` standing for an identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from inkcast.cast.character import Character, CharacterId
from inkcast.engines.engine import Member, PanelPrompt
from inkcast.errors import UsageError
from inkcast.evaluation.protocol_prompts import (
    ACTIONS,
    ACTIONS_OF_TWO,
    PLACES,
    PLACES_OF_TWO,
    STYLES,
    STYLES_OF_TWO,
    WEARING,
)
from inkcast.evaluation.suites import Commission, Suite
from inkcast.files import shown
from inkcast.images import load_reference

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp")
PLACEHOLDER = "{}"


@dataclass(frozen=True)
class Protocol:
    """`identities` is how many there must be at least; `images` are drawn of every cast of `people` of them under each
    prompt. The prompts lie in the folder's file `file`, else in `prompts`."""

    name: str
    identities: int
    prompts: tuple[str, ...]
    images: int
    about: str
    people: int = 1
    file: str = "prompts.txt"


FASTCOMPOSER = Protocol(
    "fastcomposer",
    15,
    WEARING + STYLES + ACTIONS + PLACES,
    4,
    "FastComposer's single-subject protocol (arXiv 2305.10431): 15 identities x 40 prompts x 4 pictures; a picture "
    "without a face scores 0.",
)
FASTCOMPOSER_PAIRS = Protocol(
    "fastcomposer-pairs",
    15,
    STYLES_OF_TWO + ACTIONS_OF_TWO + PLACES_OF_TWO,
    4,
    "FastComposer's protocol with two subjects in a picture (arXiv 2305.10431, section 5.1, and its published "
    "evaluation): all 105 pairs of 15 identities x 21 prompts x 4 pictures. Faces and references are matched greedily, "
    "and the least similar pair is the picture's Face Sim.",
    people=2,
    file="pair-prompts.txt",
)
STORYMAKER = Protocol(
    "storymaker",
    40,
    tuple(prompt for group in (WEARING, STYLES, ACTIONS, PLACES) for prompt in group[:5]),
    4,
    "StoryMaker's protocol (arXiv 2409.12576, section 5.1): 40 characters x 20 prompts x 4 pictures. Its table 1 has "
    "Face Sim 67.36, CLIP-T 21.75 and CLIP-I 79.51 (times 100).",
)


@dataclass(frozen=True)
class Person:
    character: Character
    noun: str


def protocol_suite(protocol: Protocol, folder: Path, seed: int, limit: int | None = None) -> Suite:
    """The protocol over the folder's first identities by name; `limit` takes fewer than it asks for.

    Raises:
        UsageError: too few identities, other than the protocol's number of prompts, or one without a place for each.
        PictureError: a reference that cannot be read.
    """
    wanted = min(protocol.identities, limit or protocol.identities)
    if wanted < protocol.people:
        raise UsageError(f"{protocol.name} draws {protocol.people} identities together: give --limit {protocol.people}")
    people = read_people(folder)[:wanted]
    if len(people) < wanted:
        raise UsageError(
            f"{shown(folder)} holds {len(people)} identities, but {protocol.name} takes {wanted}: add folders of "
            f"pictures or give --limit {max(len(people), protocol.people)}"
        )
    prompts, own = read_prompts(folder, protocol)
    whose = protocol.file if own else "this project's own prompts, as the original ones were not given"
    return Suite(
        protocol.name,
        tuple(together(people, protocol.people, prompts, protocol.images, seed)),
        f"{protocol.about} Run here on {len(people)} identities with {whose}.",
    )


def together(people: Sequence[Person], size: int, prompts: Sequence[str], images: int, seed: int) -> list[Commission]:
    """Every cast of `size` people, each once and in their order, under every prompt, `images` times."""
    return [
        commission_of(cast, prompt, f"{name_of(cast)}/{number}/{image}", seed)
        for cast in combinations(people, size)
        for number, prompt in enumerate(prompts)
        for image in range(images)
    ]


def name_of(cast: Sequence[Person]) -> str:
    return "+".join(person.character.id for person in cast)


def commission_of(cast: Sequence[Person], prompt: str, key: str, seed: int) -> Commission:
    """The prompt's places for identities are the cast's, in order; pictures of one cast are a cluster."""
    members = tuple(Member(one.character.id, one.character.name, one.noun) for one in cast)
    before, *after = prompt.split(PLACEHOLDER)
    pieces = [before, *(piece for pair in zip((one.id for one in members), after, strict=True) for piece in pair)]
    panel = PanelPrompt(tuple(piece for piece in pieces if piece), members)
    return Commission(key, tuple(one.character for one in cast), panel, seed_of(seed, key), "", name_of(cast))


def seed_of(seed: int, key: str) -> int:
    """A commission's own seed, which no other commission changes: 31 bits of the SHA-256 of "seed/key"."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:4], "big") >> 1


def read_people(folder: Path) -> list[Person]:
    """Every folder with pictures, by name."""
    if not folder.is_dir():
        raise UsageError(f"{shown(folder)} is not a folder: give one with a folder of pictures per identity")
    people = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        pictures = pictures_in(place)
        if not pictures:
            continue
        noun = place / "noun.txt"
        words = read_words(noun).strip() if noun.is_file() else ""
        people.append(Person(character_from(place.name, pictures[:1]), words or "a person"))
    return people


def read_words(path: Path) -> str:
    """Raises `UsageError` naming a file that is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown(path)} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error


def pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file())


def character_from(name: str, pictures: Sequence[Path]) -> Character:
    return Character(CharacterId(name), name, tuple(load_reference(path) for path in pictures))


def read_prompts(folder: Path, protocol: Protocol) -> tuple[tuple[str, ...], bool]:
    """The folder's own prompts, else the protocol's, and whether they are the folder's own."""
    path = folder / protocol.file
    if not path.is_file():
        return protocol.prompts, False
    prompts = tuple(line.strip() for line in read_words(path).splitlines() if line.strip())
    if len(prompts) != len(protocol.prompts):
        raise UsageError(f"{shown(path)} has {len(prompts)} prompts, but {protocol.name} takes {len(protocol.prompts)}")
    for prompt in prompts:
        if prompt.count(PLACEHOLDER) != protocol.people:
            needed = " and ".join([PLACEHOLDER] * protocol.people)
            raise UsageError(f"{shown(path)}: the prompt {shown(prompt)} needs {needed} for the identities")
    return prompts, True
