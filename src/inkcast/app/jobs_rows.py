"""Jobs as rows: what is told of one, who may take the next, and what a worker writes while it works.

A worker holds a job by a lease that it renews; whoever's lease has run out has lost the job to the next who asks.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, func, select

from inkcast.app.jobs_tasks import Task, load_task
from inkcast.app.tables import JobRow

STATES_WAITING = ("queued",)
FINAL = ("done", "failed", "cancelled")
LEASE = 30.0  # seconds after which a silent worker counts as dead
SILENT = (
    "its worker has not been heard of for {:.0f} seconds: it or its machine may have ended, or the disk is full; "
    "what is finished is kept, and it goes on by itself as soon as a worker runs (inkcast studio, inkcast worker)"
)
MOST_ATTEMPTS = 4
MOST_DEATHS = 12  # attempts after which a job whose workers keep dying is given up
BACK_OFF = 5.0  # seconds before the second attempt; three times as long before each further one


@dataclass(frozen=True)
class JobFile:
    """A file that a job made; `size` in bytes."""

    name: str
    digest: str
    size: int
    media_type: str


@dataclass(frozen=True)
class Job:
    """A job as it stands. `position` counts the jobs before it in the queue; `panel` is the script's number, from 1, of
    the panel being drawn; `eta` are seconds; `version` grows with each change, `preview` with each new preview. Of a
    `silent` job the worker seems to be gone. Times are seconds since 1970.
    """

    id: str
    owner: str
    project_id: str | None
    kind: str
    task: Task
    state: str
    position: int | None
    stage: str
    panel: int | None
    panels_done: int
    panels: int
    step: int
    steps: int
    fraction: float
    eta: float | None
    silent: bool
    error: str
    notes: tuple[str, ...]
    attempt: int
    version: int
    preview: int
    created: float
    started: float | None
    finished: float | None

    @property
    def final(self) -> bool:
        return self.state in FINAL


def read_job(session: Session, row: JobRow) -> Job:
    fraction, now = fraction_of(row), time.time()
    silent = row.state == "running" and row.lease < now
    return Job(
        id=row.id,
        owner=row.owner,
        project_id=row.project_id,
        kind=row.kind,
        task=load_task(row.kind, row.task),
        state=row.state,
        position=_position(session, row),
        stage=row.stage if row.state == "running" else "",
        panel=row.panel if row.state == "running" else None,
        panels_done=row.panels_done,
        panels=row.panels,
        step=row.step,
        steps=row.steps,
        fraction=fraction,
        eta=None if silent else eta_of(row, now),
        silent=silent,
        error=SILENT.format(now - row.lease + LEASE) if silent else row.error,
        notes=tuple(json.loads(row.notes)),
        attempt=row.attempt,
        version=row.version,
        preview=row.preview,
        created=row.created,
        started=row.started,
        finished=row.finished,
    )


def fraction_of(row: JobRow) -> float:
    """The share of all sampling (or learning) steps that is done."""
    if row.state == "done":
        return 1.0
    within = row.step / row.steps if row.steps else 0.0
    return min((row.panels_done + within) / row.panels, 1.0) if row.panels else within


def eta_of(row: JobRow, now: float) -> float | None:
    """Seconds left, from the panels this job has drawn, else from the steps of the one being drawn."""
    if row.state != "running" or row.stage not in ("panels", "learn"):
        return None
    within = row.step / row.steps if row.steps else 0.0
    left = row.panels - row.panels_done - within if row.panels else 1 - within
    if row.panels_measured:
        return max(left, 0.0) * row.measured / row.panels_measured
    if row.step and row.panel_since:
        return max(left, 0.0) * (now - row.panel_since) / within
    return None


def _position(session: Session, row: JobRow) -> int | None:
    if row.state != "queued":
        return None
    before = select(func.count()).select_from(JobRow).where(JobRow.state == "queued", JobRow.number < row.number)
    return int(session.exec(before).one())


def claim(session: Session, worker: str, per_user: int, now: float) -> JobRow | None:
    """Gives `worker` the next job: one whose worker has died, else the first in the queue whose owner has fewer than
    `per_user` running. To be called in a transaction that takes turns.
    """
    running = session.exec(select(JobRow).where(JobRow.state == "running").order_by(col(JobRow.number))).all()
    lost = [row for row in running if is_lost(row, worker, now)]
    for row in lost:
        state = row.wanted  # it was asked to stop, and has
        if not state and row.attempt >= MOST_DEATHS:
            state = "failed"
            row.error = f"{row.attempt} workers died while doing this: see their logs, then retry"
        if state:
            row.state, row.wanted, row.worker = state, "", ""
            row.finished = now if row.state in FINAL else None
            row.version += 1
            session.add(row)
    lost = [row for row in lost if row.state == "running"]
    busy = [row.owner for row in running if row.state == "running" and row not in lost]
    waiting = session.exec(
        select(JobRow).where(JobRow.state == "queued", JobRow.not_before <= now).order_by(col(JobRow.number))
    ).all()
    found = next(iter(lost), None) or next((row for row in waiting if busy.count(row.owner) < per_user), None)
    if found is not None:
        found.state, found.worker, found.lease, found.wanted = "running", worker, now + LEASE, ""
        found.started = found.started or now
        found.attempt += 1
        found.version += 1
        found.stage, found.step = "load", 0
        session.add(found)
    return found


def is_lost(row: JobRow, asking: str, now: float) -> bool:
    """Whether the job's worker is gone: on this machine no process has its number, or the one that asks has it now (a
    container's first process always has the same); elsewhere its lease has run out.
    """
    if row.lease < now or row.worker == asking:
        return True
    host, _, rest = row.worker.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    return int(pid) == os.getpid() or not _lives(int(pid))


def worker_name(tail: str) -> str:
    """HOST:PID:TAIL; the tail tells processes apart that had the same number one after the other."""
    return f"{socket.gethostname()[:80]}:{os.getpid()}:{tail}"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def change(row: JobRow, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.version += 1
