"""Signals that ask a run to stop, heard between updates."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass
class Stop:
    is_set: bool = False


@contextlib.contextmanager
def stopping() -> Iterator[Stop]:
    """Lets SIGTERM and SIGINT ask for a stop instead of tearing an update apart; a second one acts at once."""
    stop, before = Stop(), dict[signal.Signals, Any]()

    def ask(number: int, frame: Any) -> None:
        stop.is_set = True
        signal.signal(number, before[signal.Signals(number)])

    for kind in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError):  # not the main thread
            before[kind] = signal.signal(kind, ask)
    try:
        yield stop
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
