"""A toon character drawn live from choices."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from PIL import Image

from inkcast.app.web.drafts import Draft, with_face
from inkcast.app.web.pictures import img
from inkcast.app.web.references import ReferenceForm
from inkcast.app.web.told import told
from inkcast.images import encode_png
from inkcast.toon.captions import describe, with_article
from inkcast.toon.design import design
from inkcast.toon.renderer import reference_sheet
from inkcast.toon.world import ATTRIBUTES, COLORS, KINDS, THINGS, VIEWS, Subject, Thing, choices

LABELS = {
    "kind": "Kind",
    "body": "Skin or fur",
    "face": "Face",
    "hair": "Hair or ears",
    "hair_color": "Hair colour",
    "eyes": "Eyes",
    "top": "Top",
    "pattern": "Pattern of the top",
    "bottom": "Bottom",
    "bottom_color": "Colour of the bottom",
    "accessory": "Accessory",
    "color": "Colour",
    "trim": "Trim",
}
OPEN = ("by chance", "")
SIDE = 256


def subject_of(chance: str, given: Mapping[str, str]) -> Subject:
    """The design: what is given and the kind allows, the rest by `chance`."""
    kind = given.get("kind", "")
    wanted = {key: value for key, value in given.items() if value}
    if kind in THINGS:
        allowed: dict[str, tuple[str, ...]] = {"kind": THINGS, "color": tuple(COLORS), "trim": tuple(COLORS)}
    else:
        kind = kind or design(chance, {}).kind
        allowed = {"kind": KINDS, **{attribute: choices(attribute, kind) for attribute in ATTRIBUTES[1:]}}
        wanted["kind"] = kind
    return design(chance, {key: value for key, value in wanted.items() if value in allowed.get(key, ())})


def sheets(subject: Subject) -> tuple[Draft, ...]:
    """Reference pictures of a design: front, side and back of a figure, a thing once."""
    views = VIEWS[:1] if isinstance(subject, Thing) else VIEWS
    made = []
    for view in views:
        picture = Image.fromarray(reference_sheet(subject, SIDE, view).image)
        made.append(with_face(Draft(encode_png(picture), f"toon, {view}", picture, view=view)))
    return tuple(made)


def portrait(subject: Subject, view: str) -> str:
    picture = Image.fromarray(reference_sheet(subject, SIDE, view).image)
    words = describe(subject)
    return f'<figure class="ink-portrait">{img(picture, words, 384)}<figcaption>{words}</figcaption></figure>'


def noun(subject: Subject) -> str:
    """ "a girl", "an alien": what the prompt calls the design."""
    return with_article(subject.kind)


def choices_for(kind: str, attribute: str) -> list[tuple[str, str]]:
    """What a list of choices offers for a kind; a thing has colours only."""
    values = tuple(COLORS) if attribute in ("color", "trim") else choices(attribute, kind or None)
    return [OPEN, *((value, value) for value in values)]


def designer_form(form: ReferenceForm, name: Any, description: Any) -> Callable[[ReferenceForm], None]:
    """Builds the form; the function it returns wires it to the pictures, once those stand."""
    chance = gr.State("Mira")
    lists: dict[str, Any] = {}
    with gr.Row(elem_classes="ink-designer"):
        with gr.Column(scale=3, min_width=240):
            kinds = [OPEN, *((kind, kind) for kind in (*KINDS, *THINGS))]
            lists["kind"] = gr.Dropdown(kinds, value="girl", label=LABELS["kind"], elem_id="design-kind")
            with gr.Row():
                for attribute in (*ATTRIBUTES[1:], "color", "trim"):
                    lists[attribute] = gr.Dropdown(
                        choices_for("girl", attribute),
                        value="",
                        label=LABELS[attribute],
                        min_width=120,
                        visible=attribute not in ("color", "trim"),
                        elem_id=f"design-{attribute}",
                    )
        with gr.Column(scale=2, min_width=220):
            view = gr.Radio(list(VIEWS), value="front", label="Seen from", elem_id="design-view")
            live = gr.HTML(elem_id="design-live")
            again = gr.Button("Surprise me", elem_id="design-chance")
            use = gr.Button("Use these pictures", variant="primary", elem_id="design-use")

    names = list(lists)
    inputs = [chance, view, *lists.values()]

    def given(values: tuple[str, ...]) -> dict[str, str]:
        return {key: value or "" for key, value in zip(names, values, strict=True)}

    @told
    def draw(chance: str, view: str, *values: str) -> str:
        return portrait(subject_of(chance, given(values)), view)

    @told
    def fit(kind: str) -> list[Any]:
        """The lists show what the kind can have."""
        thing = kind in THINGS
        return [
            gr.update(
                choices=choices_for("" if thing else kind, key), value="", visible=(key in ("color", "trim")) == thing
            )
            for key in names[1:]
        ]

    @told
    def use_it(chance: str, view: str, kept: tuple[Draft, ...], name: str, noun_now: str, *values: str) -> list[Any]:
        subject = subject_of(chance, given(values))
        drafts = (*kept, *sheets(subject))
        return [*form.values(drafts, len(kept)), noun_now or noun(subject)]

    lists["kind"].input(fit, [lists["kind"]], list(lists.values())[1:], show_progress="hidden").then(
        draw, inputs, [live], show_progress="hidden"
    )
    for key, control in lists.items():
        if key != "kind":
            control.input(draw, inputs, [live], show_progress="hidden", trigger_mode="always_last")
    view.input(draw, inputs, [live], show_progress="hidden")
    again.click(lambda: secrets.token_hex(4), None, [chance], show_progress="hidden").then(
        draw, inputs, [live], show_progress="hidden"
    )

    def wire(form: ReferenceForm) -> None:
        use.click(
            use_it,
            [chance, view, form.drafts, name, description, *lists.values()],
            [*form.outputs, description],
            show_progress="minimal",
        )

    live.value = portrait(subject_of("Mira", {"kind": "girl"}), "front")
    return wire
