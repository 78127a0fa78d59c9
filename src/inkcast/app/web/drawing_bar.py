"""Drawing: the buttons that start and stop it, and the sight of it going on, after a reload too."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from inkcast.app.context import Studio, User
from inkcast.app.jobs import DrawComic, Job, Task
from inkcast.app.web.job_view import job_html
from inkcast.app.web.opened import Opened, bump
from inkcast.app.web.pictures import small
from inkcast.app.web.told import told
from inkcast.errors import UsageError

SHOWN = ("draw", "redraw")
RECENT = 600  # seconds for which somebody who comes back is told that a drawing is ready


@dataclass(frozen=True)
class DrawingBar:
    """`outputs` take what `show` makes of a project; `submit` starts a task and answers for them too."""

    outputs: tuple[Any, ...]
    show: Callable[[User, str], list[Any]]
    submit: Callable[[User, str, Task], list[Any]]


def drawing_bar(studio: Studio, opened: Opened) -> DrawingBar:
    seen = gr.State("")
    timer = gr.Timer(1.0, active=False)
    with gr.Row(elem_classes="ink-actions"):
        draw = gr.Button("Draw the comic", variant="primary", elem_id="comic-draw")
        rest = gr.Button("Draw what is missing", elem_id="comic-missing")
        pause = gr.Button("Pause", visible=False, elem_id="comic-pause")
        resume = gr.Button("Go on", visible=False, elem_id="comic-resume")
        cancel = gr.Button("Cancel", visible=False, variant="stop", elem_id="comic-cancel")
        retry = gr.Button("Try again", visible=False, elem_id="comic-retry")
    with gr.Row(elem_classes="ink-progress-row"):
        state = gr.HTML(elem_id="comic-state", min_width=280)
        preview = gr.HTML(elem_id="comic-preview", min_width=140)
    outputs = (seen, timer, pause, resume, cancel, retry, state, preview)

    def values(user: User, job: Job | None) -> list[Any]:
        if job is None:
            return ["", gr.Timer(active=False), *[gr.update(visible=False)] * 4, "", ""]
        return [
            f"{job.id}/{job.state}/{job.panels_done}",
            gr.Timer(active=not job.final),
            gr.update(visible=job.state in ("queued", "running")),
            gr.update(visible=job.state == "paused"),
            gr.update(visible=not job.final),
            gr.update(visible=job.state in ("failed", "cancelled")),
            job_html(job),
            forming(studio, user, job),
        ]

    def latest(user: User, project: str) -> Job | None:
        if not project:
            return None
        return next((job for job in studio.jobs(user).list(project) if job.kind in SHOWN), None)

    def show(user: User, project: str) -> list[Any]:
        found = latest(user, project)
        old = found is not None and found.state == "done" and time.time() - (found.finished or 0) > RECENT
        return values(user, None if old else found)

    def submit(user: User, project: str, task: Task) -> list[Any]:
        return values(user, studio.jobs(user).submit(task, project))

    @told
    def look(request: gr.Request, project: str, before: str) -> list[Any]:
        user = studio.user(request)
        made = values(user, latest(user, project))
        return [*made, bump() if made[0] != before else gr.skip()]

    def starter(task: Task) -> Any:
        @told
        def start(request: gr.Request, project: str) -> list[Any]:
            return submit(studio.user(request), project, task)

        return start

    def asking(verb: str) -> Any:
        @told
        def ask(request: gr.Request, project: str) -> list[Any]:
            user = studio.user(request)
            found = latest(user, project)
            if found is None:
                raise UsageError(f"nothing is being drawn: there is nothing to {verb}")
            return values(user, getattr(studio.jobs(user), verb)(found.id))

        return ask

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    timer.tick(look, [opened.project, seen], [*outputs, opened.tick], **quiet)
    draw.click(starter(DrawComic()), [opened.project], list(outputs), **quiet)
    rest.click(starter(DrawComic(missing_only=True)), [opened.project], list(outputs), **quiet)
    for button, verb in ((pause, "pause"), (resume, "resume"), (cancel, "cancel"), (retry, "retry")):
        button.click(asking(verb), [opened.project], list(outputs), **quiet)
    return DrawingBar(outputs, show, submit)


def forming(studio: Studio, user: User, job: Job) -> str:
    """The panel as it forms."""
    if job.final or not job.preview:
        return ""
    data = studio.jobs(user).preview(job.id)
    if data is None:
        return ""
    return f'<img class="ink-forming" src="{small(data, 256)}" alt="Panel {job.panel or ""} as it forms">'
