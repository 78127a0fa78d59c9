"""A picture with boxes on it that can be dragged, or typed as numbers; the value is what `boxes_value` makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import gradio as gr
from PIL import Image

from inkcast.app.web.pictures import data_uri
from inkcast.story.script import Box

COLOURS = ("#c43a23", "#1f6fb2", "#217a3f", "#8a4fb0", "#8f5f08", "#0b7577")  # white letters stand out on each


@dataclass(frozen=True)
class NamedBox:
    """`box` is x0, y0, x1, y1 as fractions of the picture; None where there is none yet. `hint` says what it does."""

    name: str
    box: Box | None = None
    hint: str = ""


def boxes_value(picture: Image.Image | None, alt: str, boxes: Sequence[NamedBox]) -> dict[str, Any]:
    """What the component shows: boxes on the picture, or on a blank that says `alt`."""
    return {
        "src": data_uri(picture, 768) if picture else "",
        "alt": alt,
        "boxes": [
            {"name": one.name, "box": list(one.box) if one.box else None, "hint": one.hint, "colour": colour(index)}
            for index, one in enumerate(boxes)
        ],
    }


def colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def read_boxes(value: Any) -> dict[str, Box | None]:
    """The boxes by name as a browser sent them; what is no box of the picture is none."""
    found: dict[str, Box | None] = {}
    for one in (value or {}).get("boxes", []):
        found[str(one.get("name", ""))] = as_box(one.get("box"))
    return found


def as_box(given: Any) -> Box | None:
    try:
        x0, y0, x1, y1 = (min(max(float(part), 0.0), 1.0) for part in given)
    except (TypeError, ValueError):
        return None
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def box_editor(label: str, elem_id: str) -> Any:
    """The component; it triggers `input` when a box was moved, typed or removed."""
    script = resources.files("inkcast.app.web").joinpath("boxes.js").read_text(encoding="utf-8")
    return gr.HTML(
        None,
        label=label,
        html_template='<div class="ink-boxes" role="group"></div>',
        js_on_load=f"const title = {label!r};\n{script}",
        elem_id=elem_id,
        elem_classes="ink-boxes-host",
    )
