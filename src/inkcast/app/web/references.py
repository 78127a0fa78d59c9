"""A character's pictures on the form: dropped, cropped, and seen as an engine will see them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from inkcast.app.web.boxes import NamedBox, box_editor, boxes_value, read_boxes
from inkcast.app.web.cards import Card, cards, cards_value
from inkcast.app.web.drafts import Draft, layers_of, painted, read_drafts, seen, with_boxes
from inkcast.app.web.opened import QUIET, SAVING, unseen
from inkcast.app.web.pictures import data_uri, empty, img, tinted
from inkcast.app.web.told import told
from inkcast.errors import UsageError

CROP, FACE = "Crop", "Face"
VIEWS = ["front", "side", "back", "close-up"]
SHEETS = 3  # are kept: the one that is seen, and those that events may still wait to change


@dataclass
class Sheet:
    """A form: the character of the library that it is about, none for a new one, and its pictures."""

    known: str = ""
    drafts: tuple[Draft, ...] = ()


@dataclass
class Sheets:
    """A session's forms by their ids, the newest last, and which of them, with which of its pictures, is `seen`: an
    event says which form it is about, and is answered to that one or not at all.
    """

    sheets: dict[str, Sheet] = field(default_factory=lambda: {"": Sheet()})
    seen: tuple[str, str] = ("", "")

    def open(self, known: str = "", drafts: Sequence[Draft] = ()) -> str:
        """The id of a new form, which is shown from now on."""
        made = secrets.token_hex(4)
        self.sheets[made] = Sheet(known, tuple(drafts))
        for old in list(self.sheets)[:-SHEETS]:
            del self.sheets[old]
        self.seen = (made, "")
        return made

    def sheet(self, sheet: str) -> Sheet:
        """Raises UsageError for one that was left long ago."""
        if sheet not in self.sheets:
            raise UsageError("others were opened since: choose the character again, and do it once more")
        return self.sheets[sheet]

    def draft(self, sheet: str, picture: str) -> Draft:
        """Raises UsageError for a picture that is not there any more."""
        found = next((draft for draft in self.sheet(sheet).drafts if draft.id == picture), None)
        if found is None:
            raise UsageError("this picture was taken away: choose another one")
        return found

    def put(self, sheet: str, draft: Draft) -> None:
        """Puts a picture in the place of what it was."""
        self.sheet(sheet).drafts = tuple(draft if one.id == draft.id else one for one in self.sheet(sheet).drafts)


@dataclass(frozen=True)
class ReferenceForm:
    """`outputs` take what `values` makes of a form's pictures, one of them shown; `sheets` is the state with all forms,
    `sheet` has the id of the one that is shown.
    """

    sheets: Any
    sheet: Any
    outputs: tuple[Any, ...]

    def values(self, sheets: Sheets, sheet: str, picture: str = "") -> list[Any]:
        """Cards of the pictures, which of them is shown (the first, if there is none of that id), the box editor, what
        an engine takes, the canvas, view, outfit, visibility; nothing where another form is shown by now.
        """
        if sheets.seen[0] != sheet:
            return [gr.skip()] * len(self.outputs)
        kept = sheets.sheet(sheet).drafts
        place = next((number for number, one in enumerate(kept) if one.id == picture), 0)
        items = [
            Card(draft.id, draft.view, data_uri(draft.shown, 128), f"picture {number + 1}: {draft.name}")
            for number, draft in enumerate(kept)
        ]
        if not kept:
            nothing = empty("No picture yet", "Drop one above. Whole, alone, on a plain ground is best.")
            return [cards_value([]), "", None, nothing, None, "front", "", gr.update(visible=False)]
        draft = kept[place]
        sheets.seen = (sheet, draft.id)
        marks = [NamedBox(CROP, draft.crop, "What is kept of the picture; none keeps all.")]
        marks.append(NamedBox(FACE, draft.face, "The face found. Moved, it is kept as a close-up too."))
        editor = boxes_value(draft.picture, f"picture {place + 1}, {draft.name}", marks)
        return [
            cards_value(items, draft.id),
            draft.id,
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
    sheets, sheet, picture = gr.State(Sheets()), unseen("cast-sheet"), unseen("cast-picture")
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
    form = ReferenceForm(sheets, sheet, (strip, picture, editor, cutout, canvas, view, outfit, details))
    _wire(form, drop, drop_one, add, cut, forget)
    return form


def _wire(form: ReferenceForm, drop: Any, drop_one: Any, add: Any, cut: Any, forget: Any) -> None:
    strip, picture, editor, cutout, canvas, view, outfit, _ = form.outputs
    outputs = list(form.outputs)

    @told
    def receive(sheets: Sheets, sheet: str, files: list[str] | None) -> list[Any]:
        fresh, refused = read_drafts(files or ())
        for reason in refused:
            gr.Warning(reason, title="Not taken", duration=20)
        sheets.sheet(sheet).drafts += fresh
        last = [draft.id for draft in fresh[:1] or sheets.sheet(sheet).drafts[-1:]]
        return [*form.values(sheets, sheet, *last), None]

    @told
    def choose(sheets: Sheets, sheet: str, event: gr.EventData) -> list[Any]:
        return form.values(sheets, sheet, str(event.value))

    @told
    def frame(sheets: Sheets, sheet: str, picture: str, value: Any) -> Any:
        boxes = read_boxes(value)
        draft = with_boxes(sheets.draft(sheet, picture), boxes.get(CROP), boxes.get(FACE))
        sheets.put(sheet, draft)
        return taken(draft) if sheets.seen == (sheet, picture) else gr.skip()

    @told
    def name_it(sheets: Sheets, sheet: str, picture: str, view: str, state: str) -> None:
        sheets.put(sheet, replace(sheets.draft(sheet, picture), view=view, state=state.strip()))

    @told
    def take_away(sheets: Sheets, sheet: str, picture: str) -> list[Any]:
        kept = sheets.sheet(sheet).drafts
        place = kept.index(sheets.draft(sheet, picture))
        sheets.sheet(sheet).drafts = (*kept[:place], *kept[place + 1 :])
        return form.values(sheets, sheet, *[draft.id for draft in kept[max(place - 1, 0) : place]])

    def changing(how: Callable[[Draft, Any], Draft]) -> Any:
        @told
        def change(sheets: Sheets, sheet: str, picture: str, painting: Any = None) -> list[Any]:
            sheets.put(sheet, how(sheets.draft(sheet, picture), painting))
            return form.values(sheets, sheet, sheets.seen[1])

        return change

    def paint(adding: bool) -> Any:
        def paint_it(draft: Draft, painting: Any) -> Draft:
            layers = layers_of(painting)
            if not any(layer.getbbox() for layer in layers):
                raise UsageError("nothing is painted yet: paint over the picture first")
            return painted(draft, layers, adding)

        return changing(paint_it)

    find_again = changing(lambda draft, _: replace(draft, mask=None))
    here = [form.sheets, form.sheet, picture]
    # What shows progress also shows an error over the form, and would keep hands off it.
    drop.upload(receive, [form.sheets, form.sheet, drop], [*outputs, drop], show_progress="minimal")
    strip.select(choose, [form.sheets, form.sheet], outputs, **SAVING)
    editor.input(frame, [*here, editor], [cutout], trigger_mode="always_last", **QUIET)
    for words in (view, outfit):
        words.input(name_it, [*here, view, outfit], None, trigger_mode="always_last", **QUIET)
    drop_one.click(take_away, here, outputs, **QUIET)
    add.click(paint(True), [*here, canvas], outputs, **QUIET)
    cut.click(paint(False), [*here, canvas], outputs, **QUIET)
    forget.click(find_again, here, outputs, **QUIET)
