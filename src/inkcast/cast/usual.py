"""The cast library that a person has, asked for by what needs one only if it is there."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inkcast.cast.store import CastLibrary


def usual_library() -> AbstractContextManager[CastLibrary] | None:
    """The one that the settings name, if there is one."""
    from inkcast.cast.store import library_exists, open_library

    return open_library() if library_exists() else None
