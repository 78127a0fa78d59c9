"""The tables of accounts, and the database they are in: SQLite in the studio's folder, or PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, LargeBinary, MetaData, Text, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlmodel import Field, Session, SQLModel, select

from inkcast.errors import AccountError
from inkcast.files import shown

FILE_NAME = "accounts.sqlite3"
VERSION = 1
PATIENCE = 30.0  # seconds to wait for another writer


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
        self._where = shown(home / FILE_NAME) if not url.startswith("postgresql") else "the configured database"
        with self._reporting():
            self._engine = _open(url, home)
            self._writer = self._engine.execution_options(writes=True)
            with self._writer.begin() as connection:
                _turn(connection)
                _Table.metadata.create_all(connection)
            with self.writing() as session:
                found = session.exec(select(VersionRow.version)).first()
                if found is None:
                    session.add(VersionRow(version=VERSION))
                elif found > VERSION:
                    raise AccountError(f"the accounts in {self._where} were made by a newer Inkcast; update Inkcast")

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with self._reporting(), Session(self._engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Commits at the end of the block, or rolls back."""
        with self._reporting(), Session(self._writer) as session, session.begin():
            yield session

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise AccountError(
                f"accounts in {self._where} failed: {' '.join(str(error.orig).split())[:200]}"
            ) from error


def _open(url: str, home: Path) -> Engine:
    if url.startswith("postgresql"):
        parsed = make_url(url).set(drivername="postgresql+psycopg")
        return create_engine(parsed, connect_args={"connect_timeout": 10}, pool_pre_ping=True)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise AccountError(f"the studio's folder {shown(home)} cannot be made: {error.strerror}") from error
    engine = create_engine(f"sqlite:///{home / FILE_NAME}", connect_args={"timeout": PATIENCE})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # else the driver begins transactions of its own
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _turn(connection: Connection) -> None:
    """Two processes that start at once make the tables one after the other."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(116250)")
