"""What a running job tells of itself, and hears: whether it shall stop, and whether it is still this worker's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import col, select, update

from inkcast.app.jobs_rows import LEASE, change
from inkcast.app.store import AppStore
from inkcast.app.tables import JobRow, PreviewRow
from inkcast.events import Event, Note, Progress

TOLD_EVERY = 0.25  # seconds between two updates within a panel


class StoppedError(Exception):
    """The job was asked to become `state` ("paused", "cancelled")."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


class LostError(Exception):
    """The job is another worker's now: this one was silent for too long."""


@dataclass
class Watch:
    """Of one job at one worker. Every method raises `LostError` once the job is another's, or gone."""

    store: AppStore
    job_id: str
    worker: str
    stopping: Callable[[], bool] = lambda: False
    _told: float = field(default=0.0)

    def check(self) -> None:
        """Raises StoppedError where the job shall not go on."""
        with self.store.reading() as session:
            found = session.exec(select(JobRow.worker, JobRow.wanted).where(JobRow.id == self.job_id)).first()
        if found is None or found[0] != self.worker:
            raise LostError
        if found[1]:
            raise StoppedError(found[1])
        if self.stopping():
            raise StoppedError("queued")

    def tell(self, **values: Any) -> None:
        """Writes columns of the job's row at once."""
        with self.store.writing() as session:
            row = session.get(JobRow, self.job_id)
            if row is None or row.worker != self.worker:
                raise LostError
            change(row, lease=time.time() + LEASE, **values)
            session.add(row)
        self._told = time.monotonic()

    def step(self, number: int) -> None:
        """After each sampling step: stops the panel if the job shall stop, and tells how far it is now and then."""
        self.check()
        if time.monotonic() - self._told >= TOLD_EVERY:
            self.tell(step=number)

    def hear(self, event: Event) -> None:
        """Notes are kept with the job; progress of learning or of encoding the cast is told."""
        if isinstance(event, Note):
            with self.store.reading() as session:
                notes = json.loads(session.exec(select(JobRow.notes).where(JobRow.id == self.job_id)).one())
            if event.text not in notes:
                self.tell(notes=json.dumps([*notes, event.text]))
        elif isinstance(event, Progress):
            self.check()
            if event.done >= event.total or time.monotonic() - self._told >= TOLD_EVERY:
                self.tell(step=event.done, steps=event.total)

    def glimpse(self, picture: bytes) -> None:
        """A new preview."""
        with self.store.writing() as session:
            row = session.get(JobRow, self.job_id)
            if row is None or row.worker != self.worker:
                raise LostError
            change(row, preview=row.preview + 1)
            session.add(row)
            session.merge(PreviewRow(job_id=self.job_id, data=picture))

    def renew(self) -> None:
        """A sign of life, from beside the work."""
        with self.store.writing() as session:
            session.exec(
                update(JobRow)
                .where(col(JobRow.id) == self.job_id, col(JobRow.worker) == self.worker)
                .values(lease=time.time() + LEASE)
            )
