"""A character as one file: a zip of `character.json`, its pictures and its identities, each named by its digest.

The same character gives the same bytes. Nothing is ever unpacked to a path of the archive's choosing.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inkcast.cast.character import State
from inkcast.cast.identities import check_packed
from inkcast.cast.record import CharacterRecord, IdentityRecord, ReferenceRecord, check_reference
from inkcast.config import settings
from inkcast.errors import CastError
from inkcast.files import shown

MANIFEST = "character.json"
MANIFEST_BYTES = 4 * 10**6
MOST_PARTS = 4000
_MEMBER = re.compile(r"(pictures|identities)/[0-9a-f]{64}")
Digest = Field(pattern="^[0-9a-f]{64}$")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _State(_Part):
    name: str
    description: str = ""


class _Reference(_Part):
    picture: str = Digest
    mask: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    view: str = "front"
    source: str = ""
    consent: str = ""
    state: str = ""


class _Identity(_Part):
    engine: str = Field(max_length=64)
    weights_digest: str = Field(max_length=128)
    references_digest: str = Field(pattern="^([0-9a-f]{64})?$")
    tensors: str = Digest


class Manifest(_Part):
    """What `character.json` holds; digests name the other files of the archive."""

    format: Literal["inkcast-character"] = "inkcast-character"
    version: Literal[1] = 1
    name: str
    aliases: tuple[str, ...] = ()
    pronouns: str = ""
    description: str = ""
    states: tuple[_State, ...] = ()
    references: tuple[_Reference, ...] = ()
    identities: tuple[_Identity, ...] = ()


def pack_character(record: CharacterRecord) -> bytes:
    """The bytes of a character file."""
    parts: dict[str, bytes] = {}

    def keep(folder: str, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        parts[f"{folder}/{digest}"] = data
        return digest

    manifest = Manifest(
        name=record.name,
        aliases=record.aliases,
        pronouns=record.pronouns,
        description=record.description,
        states=tuple(_State(name=state.name, description=state.description) for state in record.states),
        references=tuple(
            _Reference(
                picture=keep("pictures", reference.picture),
                mask=None if reference.mask is None else keep("pictures", reference.mask),
                view=reference.view,
                source=reference.source,
                consent=reference.consent,
                state=reference.state,
            )
            for reference in record.references
        ),
        identities=tuple(
            _Identity(
                engine=identity.engine,
                weights_digest=identity.weights_digest,
                references_digest=identity.references_digest,
                tensors=keep("identities", identity.tensors),
            )
            for identity in record.identities
        ),
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in [(MANIFEST, manifest.model_dump_json(indent=1).encode()), *sorted(parts.items())]:
            # A ZipInfo's own date is a fixed one; pictures and tensors hardly compress.
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


def read_character(path: Path) -> CharacterRecord:
    """Reads and checks a character file.

    Raises:
        CastError: it is missing, too large, damaged, of a newer version, or its parts are not what it says they are.
        PictureError: a picture in it is refused by `open_picture`.
    """
    limit = int(settings().character_megabytes * 10**6)
    if not path.is_file():
        raise CastError(f"character file {shown(path)} does not exist; check the path")
    try:
        if path.stat().st_size > limit:
            raise CastError(f"{shown(path)} is too large; INKCAST_CHARACTER_MEGABYTES sets what is allowed")
        with path.open("rb") as stream:
            return unpack_character(stream, str(path))
    except OSError as error:
        raise CastError(f"{shown(path)} cannot be read: {error.strerror}") from error


def unpack_character(stream: IO[bytes], name: str) -> CharacterRecord:
    """As `read_character`, of an open file that messages call `name`."""
    limit = int(settings().character_megabytes * 10**6)
    try:
        with zipfile.ZipFile(stream) as archive:
            parts = _parts(archive, limit, name)
    except CastError:
        raise
    except Exception as error:  # zipfile meets damaged bytes with errors of every class
        raise CastError(f"{shown(name)} is no character file, or damaged ({error}); export it again") from error
    record = _record(_manifest(parts, name), parts, name)
    for number, reference in enumerate(record.references, 1):
        check_reference(reference, f"picture {number} in {name}")
    for identity in record.identities:
        check_packed(identity.tensors, identity.engine)
    return record


def _parts(archive: zipfile.ZipFile, limit: int, name: str) -> dict[str, bytes]:
    """Every file of the archive, by name; stops as soon as more unpacks than is allowed."""
    members = archive.infolist()
    if len(members) > MOST_PARTS:
        raise CastError(f"{shown(name)} holds {len(members)} files; a character has at most {MOST_PARTS}")
    parts: dict[str, bytes] = {}
    for member in members:
        if member.filename in parts or not (member.filename == MANIFEST or _MEMBER.fullmatch(member.filename)):
            raise CastError(f"{shown(name)} holds {shown(member.filename)}, which no character file does")
        # Python's zipfile unpacks the other methods without an upper bound.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CastError(f"{shown(name)} is compressed in a way no character file is; export it again")
        allowed = MANIFEST_BYTES if member.filename == MANIFEST else limit
        with archive.open(member) as stream:
            data = stream.read(allowed + 1)
        limit -= len(data)
        if len(data) > allowed or limit < 0:
            raise CastError(f"{shown(name)} unpacks to too much; INKCAST_CHARACTER_MEGABYTES sets what is allowed")
        if member.filename != MANIFEST and hashlib.sha256(data).hexdigest() != member.filename[-64:]:
            raise CastError(f"{shown(name)}: the part {member.filename} was changed; export the character again")
        parts[member.filename] = data
    return parts


def _manifest(parts: dict[str, bytes], name: str) -> Manifest:
    if MANIFEST not in parts:
        raise CastError(f"{shown(name)} is no character file: {MANIFEST} is missing")
    try:
        return Manifest.model_validate_json(parts[MANIFEST])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CastError(
            f"{shown(name)}: {MANIFEST} is wrong at {shown(where)}: {first['msg']}; update Inkcast"
        ) from error


def _record(manifest: Manifest, parts: dict[str, bytes], name: str) -> CharacterRecord:
    def part(folder: str, digest: str) -> bytes:
        if (member := f"{folder}/{digest}") not in parts:
            raise CastError(f"{shown(name)}: the part {member} is missing; export the character again")
        return parts[member]

    return CharacterRecord(
        name=manifest.name,
        aliases=manifest.aliases,
        pronouns=manifest.pronouns,
        description=manifest.description,
        states=tuple(State(state.name, state.description) for state in manifest.states),
        references=tuple(
            ReferenceRecord(
                part("pictures", reference.picture),
                None if reference.mask is None else part("pictures", reference.mask),
                reference.view,
                reference.source,
                reference.consent,
                reference.state,
            )
            for reference in manifest.references
        ),
        identities=tuple(
            IdentityRecord(
                identity.engine,
                identity.weights_digest,
                identity.references_digest,
                part("identities", identity.tensors),
            )
            for identity in manifest.identities
        ),
    )
