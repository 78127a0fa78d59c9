"""What the studio's parts share: who asks, and what is theirs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from inkcast.cast.database import Database
from inkcast.cast.store import CastLibrary
from inkcast.config import settings
from inkcast.database import failed
from inkcast.errors import NotFoundError

if TYPE_CHECKING:
    from inkcast.app.jobs import Jobs
    from inkcast.app.projects import Projects
    from inkcast.app.store import AppStore

LOCAL_ID = "local"
USERS = "users"
SCOPE_KEY = "inkcast.user"  # where the door leaves the user in a request's ASGI scope
_ID = re.compile(r"local|[0-9a-f]{32}")


@dataclass(frozen=True)
class User:
    """Somebody signed in. `id` owns things and may name folders: "local" or 32 hexadecimal digits, nobody's words."""

    id: str
    name: str


LOCAL = User(LOCAL_ID, "local")


@dataclass
class Studio:
    """One studio: its folder, and each user's cast library, kept open until `close`.

    `home` and `database_url` are as in the settings; `auth` says that people sign in. The local user's library is the
    command line's.
    """

    home: Path = field(default_factory=lambda: settings().home)
    database_url: str = field(default_factory=lambda: settings().database_url, repr=False)
    auth: bool = False
    _libraries: dict[str, tuple[Database, CastLibrary]] = field(default_factory=dict)
    _store: AppStore | None = None
    _lock: Lock = field(default_factory=Lock)

    def user(self, request: Any) -> User:
        """Who sends this request of FastAPI or Gradio, as `inkcast.app.door` found out.

        Raises:
            NotFoundError: the request came past the door, where nobody is anybody.
        """
        found = (getattr(request, "request", None) or request).scope.get(SCOPE_KEY)
        if not isinstance(found, User):
            raise NotFoundError("nobody is signed in: sign in again")
        return found

    def folder(self, owner: str) -> Path:
        """The folder of all that belongs to one user; it may not exist yet."""
        if not _ID.fullmatch(owner):
            raise NotFoundError("there is no such user")
        return self.home if owner == LOCAL_ID else self.home / USERS / owner

    def library(self, user: User) -> CastLibrary:
        """The user's cast library; not to be closed by whoever asks for it."""
        with self._lock:
            if user.id not in self._libraries:
                database = Database(self._library_url(user.id), self.folder(user.id))
                self._libraries[user.id] = database, CastLibrary(database)
            return self._libraries[user.id][1]

    def _library_url(self, owner: str) -> str:
        """The local user's is the settings'; others have a file in their folder, or a PostgreSQL schema."""
        if owner == LOCAL_ID or not self.database_url.startswith("postgresql"):
            return self.database_url if owner == LOCAL_ID else ""
        return schema_url(self.database_url, f"inkcast_{owner}")

    @property
    def store(self) -> AppStore:
        """The database of projects and jobs."""
        from inkcast.app.store import AppStore

        with self._lock:
            if self._store is None:
                self._store = AppStore(self.database_url, self.home)
            return self._store

    def projects(self, user: User) -> Projects:
        from inkcast.app.projects import Projects

        return Projects(self.store, user.id)

    def jobs(self, user: User) -> Jobs:
        from inkcast.app.jobs import Jobs

        return Jobs(self.store, user.id, self.library(user))

    def close(self) -> None:
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None
            for database, _ in self._libraries.values():
                database.close()
            self._libraries.clear()


def schema_url(url: str, schema: str) -> str:
    """The URL whose connections live in a schema of that PostgreSQL database, which is made if missing."""
    from sqlalchemy import create_engine, make_url, text

    parsed = make_url(url).set(drivername="postgresql+psycopg")
    engine = create_engine(parsed, connect_args={"connect_timeout": 10})
    try:
        with engine.begin() as connection:
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
    except DBAPIError as error:
        raise failed("a user's own library", parsed.render_as_string(), error) from error
    finally:
        engine.dispose()
    inside = parsed.update_query_dict({"options": f"-csearch_path={schema}"})
    return inside.render_as_string(hide_password=False)
