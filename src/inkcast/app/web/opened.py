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
    """The id of the project that was asked for, of the one that the forms are about, a number that differs after each
    change of that project, another that differs after undo and redo, and the id of the panel that was chosen. Forms and
    pictures say themselves whose they are: answers about several panels may cross.
    """

    wanted: Any
    project: Any
    tick: Any
    moved: Any
    panel: Any


QUIET: dict[str, Any] = {"show_progress": "hidden"}
SAVING: dict[str, Any] = {**QUIET, "trigger_mode": "multiple"}
"""Of events that save: by itself, Gradio forgets an event while an earlier one of its kind waits."""


def unseen(elem_id: str, value: str = "") -> Any:
    """A component for an id, or for JSON: nobody sees it, and the browser sends it."""
    return gr.Textbox(value, visible="hidden", elem_id=elem_id)


def bump() -> int:
    """A new value for `Opened.tick`."""
    return time.monotonic_ns()
