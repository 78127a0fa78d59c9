"""Workers killed in the middle: what was finished is kept, nothing is lost, and the comic is the uninterrupted one."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select
from tests.app.jobs_kit import Desk, drawn_seeds, worker_process

from inkcast.app.jobs import DrawComic, Job
from inkcast.app.tables import CandidateRow

PATIENCE = 240.0  # seconds


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def comic(desk: Desk, job: Job) -> dict[str, bytes]:
    """The finished comic's files; timings differ from run to run."""
    return {one.name: desk.jobs.file(job.id, one.name) for one in desk.jobs.files(job.id) if one.name != "run.json"}


def finished(desk: Desk, job: Job) -> list[int]:
    """The seeds of the panels that are kept."""
    with desk.store.reading() as session:
        return list(session.exec(select(CandidateRow.seed).where(col(CandidateRow.job_id) == job.id)).all())


def wait_until_begun(process: subprocess.Popen[bytes], desk: Desk, job: Job, attempt: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while desk.jobs.get(job.id).attempt < attempt and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_and_go_on(desk: Desk, job: Job, kills: int, longest: float, seed: int, base: str, pace: float) -> int:
    """Kills workers at random moments of their work; answers with how many. The last one finishes the job."""
    chance, killed = random.Random(seed), 0
    for attempt in range(1, kills + 1):
        kept, before = finished(desk, job), len(drawn_seeds(desk.home))
        process = worker_process(desk.home, base=base, pace=pace)
        wait_until_begun(process, desk, job, attempt)
        try:
            process.wait(chance.uniform(0.0, longest))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.wait(PATIENCE)
        assert not set(kept) & set(drawn_seeds(desk.home)[before:]), "a finished panel was drawn again"
        assert set(kept) <= set(finished(desk, job)), "a finished panel was lost"
        if desk.jobs.get(job.id).state == "done":
            return killed
    kept, before = finished(desk, job), len(drawn_seeds(desk.home))
    assert worker_process(desk.home, base=base, pace=pace).wait(PATIENCE) == 0
    assert not set(kept) & set(drawn_seeds(desk.home)[before:]), "a finished panel was drawn again"
    return killed


def survives(desk: Desk, kills: int, seed: int, base: str = "fake", pace: float = 0.05) -> int:
    """Draws the same comic twice, the second time with kills, and compares them byte for byte."""
    steps = 2 if base == "toon" else 4
    whole = desk.jobs.submit(DrawComic(), desk.project(steps=steps))
    assert worker_process(desk.home, base=base).wait(PATIENCE) == 0
    alone = desk.jobs.get(whole.id)
    assert alone.started is not None
    assert alone.finished is not None
    longest = 0.6 * (alone.finished - alone.started)  # so that a kill comes before the end
    job = desk.jobs.submit(DrawComic(), desk.project(steps=steps))
    killed = kill_and_go_on(desk, job, kills, longest, seed, base, pace)
    done = desk.jobs.get(job.id)
    assert (done.state, done.panels_done, done.error) == ("done", 5, "")
    assert len(finished(desk, job)) == len(set(finished(desk, job))) == 5
    assert "comic.json" in comic(desk, job)
    assert comic(desk, job) == comic(desk, whole)
    return killed


@pytest.mark.slow
def test_a_comic_survives_three_kills(desk: Desk) -> None:
    assert survives(desk, kills=3, seed=1) > 0


@pytest.mark.soak
def test_toon_comics_survive_thirty_kills(desk: Desk) -> None:
    """Of workers with the embedded model, from its loading to the last page."""
    killed = 0
    for seed in range(30):
        killed += survives(desk, kills=5, seed=seed, base="toon")
        if killed >= 30:
            return
    raise AssertionError(f"only {killed} workers were killed in time")
