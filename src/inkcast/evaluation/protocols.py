"""The protocols of FastComposer and StoryMaker over a folder of identities.

The folder holds one folder per identity with its pictures, the first by name being the reference, and beside them, if
wanted, `noun.txt` ("a woman"). A file `prompts.txt` in the folder replaces the prompts here, a line each, `{}` standing
for the identity. The prompts here are this project's own, in the four groups that FastComposer's have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inkcast.cast.character import Character, CharacterId
from inkcast.engines.engine import Member, PanelPrompt
from inkcast.errors import UsageError
from inkcast.evaluation.suites import Commission, Suite
from inkcast.files import shown
from inkcast.images import load_reference

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp")
PLACEHOLDER = "{}"

WEARING = (
    "{} wearing a green felt hat",
    "{} wearing round sunglasses",
    "{} wearing a woollen scarf",
    "{} wearing a bow tie and a vest",
    "{} in a baker's apron",
    "{} in a space suit",
    "{} in a pilot's uniform",
    "{} in a yellow raincoat",
    "{} in a knight's armour",
    "{} wearing large headphones",
)
STYLES = (
    "an oil painting of {}",
    "a charcoal drawing of {}",
    "a comic book panel of {} with bold ink lines",
    "a watercolour of {}",
    "a bronze statue of {}",
    "a stained glass window showing {}",
    "a faded photograph of {}",
    "a paper cut-out of {}",
    "an embroidery of {}",
    "a chalk drawing of {} on a blackboard",
)
ACTIONS = (
    "{} riding a bicycle",
    "{} pouring a cup of tea",
    "{} eating an apple",
    "{} speaking into a microphone",
    "{} writing a letter",
    "{} planting a tree",
    "{} washing the dishes",
    "{} climbing a rock",
    "{} feeding pigeons",
    "{} playing the violin",
)
PLACES = (
    "{} in a bamboo forest",
    "{} in a snowstorm",
    "{} on a pier by the sea",
    "{} in a narrow alley",
    "{} on a red carpet",
    "{} in an old library",
    "{} with a lighthouse behind",
    "{} with a volcano behind",
    "{} in front of a white farmhouse",
    "{} in a field of lavender",
)


@dataclass(frozen=True)
class Protocol:
    """`identities` is how many there must be at least; `images` are drawn of each identity and prompt."""

    name: str
    identities: int
    prompts: tuple[str, ...]
    images: int
    about: str


FASTCOMPOSER = Protocol(
    "fastcomposer",
    15,
    WEARING + STYLES + ACTIONS + PLACES,
    4,
    "FastComposer's single-subject protocol (arXiv 2305.10431): 15 identities x 40 prompts x 4 pictures; a picture "
    "without a face scores 0.",
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
        UsageError: too few identities, other than the protocol's number of prompts, or none with a place for `{}`.
        PictureError: a reference that cannot be read.
    """
    wanted = min(protocol.identities, limit or protocol.identities)
    people = read_people(folder)[:wanted]
    if len(people) < wanted:
        raise UsageError(
            f"{shown(folder)} holds {len(people)} identities, but {protocol.name} takes {wanted}: add folders of "
            f"pictures or give --limit {max(len(people), 1)}"
        )
    prompts, own = read_prompts(folder, protocol)
    whose = "prompts.txt" if own else "this project's own prompts, as the original ones were not given"
    return Suite(
        protocol.name,
        tuple(single(people, prompts, protocol.images, seed)),
        f"{protocol.about} Run here on {len(people)} identities with {whose}.",
    )


def single(people: Sequence[Person], prompts: Sequence[str], images: int, seed: int) -> list[Commission]:
    """Every person under every prompt, `images` times."""
    return [
        commission_of(person, prompt, f"{person.character.id}/{number}/{image}", seed)
        for person in people
        for number, prompt in enumerate(prompts)
        for image in range(images)
    ]


def commission_of(person: Person, prompt: str, key: str, seed: int) -> Commission:
    member = Member(person.character.id, person.character.name, person.noun)
    before, _, after = prompt.partition(PLACEHOLDER)
    parts = tuple(part for part in (before, member.id, after) if part)
    return Commission(
        key, (person.character,), PanelPrompt(parts, (member,)), seed_of(seed, key), "", person.character.id
    )


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
        words = noun.read_text(encoding="utf-8").strip() if noun.is_file() else ""
        people.append(Person(character_from(place.name, pictures[:1]), words or "a person"))
    return people


def pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file())


def character_from(name: str, pictures: Sequence[Path]) -> Character:
    return Character(CharacterId(name), name, tuple(load_reference(path) for path in pictures))


def read_prompts(folder: Path, protocol: Protocol) -> tuple[tuple[str, ...], bool]:
    """The folder's own prompts, else the protocol's, and whether they are the folder's own."""
    path = folder / "prompts.txt"
    if not path.is_file():
        return protocol.prompts, False
    prompts = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    if len(prompts) != len(protocol.prompts):
        raise UsageError(f"{shown(path)} has {len(prompts)} prompts, but {protocol.name} takes {len(protocol.prompts)}")
    for prompt in prompts:
        if prompt.count(PLACEHOLDER) != 1:
            raise UsageError(f"{shown(path)}: the prompt {shown(prompt)} needs one {PLACEHOLDER} for the identity")
    return prompts, True
