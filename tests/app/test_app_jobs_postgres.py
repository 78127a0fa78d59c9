"""The same jobs with PostgreSQL: several workers share one queue."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.jobs_kit import Desk, drawn_seeds, worker_process
from tests.cast.conftest import postgres_server  # noqa: F401  (a fixture)

from inkcast.app.jobs import DrawComic

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(tmp_path: Path, postgres_server: str) -> Iterator[Desk]:  # noqa: F811
    import psycopg

    name = f"studio_{secrets.token_hex(6)}"
    with psycopg.connect(f"{postgres_server}/postgres".replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    desk = Desk(tmp_path, f"{postgres_server}/{name}")
    yield desk
    desk.library._database.close()
    desk.close()


def test_two_workers_share_a_queue_and_no_panel_is_drawn_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_STUDIO_RUNNING_JOBS", "2")
    project = desk.project()
    jobs = [desk.jobs.submit(DrawComic(), project) for _ in range(2)]
    workers = [worker_process(desk.home, desk.url, pace=0.05) for _ in range(2)]
    assert [worker.wait(240) for worker in workers] == [0, 0]
    assert [desk.jobs.get(job.id).state for job in jobs] == ["done", "done"]
    seeds = drawn_seeds(desk.home)
    assert sorted(seeds) == sorted([*set(seeds), *set(seeds)])  # each of both comics' panels once
    files = [{one.name: one.digest for one in desk.jobs.files(job.id) if one.name != "run.json"} for job in jobs]
    assert files[0] == files[1]
