"""What a command line names, read: stories and casts."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inkcast.errors import BaseModelError, CastError, LetterError, SettingError, StoryError, UsageError
from inkcast.files import shown

if TYPE_CHECKING:
    from inkcast.cast.character import Character
    from inkcast.drawing.choices import Lora

LONGEST_STORY = 4 * 10**6  # bytes
SCRIPTS = (".yaml", ".yml")


def story_bytes(source: str) -> bytes:
    try:
        if source == "-":
            data = sys.stdin.buffer.read(LONGEST_STORY + 1)
        else:
            with open(source, "rb") as stream:
                data = stream.read(LONGEST_STORY + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or error
        raise StoryError(f"the story {shown(source)} cannot be read: {reason}; check the path") from error
    if len(data) > LONGEST_STORY:
        raise StoryError(f"the story {shown(source)} is longer than {LONGEST_STORY // 10**6} MB: draw it in parts")
    return data


def decoded(data: bytes, source: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StoryError(
            f"the story {shown(source)} is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from error
    if "\0" in text:
        raise StoryError(f"the story {shown(source)} is not text: it holds null characters")
    if not text.strip():
        raise StoryError(f"the story {shown(source)} is empty: write at least one sentence")
    return text


@contextmanager
def naming_lines(source: Path | None) -> Iterator[None]:
    """Says of a letter that no font has, or a setting that will not do, on which line of the script `source` it is."""
    try:
        yield
    except (LetterError, SettingError) as error:
        if source is None:
            raise
        from inkcast.story.script_file import script_line

        line = script_line(source, error.where)
        raise type(error)(f"{shown(source)} line {line}: {error}", error.where) from error


def gather_cast(entries: Sequence[str]) -> tuple[Character, ...]:
    """Characters from `--cast` values, in order: NAME=PICTURE adds a reference, a bare NAME comes from the library.

    Raises:
        UsageError: a value without a name or a picture.
        CastError: a name given in two ways, or one picture twice.
    """
    from inkcast.cast.names import name_key

    found: dict[str, Character] = {}
    for entry in entries:
        name, equals, picture = entry.partition("=")
        character = drawn_character(name, picture, entry) if equals else from_library(entry)
        key = name_key(character.name)
        found[key] = joined(found[key], character) if key in found else character
    return tuple(found.values())


def lora_of(entry: str) -> Lora:
    """`mine.safetensors` or `mine.safetensors=0.8`; raises UsageError for a strength that is no number."""
    from inkcast.drawing.choices import Lora

    file, equals, strength = entry.rpartition("=")
    if not equals:
        return Lora(Path(entry))
    try:
        scale = float(strength)
    except ValueError:
        scale = math.nan
    if not math.isfinite(scale):
        raise UsageError(f"--lora {shown(entry)}: {shown(strength)} is no strength; write for example  {file}=0.8")
    return Lora(Path(file), scale)


def drawn_character(name: str, picture: str, entry: str) -> Character:
    from inkcast.cast.character import Character, CharacterId
    from inkcast.cast.names import clean_name, name_key, split_pronouns
    from inkcast.images import load_reference

    if not name.strip() or not picture.strip():
        raise UsageError(
            f"--cast {shown(entry)} is not NAME=PICTURE: write for example  --cast 'Ann Lee (she)=ann.png'"
        )
    words, description = split_description(name.strip())
    bare, pronouns = split_pronouns(words)
    bare = clean_name(bare)
    reference = load_reference(picture.strip())
    return Character(CharacterId(f"cast-{name_key(bare)[:16]}"), bare, (reference,), pronouns, description=description)


def split_description(text: str) -> tuple[str, str]:
    """ "Rolf (he, a bear)" as ("Rolf (he)", "a bear"); without a comma in parentheses at its end, the text and ""."""
    found = re.fullmatch(r"(.*\S)\s*\(([^,()]*),([^()]*)\)", text, re.DOTALL)
    return (f"{found[1]} ({found[2].strip()})", found[3].strip()) if found else (text, "")


def from_library(name: str) -> Character:
    """Of the cast library, else of the gallery that ships with the toon base."""
    from inkcast.cast.store import open_library

    with open_library() as library:
        try:
            return library.character(name)
        except CastError:
            known = from_gallery(name)
            if known is None:
                raise
            return known


def from_gallery(name: str) -> Character | None:
    from inkcast import assets

    try:
        folder = assets.toon_weights() / "engines" / "stable-identity" / "gallery"
    except BaseModelError:
        return None
    if not folder.is_dir():
        return None
    from inkcast.engines.stable_identity.gallery import portrayed

    return portrayed(folder, name)


def joined(known: Character, more: Character) -> Character:
    """`known` with the references of `more`, a later --cast of the same name."""
    name = shown(known.name)
    if known.id != more.id:
        raise CastError(f"{name} is in the cast twice, once from the library: give it once, or other names")
    if more.pronouns and known.pronouns and more.pronouns != known.pronouns:
        raise CastError(f"{name} is given as '{known.pronouns}' and as '{more.pronouns}': choose one")
    digests = [reference.digest for reference in known.references]
    for reference in more.references:
        if reference.digest in digests:
            raise CastError(f"{name} is given the picture {shown(reference.source)} twice: give each picture once")
    return replace(
        known,
        references=(*known.references, *more.references),
        pronouns=known.pronouns or more.pronouns,
        description=known.description or more.description,
    )
