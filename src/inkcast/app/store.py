"""The database of projects and jobs: the one the cast library is in, with tables of its own.

Writers of SQLite take turns by themselves; in PostgreSQL those do that ask for `turns`, since they decide by what they
read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from inkcast.app.tables import FileRow
from inkcast.cast.database import FILE_NAME, open_engine, parse_url
from inkcast.errors import NotFoundError, StudioError
from inkcast.files import shown

HEAD = "0001"  # the newest migration
VERSION_TABLE = "studio_version"
ADVISORY_LOCK = 0x57D10  # any number nobody else takes


class AppStore:
    """An open, migrated database; to be shared between threads.

    Raises:
        CastError: the URL is not one of SQLite or PostgreSQL, or its folder cannot be made.
        StudioError: nothing answers there, or its tables are those of a newer version.
    """

    def __init__(self, database_url: str, home: Path) -> None:
        self.url = parse_url(database_url) if database_url else URL.create("sqlite", database=str(home / FILE_NAME))
        self._is_sqlite = self.url.get_backend_name() == "sqlite"
        with self._reporting():
            self._engine = open_engine(self.url)
            self._writer = self._engine.execution_options(writes=True)
            self._migrate()

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with self._reporting(), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self, *, turns: bool = False) -> Iterator[Session]:
        """Commits at the end of the block, or rolls back; with `turns`, one such block at a time in all processes."""
        with self._reporting(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            if turns:
                self._take_turn(session.connection())
            yield session

    def _take_turn(self, connection: Connection) -> None:
        if not self._is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})

    def _migrate(self) -> None:
        with self._engine.connect() as connection:
            if _version(connection) == HEAD:
                return
        with self._writer.begin() as connection:
            self._take_turn(connection)
            found = _version(connection)
            if found is not None and found > HEAD:
                raise StudioError(
                    f"the projects in {self} were made by a newer Inkcast (tables {found}, known {HEAD}); "
                    "update Inkcast"
                )
            upgrade(connection, HEAD)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split())
            advice = "; make room on its disk" if "full" in reason or "No space" in reason else ""
            raise StudioError(f"the studio's database {self} failed: {reason[:200]}{advice}") from error

    def __str__(self) -> str:
        return shown(self.url.database) if self._is_sqlite else self.url.render_as_string(hide_password=True)


def upgrade(connection: Connection, revision: str) -> None:
    """Brings the tables to `revision`, in the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def put_file(session: Session, holder: str, data: bytes) -> str:
    """Keeps a file with its holder, once; answers with its digest."""
    digest = hashlib.sha256(data).hexdigest()
    if session.get(FileRow, (holder, digest)) is None:
        session.add(FileRow(holder=holder, digest=digest, data=data))
        session.flush()
    return digest


def get_file(session: Session, holder: str, digest: str) -> bytes:
    """Raises NotFoundError."""
    row = session.get(FileRow, (holder, digest))
    if row is None:
        raise NotFoundError("there is no such file")
    return row.data


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
