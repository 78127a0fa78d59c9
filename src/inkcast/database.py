"""What the databases of this project share: SQLite in a file, or PostgreSQL by URL; opened, migrated, reported on.

SQLite writes behind a log, synced, and a writer takes its turn as it begins. PostgreSQL's writers take turns where they
ask for it, by an advisory lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, TimeoutError
from sqlmodel import Session

from inkcast.errors import DatabaseError, InkcastError, MissingExtraError
from inkcast.files import shown

PATIENCE = 60.0  # seconds to wait for another writer
NO_ROOM = "make room on its disk, then try again"
ADVICE = {  # by what SQLite, PostgreSQL or the driver says, in this order
    "is full": NO_ROOM,
    "no space": NO_ROOM,
    "disk i/o error": f"{NO_ROOM}; if it has room, check the disk itself",
    "is locked": "another program holds it: wait for that or end it, then try again",
    "lock timeout": "another program holds it: wait for that or end it, then try again",
    "readonly": "let this user write the file and its folder, then try again",
    "unable to open": "let this user write the file and its folder, then try again",
    "malformed": "put back a copy of the file, or move it away to begin anew",
    "not a database": "put back a copy of the file, or move it away to begin anew",
    "authentication": "correct the user or the password in INKCAST_DATABASE_URL",
    "does not exist": "make it, or correct INKCAST_DATABASE_URL",
    "too many": "wait for others to finish, or let PostgreSQL take more connections, then try again",
    "timed out": "wait for others to finish, then try again",
    "connect": "see that PostgreSQL runs and can be reached, then try again",
}


@dataclass(frozen=True)
class Tables:
    """A set of tables with a version, and what is said of them.

    `found` is the version that a database has, None where it has none of the tables; `bring` makes them `newest`.
    `lock` is a number that no other tables take; `snapshots`: a session that reads sees one state of PostgreSQL, as it
    always does of SQLite; `expires`: objects are read anew after a commit.
    """

    title: str
    error: type[InkcastError]
    newest: str
    lock: int
    found: Callable[[Connection], str | None]
    bring: Callable[[Connection], None]
    snapshots: bool = False
    expires: bool = True


class OpenDatabase:
    """An open database with its tables up to date; to be shared between threads.

    Raises:
        DatabaseError: nothing answers at `url`, or it is no database.
        InkcastError: of the tables' class: it is of a newer version.
    """

    def __init__(self, url: URL, tables: Tables) -> None:
        self.url, self._tables = url, tables
        self.is_sqlite = url.get_backend_name() == "sqlite"
        with self._reporting():
            self._engine = self._opened()
            self._writer = self._engine.execution_options(writes=True)
            snapshots = tables.snapshots and not self.is_sqlite
            self._reader = self._engine.execution_options(**{"isolation_level": "REPEATABLE READ"} if snapshots else {})
            self._migrate()

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with self._reporting(), Session(self._reader, expire_on_commit=self._tables.expires) as session:
            yield session

    @contextmanager
    def writing(self, *, turns: bool) -> Iterator[Session]:
        """Commits at the end of the block, or rolls back; with `turns`, one such block at a time in all processes."""
        with (
            self._reporting(),
            Session(self._writer, expire_on_commit=self._tables.expires) as session,
            session.begin(),
        ):
            if turns:
                self._take_turn(session.connection())
            yield session

    def __str__(self) -> str:
        return shown(self.url.database) if self.is_sqlite else self.url.render_as_string(hide_password=True)

    def _opened(self) -> Engine:
        """An engine that is told who writes by the execution option `writes`."""
        if not self.is_sqlite:
            try:
                return create_engine(self.url, connect_args={"connect_timeout": 10}, pool_pre_ping=True)
            except ModuleNotFoundError as error:
                raise MissingExtraError("psycopg", "postgres", f"{self._tables.title} in PostgreSQL") from error
        folder = Path(str(self.url.database)).parent
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # pictures of people: for their owner's eyes only
        except OSError as error:
            raise self._tables.error(
                f"the folder {shown(folder)} for {self._tables.title} cannot be made: {error.strerror}"
            ) from error
        engine = create_engine(self.url, connect_args={"timeout": PATIENCE})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _migrate(self) -> None:
        tables = self._tables
        with self._engine.connect() as connection:
            if tables.found(connection) == tables.newest:
                return
        with self._writer.begin() as connection:
            self._take_turn(connection)
            found = tables.found(connection)
            if found is not None and found > tables.newest:
                raise tables.error(
                    f"{tables.title} at {self} was made by a newer Inkcast (tables {found}, known {tables.newest}); "
                    "update Inkcast"
                )
            tables.bring(connection)

    def _take_turn(self, connection: Connection) -> None:
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": self._tables.lock})

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, TimeoutError) as error:
            raise failed(self._tables.title, str(self), error) from error


def failed(title: str, where: str, error: SQLAlchemyError) -> DatabaseError:
    """What a database's driver said, in a line with what to do about it."""
    reason = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
    advice = next((told for sign, told in ADVICE.items() if sign in reason.lower()), "")
    return DatabaseError(f"{title} at {where} failed: {reason}" + (f"; {advice}" if advice else ""))


def parse_url(url: str, error: type[InkcastError]) -> URL:
    """Raises `error` for what is no SQLite file and no PostgreSQL database."""
    try:
        parsed = make_url(url)
    except ArgumentError as problem:
        raise error("the database URL cannot be read; write postgresql+psycopg://user@host/name") from problem
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise error(f"the database URL names {shown(backend)}; use sqlite:///FILE or postgresql+psycopg://…")
    if backend == "sqlite" and (parsed.database or ":memory:") == ":memory:":
        raise error("the database URL names a SQLite database in memory; name a file: sqlite:///FILE")
    return parsed.set(drivername="postgresql+psycopg") if backend == "postgresql" else parsed


def sqlite_url(file: Path) -> URL:
    return URL.create("sqlite", database=str(file))


def alembic_version(connection: Connection, table: str) -> str | None:
    """The version that alembic noted in `table`."""
    if not inspect(connection).has_table(table):
        return None
    return connection.execute(text(f"SELECT version_num FROM {table}")).scalar()


def upgrade(connection: Connection, migrations: Path, revision: str) -> None:
    """Brings the tables to `revision` by alembic's folder `migrations`, in the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


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
