"""A worker with the embedded model: loaded once, previews of what forms, a face learned into the library."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.app.jobs_kit import Desk

import inkcast.drawing.easel as easel_module
from inkcast.app.jobs import DrawComic, Job, LearnIdentity
from inkcast.app.work.previews import fit_colours
from inkcast.app.worker import worker_thread
from inkcast.drawing.choices import Drawing
from inkcast.sampling.sampler import Step
from inkcast.sdxl.attention import AttentionTrace
from inkcast.sdxl.backbone import load_backbone
from inkcast.toon.design import design
from inkcast.toon.renderer import reference_sheet

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def until_done(desk: Desk, job: Job) -> Job:
    """Follows a job to its end; the events tell no other way."""
    *_, last = desk.jobs.events(job.id)
    return last


def test_one_model_draws_job_after_job_and_shows_what_forms(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = easel_module.open_easel

    def counted(drawing: Drawing, report: object) -> object:
        opened.append(drawing.engine)
        return real(drawing, report)  # type: ignore[arg-type]

    monkeypatch.setattr(easel_module, "open_easel", counted)
    demo = desk.projects.demo(desk.library)
    assert demo is not None
    short = demo.script.model_copy(update={"panels": demo.script.panels[:1]})
    desk.projects.set_script(demo.id, short)
    desk.projects.set_drawing(demo.id, steps=2, engine="ip-adapter")
    first = desk.jobs.submit(DrawComic(), demo.id)
    desk.projects.set_drawing(demo.id, steps=3, seed=1)
    second = desk.jobs.submit(DrawComic(), demo.id)
    learn = desk.jobs.submit(LearnIdentity("Ann Lee", steps=2))
    with worker_thread("", desk.home):
        jobs = [until_done(desk, job) for job in (first, second, learn)]
    assert [(job.state, job.error) for job in jobs] == [("done", "")] * 3
    assert opened == ["ip-adapter", "stable-identity"]
    assert jobs[0].preview >= 2
    kept = [one.engine for one in desk.library.entry("Ann Lee").identities]
    assert kept == ["ip-adapter", "stable-identity"]  # the drawing's, once, and the face
    assert len(desk.projects.get(demo.id).panels[0].candidates) == 2


def test_a_preview_looks_like_the_picture() -> None:
    base = load_backbone("toon", device="cpu")
    pixels = reference_sheet(design("Ann", {"kind": "girl"}), base.side, "front").image
    picture = torch.from_numpy(np.array(pixels)).movedim(-1, 0)[None].float() / 127.5 - 1
    with torch.no_grad():
        latents = base.vae.encode(picture).latent_dist.mean * base.vae.config.scaling_factor
    file = fit_colours(base).preview(Step(0, 1, latents, AttentionTrace()))
    seen = np.asarray(Image.open(io.BytesIO(file)).convert("RGB").resize((32, 32)), dtype=float)
    true = np.asarray(Image.fromarray(pixels).resize((32, 32)), dtype=float)
    assert np.corrcoef(seen.ravel(), true.ravel())[0, 1] > 0.8
    assert np.abs(seen - true).mean() < 40
