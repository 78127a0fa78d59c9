"""A worker: takes jobs from the queue, one at a time, and does them; see `docs/jobs.md`.

Whatever ends a worker, its jobs go on: at the next start here, or at another worker once the lease has run out.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event, Thread

from sqlalchemy.exc import DBAPIError

from inkcast.app.context import Studio, User
from inkcast.app.jobs_rows import BACK_OFF, FINAL, LEASE, MOST_ATTEMPTS, change, claim, worker_name
from inkcast.app.settings import studio_settings
from inkcast.app.store import TABLES, AppStore
from inkcast.app.tables import JobRow, PreviewRow
from inkcast.app.work.drawing import DrawingWork
from inkcast.app.work.easels import Easels, LoadedEasels
from inkcast.app.work.learning import LearningWork
from inkcast.app.work.memory import out_of_memory
from inkcast.app.work.watch import LostError, StoppedError, Watch
from inkcast.database import failed
from inkcast.drawing.enrolling import LibraryShelf
from inkcast.errors import InkcastError, OutputError, StudioError

IDLE = 0.25  # seconds between two looks into an empty queue
HEARTBEAT = LEASE / 5
log = logging.getLogger("inkcast.worker")


class Worker:
    """One per process. `report` hears, in a line each, what it begins and how that ended; `once` stops it when the
    queue is empty.
    """

    def __init__(
        self,
        database_url: str,
        home: Path,
        *,
        report: Callable[[str], None] = log.info,
        easels: Easels | None = None,
        once: bool = False,
    ) -> None:
        self._store = AppStore(database_url, home)
        self._studio = Studio(home, database_url)
        self._name = worker_name(secrets.token_hex(4))
        self._easels = easels or LoadedEasels()
        self._report = report
        self._once = once
        self._stop = Event()

    def stop(self) -> None:
        """Ends the worker within a sampling step; the job at hand goes back to the queue."""
        self._stop.set()

    def run(self) -> None:
        """Works until `stop`."""
        from inkcast.app.work.durable import Workflows

        workflows = Workflows(self._store, self._name)
        try:
            while not self._stop.is_set():
                job = self._next()
                if job is not None:
                    self._work(workflows, job)
                elif self._once:
                    return
                else:
                    self._stop.wait(IDLE)
        finally:
            workflows.close()
            self._easels.free()
            self._studio.close()
            self._store.close()

    def _next(self) -> JobRow | None:
        try:
            with self._store.writing(turns=True) as session:
                return claim(session, self._name, studio_settings().running_jobs, time.time())
        except StudioError as error:  # the database may come back
            self._report(str(error))
            self._stop.wait(BACK_OFF)
            return None

    def _work(self, workflows: object, job: JobRow) -> None:
        from inkcast.app.work.durable import Workflows

        assert isinstance(workflows, Workflows)
        self._report(f"{job.kind} {job.id}: begun")
        watch = Watch(self._store, job.id, self._name, self._stop.is_set)
        with beating(watch):
            try:
                workflows.run(job.id, self._made(job, watch))
                state, error, delay = "done", "", 0.0
            except LostError:
                self._report(f"{job.kind} {job.id}: another worker has it")
                return
            except StoppedError as stopped:
                state, error, delay = stopped.state, "", 0.0
            except Exception as error_met:
                met = error_met
                if isinstance(met, DBAPIError):  # of DBOS, which writes to the same database
                    met = failed(TABLES.title, str(self._store), met)
                state, error, delay = judged(met, job.attempt)
                if not isinstance(met, InkcastError):
                    log.error("%s %s failed", job.kind, job.id, exc_info=met)
        self._settle(job, state, error, delay)
        self._report(f"{job.kind} {job.id}: {state}" + (f": {error}" if error else ""))

    def _made(self, job: JobRow, watch: Watch) -> DrawingWork | LearningWork:
        owner, home = User(job.owner, ""), self._studio.folder(job.owner)
        if job.kind == "learn":
            return LearningWork(self._store, job, self._easels, watch, self._studio.library(owner), home)
        shelf = LibraryShelf(lambda: nullcontext(self._studio.library(owner)), home)
        return DrawingWork(self._store, job, self._easels, watch, shelf)

    def _settle(self, job: JobRow, state: str, error: str, delay: float) -> None:
        """Writes how it ended; tries on while the database does not answer, since the lease runs on anyway."""
        while True:
            try:
                with self._store.writing() as session:
                    row = session.get(JobRow, job.id)
                    if row is None or row.worker != self._name:
                        return
                    now = time.time()
                    final = state in FINAL
                    wanted = {"stage": "", "panel": None, "wanted": "", "worker": "", "error": error}
                    change(row, state=state, not_before=now + delay, finished=now if final else None, **wanted)
                    if state == "queued" and not error:
                        row.attempt = 0  # interrupted by no fault of its own
                    session.add(row)
                    preview = session.get(PreviewRow, job.id) if final else None
                    if preview is not None:
                        session.delete(preview)
                return
            except StudioError as met:
                self._report(str(met))
                if self._stop.wait(BACK_OFF):
                    return


def judged(error: BaseException, attempt: int) -> tuple[str, str, float]:
    """State, line for the owner, and seconds to wait, after an error in attempt number `attempt`.

    What may pass by itself (a full disk, a database that is gone, memory, a fault) is tried again, later each time.
    """
    line = " ".join(str(error).split()) or type(error).__name__
    lasting = isinstance(error, InkcastError) and not isinstance(error, OutputError | StudioError)
    if not isinstance(error, InkcastError):
        line = (
            "memory ran out: end other programs or choose a smaller base, then retry"
            if out_of_memory(error)
            else f"unexpected {type(error).__name__}: {line[:300]}; retry, or see the worker's log"
        )
    if lasting or attempt >= MOST_ATTEMPTS:
        return "failed", line, 0.0
    return "queued", line, BACK_OFF * 3.0 ** (attempt - 1)


@contextmanager
def beating(watch: Watch) -> Iterator[None]:
    """Renews the job's lease from a thread of its own: loading a model takes longer than a lease."""
    done = Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT):
            try:
                watch.renew()
            except StudioError as error:
                log.warning("%s", error)

    thread = Thread(target=beat, name="inkcast lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def worker_thread(database_url: str, home: Path) -> Iterator[Worker]:
    """A worker beside whatever else this process does."""
    worker = Worker(database_url, home)
    thread = Thread(target=worker.run, name="inkcast worker")
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join()
