"""StableIdentity's learning of a face, with its progress."""

from __future__ import annotations

from typing import Any

import gradio as gr

from inkcast.app.context import Studio
from inkcast.app.jobs import LearnIdentity
from inkcast.app.web.job_view import job_html
from inkcast.app.web.told import told
from inkcast.errors import UsageError

STEPS = 500


def learning_panel(studio: Studio, known: Any) -> None:
    """The panel for whoever `known` names."""
    job = gr.State("")
    timer = gr.Timer(1.0, active=False)
    with gr.Accordion("Learn the face as words (StableIdentity)", open=False, elem_id="cast-learning"):
        gr.Markdown(
            "For the engine **stable-identity**: a few minutes of learning on the toon base, from the pictures as "
            "saved. Other engines need nothing of this."
        )
        steps = gr.Slider(10, 1000, value=STEPS, step=10, label="Steps")
        with gr.Row():
            start = gr.Button("Learn this face", elem_id="cast-learn")
            stop = gr.Button("Stop", elem_id="cast-learn-stop")
        state = gr.HTML(elem_id="cast-learning-state")

    @told
    def learn(request: gr.Request, name: str, steps: float) -> list[Any]:
        if not name:
            raise UsageError("nobody is chosen: save the character first, or choose one of the library")
        made = studio.jobs(studio.user(request)).submit(LearnIdentity(name, steps=int(steps)))
        return [made.id, job_html(made), gr.Timer(active=True)]

    @told
    def look(request: gr.Request, job: str) -> list[Any]:
        found = studio.jobs(studio.user(request)).get(job)
        return [job_html(found), gr.Timer(active=not found.final)]

    @told
    def halt(request: gr.Request, job: str) -> str:
        if not job:
            raise UsageError("nothing is being learned: there is nothing to stop")
        return job_html(studio.jobs(studio.user(request)).cancel(job))

    start.click(learn, [known, steps], [job, state, timer], show_progress="hidden")
    timer.tick(look, [job], [state, timer], show_progress="hidden")
    stop.click(halt, [job], [state], show_progress="hidden")
