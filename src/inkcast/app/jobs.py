"""The jobs of one user: long work that is asked for here and done by workers; see `docs/jobs.md`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from inkcast.app.jobs_rows import STATES_WAITING, Job, JobFile, read_job
from inkcast.app.jobs_tasks import (
    DrawComic,
    Export,
    LearnIdentity,
    RedrawPanels,
    Task,
    check_task,
    dump_task,
    kind_of,
    load_task,
)
from inkcast.app.project import new_id
from inkcast.app.projects_rows import find_project, read_project
from inkcast.app.settings import studio_settings
from inkcast.app.store import AppStore, get_file, put_file
from inkcast.app.tables import JobRow, PreviewRow, ProjectRow
from inkcast.app.work.order import Order, drawing_order, learning_order
from inkcast.errors import ConflictError, LimitError, NotFoundError, StudioError
from inkcast.files import shown

if TYPE_CHECKING:
    from inkcast.cast.store import CastLibrary

__all__ = ["DrawComic", "Export", "Job", "JobFile", "Jobs", "LearnIdentity", "RedrawPanels", "Task"]

POLL = 0.2  # seconds between two looks at a job that is followed


class Jobs:
    """Of one owner, whose cast library is `library`. What is not the owner's raises NotFoundError."""

    def __init__(self, store: AppStore, owner: str, library: CastLibrary) -> None:
        self._store = store
        self._owner = owner
        self._library = library

    def submit(self, task: Task, project_id: str | None = None, idempotency_key: str | None = None) -> Job:
        """Puts a job into the queue, with a copy of all that it needs: later edits do not change it.

        The same key with the same task gives the job that was made first.

        Raises:
            LimitError: the owner has too many jobs waiting.
            ConflictError: the key was used for another task.
            InkcastError: what is wrong with the story, the cast or the task.
        """
        check_task(task)
        order, files = self._order(task, project_id)
        with self._store.writing(turns=True) as session:
            known = self._known(session, idempotency_key)
            if known is not None:
                if (known.kind, load_task(known.kind, known.task), known.project_id) != (
                    kind_of(task),
                    task,
                    project_id,
                ):
                    raise ConflictError("that idempotency key was used for another job: take a new one")
                return read_job(session, known)
            self._check_limit(session)
            last = session.exec(select(JobRow.number).order_by(col(JobRow.number).desc())).first()
            row = JobRow(
                id=new_id(),
                number=(last or 0) + 1,
                owner=self._owner,
                project_id=project_id,
                kind=kind_of(task),
                task=dump_task(task),
                order=order.dump(),
                idempotency_key=idempotency_key,
                state="queued",
                panels=len(order.turns),
                created=time.time(),
            )
            session.add(row)
            session.flush()
            for data in files:
                put_file(session, row.id, data)
            return read_job(session, row)

    def get(self, job_id: str) -> Job:
        with self._store.reading() as session:
            return read_job(session, self._find(session, job_id))

    def list(self, project_id: str | None = None) -> tuple[Job, ...]:
        """The newest first; of one project where that is given."""
        with self._store.reading() as session:
            if project_id is not None:
                find_project(session, self._owner, project_id)
            wanted = select(JobRow).where(JobRow.owner == self._owner).order_by(col(JobRow.number).desc())
            if project_id is not None:
                wanted = wanted.where(JobRow.project_id == project_id)
            return tuple(read_job(session, row) for row in session.exec(wanted).all())

    def cancel(self, job_id: str) -> Job:
        """Ends a job; one that runs stops within a sampling step. Finished panels stay."""
        return self._ask(job_id, "cancelled", (*STATES_WAITING, "running", "paused"))

    def pause(self, job_id: str) -> Job:
        """Halts a job until `resume`; one that runs stops within a sampling step and keeps its finished panels."""
        return self._ask(job_id, "paused", (*STATES_WAITING, "running"))

    def resume(self, job_id: str) -> Job:
        """Lets a paused job go on where it was."""
        return self._again(job_id, "paused", "resume")

    def retry(self, job_id: str) -> Job:
        """Lets a failed or cancelled job go on where it was."""
        return self._again(job_id, ("failed", "cancelled"), "retry")

    def events(self, job_id: str, after: int = -1, wait: float = 15.0) -> Iterator[Job]:
        """The job each time it has changed since version `after`, until it is final or paused.

        After `wait` seconds without a change it comes unchanged, so that whoever is told knows that somebody is there.
        """
        spoke = time.monotonic()
        while True:
            job = self.get(job_id)
            if job.version > after or time.monotonic() - spoke >= wait:
                yield job
                after, spoke = job.version, time.monotonic()
            if job.final or job.state == "paused":
                return
            time.sleep(POLL)

    def preview(self, job_id: str) -> bytes | None:
        """The panel as it forms, a small PNG file."""
        with self._store.reading() as session:
            row = session.get(PreviewRow, self._find(session, job_id).id)
        return None if row is None else row.data

    def files(self, job_id: str) -> tuple[JobFile, ...]:
        """What a finished job made: an export's files, a drawn comic's folder."""
        with self._store.reading() as session:
            return tuple(JobFile(*one) for one in json.loads(self._find(session, job_id).files))

    def file(self, job_id: str, name: str) -> bytes:
        """Raises NotFoundError."""
        found = next((one for one in self.files(job_id) if one.name == name), None)
        if found is None:
            raise NotFoundError(f"the job made no file {shown(name)}")
        with self._store.reading() as session:
            return get_file(session, job_id, found.digest)

    def _order(self, task: Task, project_id: str | None) -> tuple[Order, tuple[bytes, ...]]:
        if isinstance(task, LearnIdentity):
            if project_id is not None:
                raise StudioError("a face is learned for the cast library, not for a project: leave out the project")
            return learning_order(task, self._library)
        if project_id is None:
            raise StudioError("say which project the job is for")
        with self._store.reading() as session:
            project = read_project(session, find_project(session, self._owner, project_id))
        return drawing_order(task, project, self._library)

    def _known(self, session: Session, key: str | None) -> JobRow | None:
        if key is None:
            return None
        if not 1 <= len(key) <= 64:
            raise StudioError(f"an idempotency key has 1 to 64 characters, this one {len(key)}")
        return session.exec(select(JobRow).where(JobRow.owner == self._owner, JobRow.idempotency_key == key)).first()

    def _check_limit(self, session: Session) -> None:
        limit = studio_settings().waiting_jobs
        waiting = session.exec(
            select(JobRow.id).where(JobRow.owner == self._owner, col(JobRow.state).in_(("queued", "running")))
        ).all()
        if len(waiting) >= limit:
            raise LimitError(f"you have {len(waiting)} jobs waiting, the most allowed: wait for one, or cancel it")

    def _ask(self, job_id: str, state: str, allowed: tuple[str, ...]) -> Job:
        with self._store.writing(turns=True) as session:
            row = self._find(session, job_id)
            if row.state not in allowed:
                raise ConflictError(f"the job is {row.state}: it cannot be {state}")
            if row.state == "running":
                row.wanted = state
            else:
                row.state = state
                row.finished = time.time() if state == "cancelled" else None
            return self._changed(session, row)

    def _again(self, job_id: str, allowed: str | tuple[str, ...], verb: str) -> Job:
        with self._store.writing(turns=True) as session:
            row = self._find(session, job_id)
            if row.state not in allowed:
                raise ConflictError(f"the job is {row.state}: there is nothing to {verb}")
            if row.project_id is not None and session.get(ProjectRow, row.project_id) is None:
                raise ConflictError("the job's project was deleted")
            self._check_limit(session)
            row.state, row.wanted, row.error, row.finished = "queued", "", "", None
            row.attempt, row.not_before = 0, 0.0
            return self._changed(session, row)

    def _changed(self, session: Session, row: JobRow) -> Job:
        row.version += 1
        session.add(row)
        session.flush()
        return read_job(session, row)

    def _find(self, session: Session, job_id: str) -> JobRow:
        row = session.get(JobRow, job_id)
        if row is None or row.owner != self._owner:
            raise NotFoundError("there is no such job")
        return row
