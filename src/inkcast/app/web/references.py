"""A character's pictures on the form: dropped, cropped, and seen as an engine will see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from inkcast.app.web.boxes import NamedBox, box_editor, boxes_value, read_boxes
from inkcast.app.web.cards import Card, cards, cards_value
from inkcast.app.web.drafts import Draft, layers_of, painted, read_drafts, seen, with_boxes
from inkcast.app.web.pictures import data_uri, empty, img, tinted
from inkcast.app.web.told import told
from inkcast.errors import UsageError

CROP, FACE = "Crop", "Face"
VIEWS = ["front", "side", "back", "close-up"]


@dataclass(frozen=True)
class ReferenceForm:
    """`outputs` take what `values` makes of some drafts, the one at `place` shown."""

    drafts: Any
    outputs: tuple[Any, ...]

    def values(self, drafts: Sequence[Draft], place: int) -> list[Any]:
        """drafts, their cards, place, the box editor, what an engine takes, the canvas, view, outfit, visibility."""
        kept = tuple(drafts)
        items = [
            Card(str(number), draft.view, data_uri(draft.shown, 128), f"picture {number + 1}: {draft.name}")
            for number, draft in enumerate(kept)
        ]
        strip = cards_value(items, str(place))
        if not kept:
            nothing = empty("No picture yet", "Drop one above. Whole, alone, on a plain ground is best.")
            return [kept, strip, 0, None, nothing, None, "front", "", gr.update(visible=False)]
        draft = kept[place]
        marks = [NamedBox(CROP, draft.crop, "What is kept of the picture; none keeps all.")]
        marks.append(NamedBox(FACE, draft.face, "The face found. Moved, it is kept as a close-up too."))
        editor = boxes_value(draft.picture, f"picture {place + 1}, {draft.name}", marks)
        return [
            kept,
            strip,
            place,
            editor,
            taken(draft),
            draft.picture,
            draft.view,
            draft.state,
            gr.update(visible=True),
        ]


def taken(draft: Draft) -> str:
    """What an engine will take of the picture, as HTML."""
    found = seen(draft)
    share = f"{found.mask.mean():.0%} of the picture"
    face = "A face was found." if draft.face else "No face was found: add its box, if there is one."
    picture = img(
        tinted(draft.shown, found.mask), f"the part taken for the character: {share}; the rest is veiled", 360
    )
    return f'<figure class="ink-taken">{picture}<figcaption>Cut out {found.how}: {share}. {face}</figcaption></figure>'


def reference_form() -> ReferenceForm:
    drafts = gr.State(())
    place = gr.State(0)
    drop = gr.File(
        label="Drop pictures of the character here",
        file_count="multiple",
        file_types=["image"],
        height=120,
        elem_id="cast-drop",
    )
    strip = cards("The character's pictures", "cast-pictures", "ink-strip")
    with gr.Column(visible=False, elem_id="cast-reference") as details:
        with gr.Row():
            with gr.Column(min_width=280):
                editor = box_editor("Crop and face", "cast-boxes")
            with gr.Column(min_width=220):
                cutout = gr.HTML(elem_id="cast-cutout")
                view = gr.Radio(VIEWS, value="front", label="What the picture shows")
                outfit = gr.Textbox(value="", label="Outfit or age", placeholder="the usual one", elem_id="cast-outfit")
                drop_one = gr.Button("Take this picture away", size="sm")
        with gr.Accordion("Correct the cut-out by painting", open=False):
            canvas = gr.ImageEditor(
                label="Paint over the picture",
                elem_id="cast-canvas",
                type="pil",
                sources=[],
                transforms=[],
                brush=gr.Brush(default_size=24, colors=["#c43a23"], color_mode="fixed"),
                layers=False,
                height=360,
            )
            with gr.Row():
                add = gr.Button("This belongs to the character", size="sm")
                cut = gr.Button("This does not", size="sm")
                forget = gr.Button("Find it again", size="sm")
    form = ReferenceForm(drafts, (drafts, strip, place, editor, cutout, canvas, view, outfit, details))
    _wire(form, drop, drop_one, add, cut, forget)
    return form


def _wire(form: ReferenceForm, drop: Any, drop_one: Any, add: Any, cut: Any, forget: Any) -> None:
    drafts, strip, place, editor, cutout, canvas, view, outfit, _ = form.outputs
    outputs = list(form.outputs)

    def changed(kept: tuple[Draft, ...], at: int, draft: Draft) -> tuple[Draft, ...]:
        return (*kept[:at], draft, *kept[at + 1 :])

    @told
    def receive(files: list[str] | None, kept: tuple[Draft, ...]) -> list[Any]:
        fresh, refused = read_drafts(files or ())
        for reason in refused:
            gr.Warning(reason, title="Not taken", duration=20)
        return [*form.values((*kept, *fresh), len(kept) if fresh else max(len(kept) - 1, 0)), None]

    @told
    def choose(kept: tuple[Draft, ...], event: gr.EventData) -> list[Any]:
        return form.values(kept, int(event.value))

    @told
    def frame(kept: tuple[Draft, ...], at: int, value: Any) -> list[Any]:
        boxes = read_boxes(value)
        draft = with_boxes(kept[at], boxes.get(CROP), boxes.get(FACE))
        return [changed(kept, at, draft), taken(draft)]

    @told
    def name_it(kept: tuple[Draft, ...], at: int, view: str, state: str) -> tuple[Draft, ...]:
        return changed(kept, at, replace(kept[at], view=view, state=state.strip())) if kept else kept

    @told
    def take_away(kept: tuple[Draft, ...], at: int) -> list[Any]:
        return form.values((*kept[:at], *kept[at + 1 :]), max(at - 1, 0))

    def paint(adding: bool) -> Any:
        @told
        def paint_it(kept: tuple[Draft, ...], at: int, painting: Any) -> list[Any]:
            layers = layers_of(painting)
            if not any(layer.getbbox() for layer in layers):
                raise UsageError("nothing is painted yet: paint over the picture first")
            return form.values(changed(kept, at, painted(kept[at], layers, adding)), at)

        return paint_it

    @told
    def find_again(kept: tuple[Draft, ...], at: int) -> list[Any]:
        return form.values(changed(kept, at, replace(kept[at], mask=None)), at)

    # What shows progress also shows an error over the form, and would keep hands off it.
    drop.upload(receive, [drop, drafts], [*outputs, drop], show_progress="minimal")
    strip.select(choose, [drafts], outputs, show_progress="hidden")
    editor.input(frame, [drafts, place, editor], [drafts, cutout], show_progress="hidden", trigger_mode="always_last")
    for words in (view, outfit):
        words.input(name_it, [drafts, place, view, outfit], [drafts], show_progress="hidden")
    drop_one.click(take_away, [drafts, place], outputs, show_progress="hidden")
    add.click(paint(True), [drafts, place, canvas], outputs, show_progress="hidden")
    cut.click(paint(False), [drafts, place, canvas], outputs, show_progress="hidden")
    forget.click(find_again, [drafts, place], outputs, show_progress="hidden")
