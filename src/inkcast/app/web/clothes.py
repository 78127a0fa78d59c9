"""Other clothes for somebody in one panel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from inkcast.app.context import Studio, User
from inkcast.app.project import Project
from inkcast.app.web.opened import Opened, bump
from inkcast.app.web.panel_facts import USUAL, dressed, number_of, outfits, panel_of, worn
from inkcast.app.web.told import told
from inkcast.cast.record import Entry
from inkcast.errors import CastError


@dataclass(frozen=True)
class ClothesForm:
    """`outputs` take what `show` makes of a panel."""

    outputs: tuple[Any, ...]
    show: Callable[[User, Project, str], list[Any]]


def clothes_form(studio: Studio, opened: Opened, whose: Any) -> ClothesForm:
    """`whose` is the component with the id of the panel that the form is about."""
    with gr.Accordion("Other clothes", open=False, elem_id="panel-clothes"):
        with gr.Row():
            who = gr.Dropdown(label="Who", min_width=120, elem_id="panel-clothes-who")
            what = gr.Dropdown([USUAL], value="", label="Wears", min_width=140, elem_id="panel-clothes-what")
        gr.Markdown(
            "Outfits are those of the character's pictures. Another's clothes need the engine **story-maker**.",
            elem_classes="ink-note",
        )

    def show(user: User, project: Project, panel_id: str) -> list[Any]:
        panel = panel_of(project, panel_id)
        names = [one.name for one in panel.script.characters] if panel else []
        if panel is None or not names:
            return [gr.update(choices=[], value=None), gr.update(choices=[USUAL], value="")]
        return [
            gr.update(choices=names, value=names[0]),
            gr.update(choices=outfits(names[0], members(user, project)), value=worn(panel.script, names[0])),
        ]

    def members(user: User, project: Project) -> list[Entry]:
        """The project's cast, as far as the library still has it."""
        library, found = studio.library(user), []
        for name in project.cast:
            try:
                found.append(library.entry(name))
            except CastError:
                continue
        return found

    @told
    def choose(request: gr.Request, project_id: str, panel_id: str, name: str) -> Any:
        user = studio.user(request)
        project = studio.projects(user).get(project_id)
        panel = project.panels[number_of(project, panel_id) - 1]
        return gr.update(choices=outfits(name, members(user, project)), value=worn(panel.script, name))

    @told
    def dress(request: gr.Request, project_id: str, panel_id: str, name: str, choice: str) -> Any:
        mine = studio.projects(studio.user(request))
        project = mine.get(project_id)
        panel = project.panels[number_of(project, panel_id) - 1]
        mine.set_panel(project_id, panel_id, dressed(panel.script, name, choice or ""))
        return bump()

    here = [opened.project, whose, who]
    who.input(choose, here, [what], show_progress="hidden")
    what.input(dress, [*here, what], [opened.tick], show_progress="hidden")
    return ClothesForm((who, what), show)
