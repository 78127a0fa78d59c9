"""Projects: a card for each; open, new, duplicate, rename, delete, and the link that opens one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import gradio as gr

from inkcast.app.context import Studio, User
from inkcast.app.project import ProjectEntry
from inkcast.app.projects import Projects
from inkcast.app.web.cards import Card, cards, cards_value
from inkcast.app.web.opened import Opened
from inkcast.app.web.pictures import small
from inkcast.app.web.told import told
from inkcast.errors import InkcastError, UsageError

DELETING = """(id) => {
  if (id && !confirm('Delete this project with all its pictures? There is no way back.')) throw new Error('kept');
  return [id];
}"""


@dataclass(frozen=True)
class ProjectsTab:
    cards: Any
    title: Any
    load: Callable[[User, str], dict[str, Any]]


def projects_tab(studio: Studio, opened: Opened) -> ProjectsTab:
    with gr.Row(elem_classes="ink-actions"):
        new = gr.Button("New project", variant="primary", elem_id="projects-new")
        copy = gr.Button("Duplicate", elem_id="projects-copy")
        delete = gr.Button("Delete", variant="stop", elem_id="projects-delete")
    title = gr.Textbox(
        value="",
        label="Title of the open project",
        info="Everything is saved by itself; the address of this page opens this project again",
        elem_id="projects-title",
    )
    overview = cards("Your projects", "projects-cards", "ink-projects")

    def load(user: User, chosen: str) -> dict[str, Any]:
        return overview_of(studio.projects(user), chosen)

    @told
    def begin(request: gr.Request) -> str:
        return studio.projects(studio.user(request)).create("Untitled").id

    @told
    def duplicate(request: gr.Request, project: str) -> str:
        return studio.projects(studio.user(request)).duplicate(project).id

    @told
    def choose(request: gr.Request, event: gr.EventData) -> str:
        return studio.projects(studio.user(request)).get(str(event.value)).id

    @told
    def remove(request: gr.Request, project: str) -> str:
        if not project:
            raise UsageError("no project is open: choose one first")
        mine = studio.projects(studio.user(request))
        mine.delete(project)
        left = mine.list()
        return left[0].id if left else mine.create("Untitled").id

    @told
    def rename(request: gr.Request, project: str, title: str) -> list[Any]:
        user = studio.user(request)
        mine = studio.projects(user)
        if mine.get(project).title != title:
            mine.rename(project, title)
        return [load(user, project)]

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    new.click(begin, None, [opened.project], **quiet)
    copy.click(duplicate, [opened.project], [opened.project], **quiet)
    overview.select(choose, None, [opened.project], **quiet)
    delete.click(remove, [opened.project], [opened.project], js=DELETING, **quiet)
    title.blur(rename, [opened.project, title], [overview], **quiet)
    return ProjectsTab(overview, title, load)


def overview_of(projects: Projects, chosen: str) -> dict[str, Any]:
    found = [card_of(projects, entry) for entry in projects.list()]
    return cards_value(found, chosen, title="No project yet", advice="Press New project to begin one.")


def card_of(projects: Projects, entry: ProjectEntry) -> Card:
    when = datetime.fromtimestamp(entry.changed).strftime("%d %b %Y, %H:%M")
    cover = ""
    if entry.cover:
        try:
            cover = small(projects.picture(entry.id, entry.cover), 320)
        except InkcastError:
            cover = ""  # the card says by its count what there is
    drawn = f"{entry.drawn} of {entry.panels} drawn" if entry.panels else "no script yet"
    title, alt = entry.title or "Untitled", f"first panel of {entry.title}"
    return Card(entry.id, title, cover, alt, f"{drawn} · {when}", blank="no picture yet")
