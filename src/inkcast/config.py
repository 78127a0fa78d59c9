"""Every setting, each an environment variable `INKCAST_…`; nothing else is read from the environment here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from inkcast.errors import UsageError

PREFIX = "INKCAST_"


def data_folder() -> Path:
    """Where this platform keeps a program's data for one user."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Inkcast"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "Inkcast"
    shared = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification: a relative XDG_DATA_HOME is invalid and to be ignored.
    return (Path(shared) if os.path.isabs(shared) else Path.home() / ".local" / "share") / "inkcast"


class Settings(BaseSettings):
    """What a person may set once for all runs. Sizes are in the unit the name ends with."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")

    home: Path = Field(
        default_factory=data_folder, description="Folder of the cast library: its database and its pictures."
    )
    database_url: str = Field(
        default="",
        repr=False,  # may hold a password
        description="SQLAlchemy URL of the cast library's database, such as postgresql+psycopg://user@host/name; "
        "without it, cast.sqlite3 in the home folder.",
    )
    picture_megabytes: float = Field(default=64, gt=0, description="Largest picture file that is opened.")
    picture_megapixels: float = Field(default=64, gt=0, description="Most pixels a picture may have, in millions.")
    picture_min_side: int = Field(default=16, ge=1, description="Shortest side a picture may have, in pixels.")
    picture_max_side: int = Field(default=16384, ge=1, description="Longest side a picture may have, in pixels.")
    picture_aspect: float = Field(default=12, ge=1, description="Most times a picture may be longer than it is wide.")
    character_megabytes: float = Field(
        default=512, gt=0, description="Largest character file that is imported, as it is when unpacked."
    )


def settings() -> Settings:
    """The settings as the environment has them now.

    Raises:
        UsageError: a variable holds a value that its setting cannot take.
    """
    try:
        found = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise UsageError(f"setting {name} is {str(first['input'])[:80]!r}: {reason}") from error
    return found.model_copy(update={"home": found.home.expanduser().absolute()})
