"""Server-sent events, as the HTML standard defines their lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    name: str
    data: str
    id: str


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events in a stream's lines; comments are skipped, an event that is cut short is left out."""
    name, data, last = "", list[str](), ""
    for line in lines:
        if not line:
            if data:
                yield Event(name or "message", "\n".join(data), last)
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last = value
