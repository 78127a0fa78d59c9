"""Pictures with a name under each, to choose one from, by mouse or keys; the value is what `cards_value` makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import gradio as gr


@dataclass(frozen=True)
class Card:
    """`src` is a picture's address (a data address, or the API's); empty: none yet, and `blank` stands there instead.
    `badge` is a word in its corner.
    """

    id: str
    title: str
    src: str = ""
    alt: str = ""
    sub: str = ""
    badge: str = ""
    blank: str = ""


def cards_value(cards: Sequence[Card], chosen: str = "", *, title: str = "", advice: str = "") -> dict[str, Any]:
    """What the component shows; `title` and `advice` stand there where there is no card."""
    return {"items": [asdict(card) for card in cards], "chosen": chosen, "empty": [title, advice]}


def chosen_of(value: Any) -> str:
    return str((value or {}).get("chosen", ""))


def cards(label: str, elem_id: str, kind: str = "") -> Any:
    """The component; it triggers `select` with the card's id as `value`. `kind` is a class for its look."""
    script = resources.files("inkcast.app.web").joinpath("cards.js").read_text(encoding="utf-8")
    return gr.HTML(
        None,
        label=label,
        html_template='<div class="ink-cards" role="group"></div>',
        js_on_load=f"const title = {label!r};\n{script}",
        elem_id=elem_id,
        elem_classes=["ink-cards-host", kind] if kind else "ink-cards-host",
    )
