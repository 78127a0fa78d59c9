"""Lists in parts: each names the cursor of the next."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from inkcast.errors import UsageError

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=200, description="Most entries to answer with.")]
Cursor = Annotated[str, Query(max_length=4000, description="`next` of the part before; empty for the first.")]


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    next: str | None = Field(default=None, description="The `cursor` of the next part; null at the end.")


def part(items: Sequence[Item], key: Callable[[Item], tuple[Any, ...]], limit: int, cursor: str) -> Page[Item]:
    """The first `limit` of `items`, which ascend by `key`, behind the item that `cursor` names (gone or not).

    Raises:
        UsageError: the cursor is not one of ours.
    """
    after = _opened(cursor) if cursor else None
    try:
        rest = [item for item in items if after is None or key(item) > after]
    except TypeError as error:
        raise UsageError("cursor is not one that this list gave: start without one") from error
    shown = rest[:limit]
    more = len(rest) > len(shown)
    return Page(items=shown, next=_closed(key(shown[-1])) if more else None)


def _closed(key: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _opened(cursor: str) -> tuple[Any, ...]:
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise UsageError("cursor is not one that this list gave: start without one") from error
    if not isinstance(found, list):
        raise UsageError("cursor is not one that this list gave: start without one")
    return tuple(found)
