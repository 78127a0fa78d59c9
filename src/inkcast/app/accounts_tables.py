"""The tables of accounts, and the database they are in: SQLite in the studio's folder, or PostgreSQL by URL."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Connection, LargeBinary, MetaData, Text, insert, inspect
from sqlmodel import Field, Session, SQLModel, select

from inkcast import database
from inkcast.errors import AccountError

FILE_NAME = "accounts.sqlite3"
VERSION = 1


class _Table(SQLModel):
    metadata = MetaData()


class VersionRow(_Table, table=True):
    __tablename__ = "studio_accounts_version"
    version: int = Field(primary_key=True)


class UserRow(_Table, table=True):
    """`key` makes a name unique whatever its case; `password` is an argon2 hash; times are seconds since 1970."""

    __tablename__ = "studio_users"
    id: str = Field(primary_key=True, max_length=32)
    key: str = Field(unique=True, max_length=64)
    name: str = Field(sa_type=Text)
    password: str = Field(sa_type=Text)
    created: int


class SessionRow(_Table, table=True):
    """A sign-in; `digest` is the SHA-256 of what the browser holds."""

    __tablename__ = "studio_sessions"
    digest: str = Field(primary_key=True, max_length=64)
    user_id: str = Field(foreign_key="studio_users.id", ondelete="CASCADE", index=True, max_length=32)
    expires: int


class TokenRow(_Table, table=True):
    """A program's key; `digest` is the SHA-256 of what the program holds."""

    __tablename__ = "studio_tokens"
    id: str = Field(primary_key=True, max_length=32)
    digest: str = Field(unique=True, max_length=64)
    user_id: str = Field(foreign_key="studio_users.id", ondelete="CASCADE", index=True, max_length=32)
    name: str = Field(sa_type=Text)
    created: int
    expires: int | None = None


class AnswerRow(_Table, table=True):
    """What a request with an idempotency key was answered; `status` 0 while it is being worked on."""

    __tablename__ = "studio_answers"
    owner: str = Field(primary_key=True, max_length=32)
    key: str = Field(primary_key=True, max_length=64)
    request: str = Field(max_length=64)
    created: int = Field(index=True)
    status: int = 0
    headers: str = Field(default="{}", sa_type=Text)
    body: bytes = Field(default=b"", sa_type=LargeBinary)


class AccountsDatabase:
    """An open database of accounts; its tables are made if missing.

    Raises:
        AccountError: nothing answers there, or it was made by a newer version.
    """

    def __init__(self, url: str, home: Path) -> None:
        in_postgres = url.startswith("postgresql")
        parsed = database.parse_url(url, AccountError) if in_postgres else database.sqlite_url(home / FILE_NAME)
        self._open = database.OpenDatabase(parsed, TABLES)

    def close(self) -> None:
        self._open.close()

    def reading(self) -> AbstractContextManager[Session]:
        return self._open.reading()

    def writing(self) -> AbstractContextManager[Session]:
        """Commits at the end of the block, or rolls back."""
        return self._open.writing(turns=False)


def _found(connection: Connection) -> str | None:
    """None also where a table is missing that the version has by now."""
    names = set(inspect(connection).get_table_names())
    if VersionRow.__tablename__ not in names:
        return None
    found = connection.execute(select(VersionRow.version)).scalar()
    lacking = found == VERSION and not names.issuperset(_Table.metadata.tables)
    return None if found is None or lacking else f"{found:04}"


def _bring(connection: Connection) -> None:
    _Table.metadata.create_all(connection)
    if connection.execute(select(VersionRow.version)).scalar() is None:
        connection.execute(insert(VersionRow).values(version=VERSION))


TABLES = database.Tables(
    title="the accounts' database",
    error=AccountError,
    newest=f"{VERSION:04}",
    lock=116250,
    found=_found,
    bring=_bring,
)
