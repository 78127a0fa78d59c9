"""The cast: who is in the library, and the form that adds or changes somebody."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from inkcast.app.context import Studio, User
from inkcast.app.web.cards import Card, cards, cards_value
from inkcast.app.web.designer import designer_form
from inkcast.app.web.drafts import Draft, drafts_of, save_character, split_aliases
from inkcast.app.web.learning import learning_panel
from inkcast.app.web.pictures import data_uri
from inkcast.app.web.references import reference_form
from inkcast.app.web.told import told
from inkcast.cast.record import Entry, Words
from inkcast.cast.store import CastLibrary
from inkcast.errors import InkcastError, UsageError

PRONOUNS = [("not said", ""), ("she", "she"), ("he", "he"), ("they", "they"), ("it", "it")]


@dataclass(frozen=True)
class CastTab:
    """What the other tabs need: the library's cards, and the state that changes when the library does."""

    library: Any
    changed: Any
    load: Callable[[gr.Request], Any]


def cast_tab(studio: Studio) -> CastTab:
    changed = gr.State(0)
    known = gr.State("")
    with gr.Row(elem_classes="ink-split"):
        with gr.Column(scale=4, min_width=300):
            gr.Markdown("### Library")
            library = cards("The characters of your library", "cast-library", "ink-people")
            with gr.Row():
                new = gr.Button("New character", variant="primary", elem_id="cast-new")
                remove = gr.Button("Remove from library", elem_id="cast-remove", variant="stop")
        with gr.Column(scale=7, min_width=320):
            heading = gr.Markdown("### New character", elem_id="cast-heading")
            with gr.Group():
                with gr.Row():
                    name = gr.Textbox(value="", label="Name", placeholder="Ann Lee", elem_id="cast-name")
                    pronouns = gr.Dropdown(PRONOUNS, value="", label="Pronoun", elem_id="cast-pronouns")
                with gr.Row():
                    aliases = gr.Textbox(
                        value="",
                        label="Other names",
                        placeholder="Annie, Doctor Lee",
                        info="As a story may call them, by commas",
                    )
                    description = gr.Textbox(
                        value="",
                        label="What they are",
                        placeholder="a girl",
                        info="A noun for the prompt, and what stays",
                        lines=1,
                    )
            with gr.Tabs():
                with gr.Tab("Pictures", id="pictures"):
                    form = reference_form()
                with gr.Tab("Design a toon", id="design"):
                    designed = designer_form(form, name, description)
            with gr.Group():
                real = gr.Checkbox(label="The pictures show a real person", elem_id="cast-real")
                consent = gr.Textbox(
                    value="",
                    label="Why these pictures may be used",
                    placeholder="drawn by me; or: signed release of 1 May 2026",
                    info="Needed for a real person; kept with each picture and exported with the character",
                    elem_id="cast-consent",
                )
            save = gr.Button("Save character", variant="primary", elem_id="cast-save")
            saved = gr.Markdown("", elem_id="cast-saved", elem_classes="ink-note")
            learning_panel(studio, known, library, lambda user, name: shown_library(studio.library(user), name))

    words = [name, pronouns, aliases, description, real, consent]
    fields = [known, heading, *words, *form.outputs]

    def show(entry: Entry | None, drafts: tuple[Draft, ...]) -> list[Any]:
        if entry is None:
            return ["", "### New character", "", "", "", "", False, "", *form.values((), 0)]
        told_why = next((each.consent for each in entry.references if each.consent), "")
        shown = [entry.name, entry.pronouns, ", ".join(entry.aliases), entry.description, False, told_why]
        return [entry.name, f"### {entry.name}", *shown, *form.values(drafts, 0)]

    @told
    def choose(request: gr.Request, event: gr.EventData) -> list[Any]:
        mine = studio.library(studio.user(request))
        name = mine.name_of(str(event.value))
        return [*show(mine.entry(name), drafts_of(mine, name)), ""]

    @told
    def begin() -> list[Any]:
        return [*show(None, ()), ""]

    @told
    def keep(request: gr.Request, count: int, known: str, drafts: tuple[Draft, ...], *given: Any) -> list[Any]:
        mine = studio.library(studio.user(request))
        name, pronouns, aliases, description, real, consent = given
        if not name.strip():
            raise UsageError("the character has no name: write one in the field Name")
        words = Words(name, split_aliases(aliases), pronouns or "", description)
        entry = save_character(mine, words, drafts, known=known, consent=consent, real_person=real)
        note = f"Saved. {entry.name} has {len(entry.references)} picture{'s' * (len(entry.references) != 1)}."
        return [*show(entry, drafts_of(mine, entry.name)), note, library_value(mine, entry.id), count + 1]

    @told
    def forget(request: gr.Request, count: int, known: str) -> list[Any]:
        mine = studio.library(studio.user(request))
        if not known:
            raise UsageError("nobody is chosen: choose somebody of the library first")
        entry = mine.remove(known)
        return [*show(None, ()), f"{entry.name} was removed.", library_value(mine), count + 1]

    library.select(choose, None, [*fields, saved], show_progress="hidden")
    new.click(begin, None, [*fields, saved], show_progress="hidden")
    save.click(keep, [changed, known, form.drafts, *words], [*fields, saved, library, changed], show_progress="minimal")
    remove.click(
        forget,
        [changed, known],
        [*fields, saved, library, changed],
        show_progress="minimal",
        js="(count, known) => { if (known && !confirm(`Remove ${known} and all pictures of them?`)) "
        "throw new Error('kept'); return [count, known]; }",
    )
    designed(form)

    def load(request: gr.Request) -> Any:
        return library_value(studio.library(studio.user(request)))

    return CastTab(library, changed, load)


def library_value(library: CastLibrary, chosen: str = "") -> dict[str, Any]:
    """The library as cards."""
    return cards_value(
        [card(library, entry) for entry in library.entries()],
        chosen,
        title="Nobody here yet",
        advice="Drop pictures of a character on the right, or design a toon; give a name, and save.",
    )


def shown_library(library: CastLibrary, name: str) -> dict[str, Any]:
    """The library as cards, the character of that name chosen."""
    return library_value(library, next((entry.id for entry in library.entries() if entry.name == name), ""))


def card(library: CastLibrary, entry: Entry) -> Card:
    count = len(entry.references)
    learned = any(identity.engine == "stable-identity" for identity in entry.identities)
    return Card(
        entry.id,
        entry.name,
        face_of(library, entry),
        f"{entry.name}, {entry.description or 'a character'}",
        f"{count} picture{'s' * (count != 1)}",
        "face learned" if learned else "",
    )


def face_of(library: CastLibrary, entry: Entry, side: int = 192) -> str:
    """The first picture as a data address; empty where it is gone, which the form says when the card is chosen."""
    try:
        references = library.record(entry.name).references
    except InkcastError:
        return ""
    if not references:
        return ""
    with Image.open(io.BytesIO(references[0].picture)) as picture:
        return data_uri(picture, side)


def cast_names(studio: Studio, user: User) -> list[str]:
    return [entry.name for entry in studio.library(user).entries()]
