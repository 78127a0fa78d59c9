"""The page: a head, and a tab for each stage of a comic."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from inkcast.app.context import LOCAL_ID, Studio, User
from inkcast.app.project import Project
from inkcast.app.web.cast_tab import cast_names, cast_tab
from inkcast.app.web.comic_tab import comic_tab
from inkcast.app.web.opened import Opened, bump, unseen
from inkcast.app.web.projects_tab import projects_tab
from inkcast.app.web.story_tab import story_tab
from inkcast.app.web.told import told
from inkcast.errors import NotFoundError

LINK = "(id) => { if (id) history.replaceState(null, '', '?project=' + encodeURIComponent(id)); return []; }"


def build_web(studio: Studio) -> Any:
    """The whole web app over one studio; the server mounts it."""
    with gr.Blocks(title="Inkcast", analytics_enabled=False, delete_cache=(3600, 86400), fill_width=True) as blocks:
        opened = Opened(unseen("ink-project"), gr.State(0), unseen("ink-panel"))
        link = unseen("ink-link")  # follows once the project is shown
        head = gr.HTML(elem_id="ink-head")
        with gr.Tabs(elem_id="ink-tabs"):
            with gr.Tab("Projects", id="projects"):
                projects = projects_tab(studio, opened)
            with gr.Tab("Cast", id="cast"):
                cast = cast_tab(studio)
            with gr.Tab("Story", id="story"):
                story = story_tab(studio, opened)
            with gr.Tab("Comic", id="comic"):
                comic = comic_tab(studio, opened)

        @told
        def enter(request: gr.Request) -> list[Any]:
            user = studio.user(request)
            project = asked_for(studio, user, str(request.query_params.get("project", "")))
            return [project.id, cast.load(request)]

        @told
        def show(request: gr.Request, project_id: str) -> list[Any]:
            user = studio.user(request)
            project = studio.projects(user).get(project_id)
            return [
                head_of(studio, user, project.title),
                project.title,
                projects.load(user, project_id),
                *story.show(user, project),
                *comic.show(user, project),
                project_id,
            ]

        @told
        def cast_changed(request: gr.Request, project_id: str) -> list[Any]:
            user = studio.user(request)
            project = studio.projects(user).get(project_id)
            known = list(dict.fromkeys((*cast_names(studio, user), *project.cast)))
            return [gr.update(choices=known, value=list(project.cast)), bump()]

        @told
        def moved(request: gr.Request, project_id: str) -> list[Any]:
            user = studio.user(request)
            project = studio.projects(user).get(project_id)
            return [head_of(studio, user, project.title), project.title, *story.show(user, project)]

        @told
        def renamed(request: gr.Request, project_id: str) -> str:
            user = studio.user(request)
            return head_of(studio, user, studio.projects(user).get(project_id).title)

        quiet: dict[str, Any] = {"show_progress": "hidden"}
        everything = [head, projects.title, projects.cards, *story.outputs, *comic.outputs, link]
        blocks.load(enter, None, [opened.project, cast.library], **quiet)
        opened.project.change(show, [opened.project], everything, **quiet)
        link.change(None, [link], None, js=LINK)
        cast.changed.change(cast_changed, [opened.project], [story.cast, opened.tick], **quiet)
        for move in comic.moves:
            move.then(moved, [opened.project], [head, projects.title, *story.outputs], **quiet)
        projects.cards.change(renamed, [opened.project], [head], **quiet)
    return blocks


def asked_for(studio: Studio, user: User, project_id: str) -> Project:
    """The project of a link, else the newest, else the demo; a link to what is not one's own opens one's own."""
    mine = studio.projects(user)
    if project_id:
        try:
            return mine.get(project_id)
        except NotFoundError:
            gr.Warning("the project of this link is not here, or is not yours: your newest one is open instead")
    mine.demo(studio.library(user))
    entries = mine.list()
    return mine.get(entries[0].id) if entries else mine.create("Untitled")


def head_of(studio: Studio, user: User, title: str) -> str:
    """The wordmark, which project is open, and the way out."""
    where = f"<b>{escape(title)}</b> · saved by itself" if title else "the same cast in every panel"
    out = ""
    if studio.auth and user.id != LOCAL_ID:
        out = f'<form method="post" action="/sign-out"><button>Sign out {escape(user.name)}</button></form>'
    return f'<div class="ink-head"><h1 class="ink-mark">Inkcast</h1><span class="ink-where">{where}</span>{out}</div>'
