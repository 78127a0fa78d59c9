"""Which project is open, and the tick that tells the tabs that it changed.

What an event acts on travels with it: ids, and what a form showed before it was edited, are components whose values the
browser sends as they are at the click. The server reads a session's state when an event begins, which may be after its
author went on to something else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import gradio as gr


@dataclass(frozen=True)
class Opened:
    """The open project's id, a number that differs after each change of the project, and the id of the panel that was
    chosen. Forms and pictures say themselves whose they are: answers about several panels may cross.
    """

    project: Any
    tick: Any
    panel: Any


def unseen(elem_id: str) -> Any:
    """A component for an id, or for JSON: nobody sees it, and the browser sends it."""
    return gr.Textbox(visible="hidden", elem_id=elem_id)


def bump() -> int:
    """A new value for `Opened.tick`."""
    return time.monotonic_ns()
