"""A character on its way into or out of the cast library: all that is known of it, pictures as bytes of files."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

from inkcast.cast.character import CharacterId, State
from inkcast.cast.names import clean_name, clean_text, clean_view
from inkcast.errors import CastError
from inkcast.files import shown
from inkcast.images import check_mask, configured_limits, open_picture, read_picture_bytes


@dataclass(frozen=True)
class ReferenceRecord:
    """`picture` and `mask` are whole picture files; the rest is as in `Reference`."""

    picture: bytes
    mask: bytes | None = None
    view: str = "front"
    source: str = ""
    consent: str = ""
    state: str = ""


@dataclass(frozen=True)
class IdentityRecord:
    """`tensors` is a safetensors file; `references_digest` is empty for an identity made of no reference here."""

    engine: str
    weights_digest: str
    references_digest: str
    tensors: bytes


@dataclass(frozen=True)
class CharacterRecord:
    """All of a character. Where one is added to a character that exists, empty fields change nothing."""

    name: str
    aliases: tuple[str, ...] = ()
    pronouns: str = ""
    description: str = ""
    states: tuple[State, ...] = ()
    references: tuple[ReferenceRecord, ...] = ()
    identities: tuple[IdentityRecord, ...] = ()


@dataclass(frozen=True)
class Words:
    """What shall be said of a character instead; None leaves it as it is.

    `aliases` replaces all of them; `more_aliases` and `fewer_aliases` then add some and take some away.
    """

    name: str | None = None
    aliases: tuple[str, ...] | None = None
    pronouns: str | None = None
    description: str | None = None
    states: tuple[State, ...] | None = None
    more_aliases: tuple[str, ...] = ()
    fewer_aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReferenceEntry:
    """A reference as the library lists it: `picture` and `mask` are digests."""

    picture: str
    mask: str | None
    view: str
    source: str
    consent: str
    state: str


@dataclass(frozen=True)
class IdentityEntry:
    engine: str
    weights_digest: str
    references_digest: str


@dataclass(frozen=True)
class Entry:
    """A character as the library lists it, without a picture or tensor."""

    id: CharacterId
    name: str
    aliases: tuple[str, ...]
    pronouns: str
    description: str
    states: tuple[State, ...]
    references: tuple[ReferenceEntry, ...]
    identities: tuple[IdentityEntry, ...]


def read_reference_record(
    path: str | os.PathLike[str],
    *,
    view: str = "front",
    mask: str | os.PathLike[str] | None = None,
    state: str = "",
    source: str = "",
    consent: str = "",
) -> ReferenceRecord:
    """Reads and checks a picture and its mask; `source` is by default the file's name, without its folder.

    Raises:
        PictureError: as `open_picture`, or the mask has no white.
        CastError: the mask is of another size, or a word is not allowed.
    """
    limits = configured_limits()
    record = ReferenceRecord(
        picture=read_picture_bytes(path, limits=limits),
        mask=None if mask is None else read_picture_bytes(mask, limits=limits),
        view=clean_view(view),
        state=clean_name(state, "state") if state else "",
        source=clean_text(source, "source") or _printable(Path(path).name),
        consent=clean_text(consent, "consent"),
    )
    check_reference(record, str(path))
    return record


def check_reference(record: ReferenceRecord, name: str) -> None:
    """Raises PictureError or CastError unless picture and mask open, are of one size, and the mask shows somebody."""
    picture = open_picture(record.picture, name=name)
    if record.mask is None:
        return
    mask = open_picture(record.mask, name=f"mask of {name}")
    if mask.size != picture.size:
        raise CastError(
            f"the mask of picture {shown(name)} is {mask.width} x {mask.height} pixels, the picture "
            f"{picture.width} x {picture.height}; make them equal"
        )
    check_mask(mask, f"the mask of picture {shown(name)}")


def _printable(text: str) -> str:
    buffer = io.StringIO()
    for character in text:
        buffer.write(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}")
    return buffer.getvalue()
