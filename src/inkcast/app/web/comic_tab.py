"""The comic: its panels as they are drawn, one of them on the workbench, and its pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

import gradio as gr

from inkcast.app.context import Studio, User
from inkcast.app.project import Project
from inkcast.app.projects import Projects
from inkcast.app.web.cards import Card, cards, cards_value
from inkcast.app.web.drawing_bar import drawing_bar
from inkcast.app.web.opened import Opened, bump
from inkcast.app.web.pages_view import pages_view
from inkcast.app.web.pictures import small
from inkcast.app.web.told import told
from inkcast.app.web.workbench import workbench

HISTORY = 12
LATE = "(shown, chosen, late) => shown === chosen ? late : late + 1"
"""Counts the pictures that arrived after their author had chosen another panel."""


@dataclass(frozen=True)
class ComicTab:
    """`outputs` take what `show` makes of a project just opened; `moves` are undo and redo, which change other tabs."""

    outputs: tuple[Any, ...]
    show: Callable[[User, Project], list[Any]]
    moves: tuple[Any, ...]


def comic_tab(studio: Studio, opened: Opened) -> ComicTab:
    bar = drawing_bar(studio, opened)
    with gr.Tabs():
        with gr.Tab("Panels", id="panels"):
            strip = cards("Panels", "comic-panels", "ink-panels")
            bench = workbench(studio, opened, bar)
            with gr.Accordion("History", open=False, elem_id="comic-history"):
                with gr.Row():
                    undo = gr.Button("Undo", size="sm", elem_id="comic-undo")
                    redo = gr.Button("Redo", size="sm", elem_id="comic-redo")
                history = gr.HTML(elem_id="comic-revisions")
        with gr.Tab("Pages and export", id="pages") as pages_tab:
            pages = pages_view(studio, opened)

    late = gr.Number(0, visible="hidden")
    around = (strip, undo, redo, history)

    def view(user: User, project: Project, chosen: str) -> list[Any]:
        mine = studio.projects(user)
        return [
            strip_of(mine, project, chosen, drawing_since(user, project)),
            gr.update(interactive=project.can_undo),
            gr.update(interactive=project.can_redo),
            history_of(mine, project),
        ]

    def drawing_since(user: User, project: Project) -> float | None:
        """When the drawing of the whole comic began that is going on; in seconds since 1970."""
        newest = next((job for job in studio.jobs(user).list(project.id) if job.kind == "draw"), None)
        return None if newest is None or newest.final else newest.started

    def show(user: User, project: Project) -> list[Any]:
        drawing = bar.show(user, project.id)
        project = studio.projects(user).get(project.id)  # not older than what the bar has seen of the drawing
        first = project.panels[0].id if project.panels else ""
        return [
            first,
            *drawing,
            *view(user, project, first),
            *bench.words(user, project, first),
            *bench.sight(user, project, first),
        ]

    @told
    def refresh(request: gr.Request, project: str, panel: str, mapped: bool) -> list[Any]:
        user = studio.user(request)
        found = studio.projects(user).get(project)
        return [*view(user, found, panel), *bench.sight(user, found, panel, mapped)]

    @told
    def choose(request: gr.Request, project: str, mapped: bool, event: gr.EventData) -> list[Any]:
        user = studio.user(request)
        found, panel = studio.projects(user).get(project), str(event.value)
        return [panel, *bench.words(user, found, panel), *bench.sight(user, found, panel, mapped)]

    def moving(verb: str) -> Any:
        @told
        def move(request: gr.Request, project: str, panel: str) -> list[Any]:
            user = studio.user(request)
            found = getattr(studio.projects(user), verb)(project)
            return [*bench.words(user, found, panel), bump()]

        return move

    @told
    def letter(request: gr.Request, project: str) -> list[Any]:
        user = studio.user(request)
        return pages.show(user, studio.projects(user).get(project))

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    for event in (opened.tick.change, late.change):
        event(
            refresh,
            [opened.project, opened.panel, bench.mapped],
            [*around, *bench.pictures],
            trigger_mode="always_last",
            **quiet,
        )
    bench.whose.change(None, [bench.whose, opened.panel, late], [late], js=LATE)
    strip.select(choose, [opened.project, bench.mapped], [opened.panel, *bench.text, *bench.pictures], **quiet)
    moves = tuple(
        button.click(moving(verb), [opened.project, opened.panel], [*bench.text, opened.tick], **quiet)
        for button, verb in ((undo, "undo"), (redo, "redo"))
    )
    pages_tab.select(letter, [opened.project], list(pages.outputs), **quiet)
    outputs = (opened.panel, *bar.outputs, *around, *bench.text, *bench.pictures)
    return ComicTab(outputs, show, moves)


def strip_of(projects: Projects, project: Project, chosen: str, since: float | None) -> dict[str, Any]:
    """The panels as cards; while the comic is being drawn anew, those drawn `since` then show what they will be."""
    found = []
    for number, panel in enumerate(project.panels, 1):
        fresh = [one for one in panel.candidates if since is not None and one.drawn >= since]
        shown = fresh[-1] if fresh else panel.chosen
        picture = small(projects.picture(project.id, shown.picture), 256) if shown else ""
        words = panel.script.description
        found.append(
            Card(
                panel.id,
                f"Panel {number}",
                picture,
                f"panel {number}: {words}",
                words if len(words) < 70 else words[:67] + "…",
                "locked" if panel.locked else "new" if fresh else "",
                "not drawn yet",
            )
        )
    return cards_value(
        found,
        chosen,
        title="No panels yet",
        advice="Write the script in the tab Story; its panels wait here to be drawn.",
    )


def history_of(projects: Projects, project: Project) -> str:
    """The last edits, newest first."""
    items = []
    for revision in projects.history(project.id)[:HISTORY]:
        when = datetime.fromtimestamp(revision.when).strftime("%H:%M:%S")
        mark = ' aria-current="true"' if revision.current else ""
        items.append(f"<li{mark}><time>{when}</time> {escape(revision.what)}</li>")
    return f'<ol class="ink-history">{"".join(items)}</ol>'
