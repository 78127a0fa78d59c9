"""A panel's words: what it shows and says, lettered as they are typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from inkcast.app.context import Studio, User
from inkcast.app.project import Project
from inkcast.app.web.lettering import pages_html
from inkcast.app.web.opened import Opened, bump
from inkcast.app.web.panel_facts import edited, number_of, panel_of
from inkcast.app.web.script_rows import dialogue_text, who_text
from inkcast.app.web.told import told
from inkcast.errors import InkcastError


@dataclass(frozen=True)
class PanelWords:
    """`outputs` take what `show` makes of a panel; `keep` saves what the `fields` hold."""

    outputs: tuple[Any, ...]
    fields: tuple[Any, ...]
    show: Callable[[User, Project, str], list[Any]]
    keep: Callable[..., None]


def panel_words(studio: Studio, opened: Opened) -> PanelWords:
    shows = gr.Textbox(value="", label="Shows", lines=2, elem_id="panel-shows")
    who = gr.Textbox(value="", label="Who", info="Names by semicolon; an action in brackets", elem_id="panel-who")
    dialogue = gr.Textbox(
        value="",
        label="Dialogue",
        lines=2,
        placeholder="Ann Lee: Come in!\nRolf (whisper): Hush",
        elem_id="panel-dialogue",
    )
    with gr.Row():
        caption = gr.Textbox(value="", label="Caption", min_width=140, elem_id="panel-caption")
        effects = gr.Textbox(
            value="", label="Sound effects", placeholder="WHOOSH", min_width=120, elem_id="panel-effects"
        )
    save = gr.Button("Save the words", size="sm", elem_id="panel-save")
    with gr.Accordion("Its page, lettered", open=False, elem_id="panel-lettered") as accordion:
        page = gr.HTML(elem_id="panel-page")
    fields = (shows, who, dialogue, caption, effects)

    def show(user: User, project: Project, panel_id: str) -> list[Any]:
        panel = panel_of(project, panel_id)
        if panel is None:
            return ["", "", "", "", "", ""]
        script = panel.script
        return [
            script.description,
            "; ".join(who_text(one) for one in script.characters),
            dialogue_text(script),
            script.caption,
            ", ".join(script.effects),
            "",
        ]

    def keep(user: User, project: str, panel_id: str, *given: str) -> None:
        mine = studio.projects(user)
        panel = mine.get(project).panels[number_of(mine.get(project), panel_id) - 1]
        changed = edited(panel.script, *given)
        if changed != panel.script:
            mine.set_panel(project, panel_id, changed)

    def lettered(user: User, project_id: str, panel_id: str, *given: str) -> str:
        mine = studio.projects(user)
        project = mine.get(project_id)
        index = number_of(project, panel_id) - 1
        panels = list(project.script.panels)
        panels[index] = edited(panels[index], *given)
        script = project.script.model_copy(update={"panels": tuple(panels)})
        return pages_html(script, mine.drawn(project_id), project, only=index)

    @told
    def keep_words(request: gr.Request, project: str, panel_id: str, *given: str) -> list[Any]:
        user = studio.user(request)
        keep(user, project, panel_id, *given)
        return [lettered(user, project, panel_id, *given), bump()]

    @told
    def letter(request: gr.Request, project: str, panel_id: str, *given: str) -> str:
        return lettered(studio.user(request), project, panel_id, *given)

    def letter_while_typing(request: gr.Request, project: str, panel_id: str, *given: str) -> Any:
        """Half-typed words may be no panel yet: then the page stays as it is."""
        try:
            return lettered(studio.user(request), project, panel_id, *given)
        except InkcastError:
            return gr.skip()

    here = [opened.project, opened.panel, *fields]
    save.click(keep_words, here, [page, opened.tick], show_progress="hidden")
    accordion.expand(letter, here, [page], show_progress="hidden")
    for field in (dialogue, caption, effects):
        field.input(letter_while_typing, here, [page], show_progress="hidden", trigger_mode="always_last")
    return PanelWords((*fields, page), fields, show, keep)
