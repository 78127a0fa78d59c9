"""StableIdentity's learning of a face, with its progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gradio as gr

from inkcast.app.context import Studio, User
from inkcast.app.jobs import Job, LearnIdentity
from inkcast.app.web.job_view import job_html
from inkcast.app.web.told import told
from inkcast.cast.names import name_key
from inkcast.errors import UsageError

STEPS = 500
RECENT = 3600.0  # seconds for which it is told how a learning ended


def learning_panel(studio: Studio, known: Any, library: Any, cards: Callable[[User, str], Any]) -> None:
    """The panel for whoever `known` names; once a face is learned, `library` is shown by `cards` of user and name."""
    job = gr.State("")
    timer = gr.Timer(1.0, active=False)
    with gr.Accordion("Learn the face as words (StableIdentity)", open=False, elem_id="cast-learning"):
        gr.Markdown(
            "For the engine **stable-identity**: a few minutes of learning on the toon base, from the pictures as "
            "saved. Other engines need nothing of this."
        )
        steps = gr.Slider(10, 1000, value=STEPS, step=10, label="Steps", elem_id="cast-learn-steps")
        with gr.Row():
            start = gr.Button("Learn this face", elem_id="cast-learn")
            stop = gr.Button("Stop", visible=False, variant="stop", elem_id="cast-learn-stop")
        state = gr.HTML(elem_id="cast-learning-state")
    outputs = [job, state, stop, timer]

    def view(found: Job | None) -> list[Any]:
        if found is None:
            return ["", "", gr.update(visible=False), gr.Timer(active=False)]
        return [found.id, job_html(found), gr.update(visible=not found.final), gr.Timer(active=not found.final)]

    @told
    def follow(request: gr.Request, name: str) -> list[Any]:
        """The learning that was begun before, by this page or another."""
        mine = studio.jobs(studio.user(request)).list() if name else ()
        return view(next((one for one in mine if is_of(one, name)), None))

    @told
    def learn(request: gr.Request, name: str, steps: float) -> list[Any]:
        if not name:
            raise UsageError("nobody is chosen: save the character first, or choose one of the library")
        return view(studio.jobs(studio.user(request)).submit(LearnIdentity(name, steps=int(steps))))

    @told
    def look(request: gr.Request, name: str, job: str) -> list[Any]:
        user = studio.user(request)
        found = studio.jobs(user).get(job)
        return [*view(found), cards(user, name) if found.state == "done" else gr.skip()]

    @told
    def halt(request: gr.Request, job: str) -> list[Any]:
        return view(studio.jobs(studio.user(request)).cancel(job))

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    known.change(follow, [known], outputs, **quiet)
    start.click(learn, [known, steps], outputs, **quiet)
    timer.tick(look, [known, job], [*outputs, library], **quiet)
    stop.click(halt, [job], outputs, **quiet)


def is_of(job: Job, name: str) -> bool:
    """Whether a job learns, or lately learned, the face of the character of that name."""
    lately = job.finished is None or time.time() - job.finished < RECENT
    return lately and isinstance(job.task, LearnIdentity) and name_key(job.task.character) == name_key(name)
