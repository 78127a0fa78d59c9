"""The cast library's database: SQLite in a file, or PostgreSQL by URL; opened, migrated, read and written.

Writers take turns: a write transaction of SQLite begins IMMEDIATE, one of PostgreSQL holds an advisory lock. So a
picture stored and the row that names it are one step for every other process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlmodel import Session, select

from inkcast.cast.tables import LibraryRow
from inkcast.errors import CastError, MissingExtraError
from inkcast.files import shown

HEAD = "0002"  # the newest migration
VERSION_TABLE = "cast_version"
FILE_NAME = "cast.sqlite3"
PATIENCE = 60.0  # seconds to wait for another writer
ADVISORY_LOCK = 0x1CA57  # any number nobody else takes


class Database:
    """An open, migrated database; `pictures` is the folder of its pictures.

    Raises:
        CastError: the URL is not one of SQLite or PostgreSQL, nothing answers there, or what answers is no cast
            library or one of a newer version.
    """

    def __init__(self, url: str, home: Path) -> None:
        self._url = parse_url(url) if url else URL.create("sqlite", database=str(home / FILE_NAME))
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        with self._reporting():
            self._engine = open_engine(self._url)
            self._writer = self._engine.execution_options(writes=True)
            # One state of the database for all that a reader asks; SQLite gives it always.
            options = {} if self._is_sqlite else {"isolation_level": "REPEATABLE READ"}
            self._reader = self._engine.execution_options(**options)
            self._migrate()
            self.pictures = self._picture_folder(home)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the library."""
        with self._reporting(), Session(self._reader) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that is the only writer; commits at the end of the block, or rolls back."""
        with self._reporting(), Session(self._writer) as session, session.begin():
            _take_turn(session.connection())
            yield session

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split())
            raise CastError(f"the cast library at {self} failed: {reason[:200]}") from error

    def __str__(self) -> str:
        if self._is_sqlite:
            return shown(self._url.database)
        return self._url.render_as_string(hide_password=True)

    def _migrate(self) -> None:
        with self._engine.connect() as connection:
            if _version(connection) == HEAD:
                return
        with self._writer.begin() as connection:
            _take_turn(connection)
            found = _version(connection)
            if found is not None and found > HEAD:
                raise CastError(
                    f"the cast library at {self} was made by a newer Inkcast (tables {found}, known {HEAD}); "
                    "update Inkcast"
                )
            upgrade(connection, HEAD)

    def _picture_folder(self, home: Path) -> Path:
        if self._is_sqlite:
            file = Path(str(self._url.database)).absolute()
            return file.with_name(f"{file.stem}-pictures")
        with self.reading() as session:
            return home / f"pictures-{session.exec(select(LibraryRow.id)).one()}"


def upgrade(connection: Connection, revision: str) -> None:
    """Brings the tables to `revision`, in the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def _take_turn(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})


def parse_url(url: str) -> URL:
    """Raises CastError for what is no SQLite file and no PostgreSQL database."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise CastError("the database URL cannot be read; write postgresql+psycopg://user@host/name") from error
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise CastError(f"the database URL names {shown(backend)}; use sqlite:///FILE or postgresql+psycopg://…")
    if backend == "sqlite" and (parsed.database or ":memory:") == ":memory:":
        raise CastError("the database URL names a SQLite database in memory; name a file: sqlite:///FILE")
    return parsed.set(drivername="postgresql+psycopg") if backend == "postgresql" else parsed


def open_engine(url: URL) -> Engine:
    """An engine that is told who writes by the execution option `writes`; raises CastError."""
    if url.get_backend_name() == "postgresql":
        try:
            return create_engine(url, connect_args={"connect_timeout": 10}, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise MissingExtraError("psycopg", "postgres", "a cast library in PostgreSQL") from error
    file = Path(str(url.database))
    try:
        # Pictures of people: for their owner's eyes only.
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CastError(f"the cast library's folder {shown(file.parent)} cannot be made: {error.strerror}") from error
    engine = create_engine(url, connect_args={"timeout": PATIENCE})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # else the driver begins transactions of its own, and none around DDL
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    deadline = time.monotonic() + PATIENCE
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except connection.OperationalError as error:  # SQLite does not wait for others here
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
