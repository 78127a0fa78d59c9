"""A file system that takes no more: said clearly, nothing lost, and the job goes on once there is room."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from sqlmodel import select
from tests.app.jobs_kit import ROOT, Desk, drawn_seeds

import inkcast.app.work.durable as durable
from inkcast.app.jobs import DrawComic, Job
from inkcast.app.tables import CandidateRow, JobRow
from inkcast.errors import DatabaseError


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def candidates(desk: Desk, job: Job) -> dict[str, tuple[int, str]]:
    """Seed and picture of every finished panel, by id of the panel."""
    with desk.store.reading() as session:
        rows = session.exec(select(CandidateRow).where(CandidateRow.job_id == job.id)).all()
    return {row.panel: (row.seed, row.picture) for row in rows}


@pytest.mark.slow
def test_a_worker_without_room_says_so_and_the_job_goes_on_when_there_is_some(desk: Desk) -> None:
    """The room is really gone: the operating system lets no file of the worker grow beyond the database's size."""
    job = desk.jobs.submit(DrawComic(), desk.project())
    desk.work(lambda number: desk.jobs.pause(job.id) if len(drawn_seeds(desk.home)) == 3 and number == 1 else None)
    kept = [panel.chosen for panel in desk.projects.get(job.project_id or "").panels]
    assert sum(one is not None for one in kept) == 2
    desk.jobs.resume(job.id)
    room = max(path.stat().st_size for path in desk.home.iterdir() if path.is_file()) + 4096

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    worker = subprocess.run(
        [sys.executable, "-m", "inkcast", "worker"],
        env={**os.environ, "INKCAST_HOME": str(desk.home)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=full,
    )
    assert worker.returncode == 1
    assert "Traceback" not in worker.stderr
    assert worker.stderr.splitlines()[-1].startswith("inkcast: the studio's database")
    assert "make room on its disk" in worker.stderr
    after = [panel.chosen for panel in desk.projects.get(job.project_id or "").panels]
    assert all(new == old for new, old in zip(after, kept, strict=True) if old is not None)
    before = len(drawn_seeds(desk.home))
    desk.work()
    assert desk.jobs.get(job.id).state == "done"
    assert len(drawn_seeds(desk.home)) - before <= 3


@pytest.mark.slow
def test_a_disk_that_fills_in_mid_job_loses_nothing_and_the_job_goes_on(desk: Desk, tmp_path: Path) -> None:
    """A real limit again: from the third panel on, the running worker can let no file grow, as on a full disk."""
    job = desk.jobs.submit(DrawComic(), desk.project())
    worker = subprocess.Popen(
        [sys.executable, "-u", "-m", "tests.app.jobs_kit", str(desk.home), "", "fake", "0.1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for state in desk.jobs.events(job.id):
            if state.panels_done == 2:
                break
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        assert worker.stdout is not None
        line = next(line for line in worker.stdout if "failed" in line)
        assert "disk I/O error; make room on its disk, then try again" in line
        assert desk.jobs.get(job.id).panels_done >= 2
        kept = candidates(desk, job)
        assert len(kept) >= 2
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert worker.wait(120) == 0
    finally:
        worker.kill()
        worker.wait()
    told = desk.jobs.get(job.id)
    assert (told.state, told.attempt) == ("queued", 1)
    assert "make room on its disk" in told.error
    with desk.store.writing() as session:
        session.get_one(JobRow, job.id).not_before = 0.0
    desk.work()
    assert desk.jobs.get(job.id).state == "done"
    assert kept.items() <= candidates(desk, job).items()
    begun = drawn_seeds(desk.home)
    assert len(set(begun)) == 5
    assert len(begun) <= 6  # the panel that had no room was begun again, no other
    other = Desk(tmp_path / "roomy")
    whole = other.jobs.submit(DrawComic(), other.project())
    other.work()
    assert sorted(candidates(desk, job).values()) == sorted(candidates(other, whole).values())
    other.close()


def test_an_error_between_two_steps_is_tried_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends a workflow must not be kept as its outcome, or the next attempt would wait for ever."""
    job = desk.jobs.submit(DrawComic(), desk.project("Ann waves."))
    with monkeypatch.context() as broken:

        def refuse(*_: object) -> None:
            raise DatabaseError("the studio's database failed: disk I/O error; make room on its disk")

        broken.setattr(durable, "drawn_panels", refuse)
        desk.work()
    assert desk.jobs.get(job.id).state == "queued"
    assert "make room" in desk.jobs.get(job.id).error
    with desk.store.writing() as session:
        session.get_one(JobRow, job.id).not_before = 0.0
    again = Thread(target=desk.work, daemon=True)
    again.start()
    again.join(60)
    assert not again.is_alive()
    assert (desk.jobs.get(job.id).state, len(drawn_seeds(desk.home))) == ("done", 1)
