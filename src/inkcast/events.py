"""What long work tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` in a stage, such as "cast" (characters) or "panels" (sampling steps of all panels)."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Note:
    """Something an author should know that stops nothing: an ambiguous name, a prompt that was cut."""

    text: str


Event = Progress | Note
Report = Callable[[Event], None]


def unheard(event: Event) -> None:
    """A report to nobody."""


def counted(report: Report, stage: str, total: int) -> Callable[[int], None]:
    """Called with how many more are done, tells how far the stage is."""
    done = 0

    def more(count: int) -> None:
        nonlocal done
        done += count
        report(Progress(stage, done, total))

    return more
