"""A file system that takes no more: said clearly, nothing lost, and the job goes on once there is room."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.jobs_kit import Desk, drawn_seeds

from inkcast.app.jobs import DrawComic


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


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
