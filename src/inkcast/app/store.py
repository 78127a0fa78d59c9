"""The database of projects and jobs: the one the cast library is in, with tables of its own.

Writers of SQLite take turns by themselves; in PostgreSQL those do that ask for `turns`, since they decide by what they
read.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Connection
from sqlmodel import Session

from inkcast import database
from inkcast.app.tables import FileRow
from inkcast.cast.database import FILE_NAME
from inkcast.errors import NotFoundError, StudioError

HEAD = "0001"  # the newest migration
VERSION_TABLE = "studio_version"


class AppStore:
    """An open, migrated database; to be shared between threads.

    Raises:
        StudioError: the URL is not one of SQLite or PostgreSQL, its folder cannot be made, nothing answers there, or
            its tables are those of a newer version.
    """

    def __init__(self, database_url: str, home: Path) -> None:
        parsed = (
            database.parse_url(database_url, StudioError) if database_url else database.sqlite_url(home / FILE_NAME)
        )
        self._open = database.OpenDatabase(parsed, TABLES)
        self.url = parsed

    def close(self) -> None:
        self._open.close()

    def reading(self) -> AbstractContextManager[Session]:
        return self._open.reading()

    def writing(self, *, turns: bool = False) -> AbstractContextManager[Session]:
        """Commits at the end of the block, or rolls back; with `turns`, one such block at a time in all processes."""
        return self._open.writing(turns=turns)

    def __str__(self) -> str:
        return str(self._open)


def upgrade(connection: Connection, revision: str = HEAD) -> None:
    """Brings the tables to `revision`, in the transaction of `connection`."""
    database.upgrade(connection, Path(__file__).with_name("migrations"), revision)


TABLES = database.Tables(
    title="the studio's database",
    error=StudioError,
    newest=HEAD,
    lock=0x57D10,
    found=lambda connection: database.alembic_version(connection, VERSION_TABLE),
    bring=upgrade,
    expires=False,
)


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
