"""Which project is open, and the tick that tells the tabs that it changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Opened:
    """States of a session: the open project's id, a number that differs after each change of the project, and the id
    of the panel on the workbench.
    """

    project: Any
    tick: Any
    panel: Any


def bump() -> int:
    """A new value for `Opened.tick`."""
    return time.monotonic_ns()
