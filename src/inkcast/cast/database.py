"""The cast library's database: its tables in SQLite or PostgreSQL, and the folder of its pictures.

Writers take turns, so that a picture stored and the row that names it are one step for every other process.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Connection
from sqlmodel import Session, select

from inkcast import database
from inkcast.cast.tables import LibraryRow
from inkcast.errors import CastError

HEAD = "0002"  # the newest migration
VERSION_TABLE = "cast_version"
FILE_NAME = "cast.sqlite3"


class Database:
    """An open, migrated database; `pictures` is the folder of its pictures.

    Raises:
        CastError: the URL is not one of SQLite or PostgreSQL, nothing answers there, or what answers is no cast
            library or one of a newer version.
    """

    def __init__(self, url: str, home: Path) -> None:
        parsed = database.parse_url(url, CastError) if url else database.sqlite_url(home / FILE_NAME)
        self._open = database.OpenDatabase(parsed, TABLES)
        self.pictures = self._picture_folder(home)

    def close(self) -> None:
        self._open.close()

    def reading(self) -> AbstractContextManager[Session]:
        """A session that sees one state of the library."""
        return self._open.reading()

    def writing(self) -> AbstractContextManager[Session]:
        """A session that is the only writer; commits at the end of the block, or rolls back."""
        return self._open.writing(turns=True)

    def __str__(self) -> str:
        return str(self._open)

    def _picture_folder(self, home: Path) -> Path:
        if self._open.is_sqlite:
            file = Path(str(self._open.url.database)).absolute()
            return file.with_name(f"{file.stem}-pictures")
        with self.reading() as session:
            return home / f"pictures-{session.exec(select(LibraryRow.id)).one()}"


def upgrade(connection: Connection, revision: str = HEAD) -> None:
    """Brings the tables to `revision`, in the transaction of `connection`."""
    database.upgrade(connection, Path(__file__).with_name("migrations"), revision)


TABLES = database.Tables(
    title="the cast library",
    error=CastError,
    newest=HEAD,
    lock=0x1CA57,
    found=lambda connection: database.alembic_version(connection, VERSION_TABLE),
    bring=upgrade,
    snapshots=True,
)
