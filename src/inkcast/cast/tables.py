"""The tables of the cast library, as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import LargeBinary, MetaData, Text
from sqlmodel import Field, SQLModel

DIGEST = 64  # hexadecimal digits of a SHA-256


class _Table(SQLModel):
    metadata = MetaData()  # its own, so that other SQLModel tables of a program stay out of the migrations


class LibraryRow(_Table, table=True):
    """One row: which library this is, for the folder that holds its pictures."""

    __tablename__ = "cast_library"
    id: str = Field(primary_key=True, max_length=32)


class CharacterRow(_Table, table=True):
    __tablename__ = "cast_characters"
    id: str = Field(primary_key=True, max_length=32)
    pronouns: str = Field(max_length=16)
    description: str = Field(sa_type=Text)


class NameRow(_Table, table=True):
    """A name (position 0) or an alias; the key makes it unique among all of both."""

    __tablename__ = "cast_names"
    key: str = Field(primary_key=True, max_length=DIGEST)
    character_id: str = Field(foreign_key="cast_characters.id", ondelete="CASCADE", index=True, max_length=32)
    position: int
    text: str = Field(sa_type=Text)


class StateRow(_Table, table=True):
    __tablename__ = "cast_states"
    character_id: str = Field(foreign_key="cast_characters.id", ondelete="CASCADE", primary_key=True, max_length=32)
    key: str = Field(primary_key=True, max_length=DIGEST)
    position: int
    name: str = Field(sa_type=Text)
    description: str = Field(sa_type=Text)


class ReferenceRow(_Table, table=True):
    """A picture of a character; `picture` and `mask` are digests of files in the library's picture folder."""

    __tablename__ = "cast_references"
    character_id: str = Field(foreign_key="cast_characters.id", ondelete="CASCADE", primary_key=True, max_length=32)
    position: int = Field(primary_key=True)
    picture: str = Field(max_length=DIGEST)
    mask: str | None = Field(default=None, max_length=DIGEST)
    view: str = Field(max_length=16)
    source: str = Field(sa_type=Text)
    consent: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)


class IdentityRow(_Table, table=True):
    """What an engine's weights made of the references whose fingerprint is `references_digest` (empty: of none)."""

    __tablename__ = "cast_identities"
    character_id: str = Field(foreign_key="cast_characters.id", ondelete="CASCADE", primary_key=True, max_length=32)
    engine: str = Field(primary_key=True, max_length=64)
    weights_digest: str = Field(primary_key=True, max_length=128)
    references_digest: str = Field(primary_key=True, max_length=DIGEST)
    tensors: bytes = Field(sa_type=LargeBinary)


METADATA = _Table.metadata
