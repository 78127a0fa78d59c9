"""A job as a durable workflow (DBOS): each finished step is kept in the database and not done again.

One workflow has the job's id for all its life, over crashes, pauses and other workers. A step that is interrupted
leaves nothing: to DBOS the workflow looks as if its process had been killed, and it goes on as it does after that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TypeVar

from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy.exc import DBAPIError

from inkcast.app.jobs_tasks import DrawComic, Export, load_task
from inkcast.app.project import Document
from inkcast.app.store import TABLES, AppStore
from inkcast.app.work.composing import compose_file, compose_folder, finish
from inkcast.app.work.drawing import DrawingWork, drawn_panels
from inkcast.app.work.learning import LearningWork
from inkcast.database import failed

SHAPE = "inkcast-jobs-1"  # the order of steps; another one cannot go on with what this one began
POLL = 0.1  # seconds
PATIENCE = 30  # seconds in which a workflow begins
T = TypeVar("T")


@dataclass
class Run:
    """One job being run here; `failure` is why it ended early."""

    work: DrawingWork | LearningWork
    begun: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)
    failure: BaseException | None = None


class EndedError(BaseException):
    """Ends a workflow early. DBOS keeps what an `Exception` says as the outcome, for ever; this it lets pass."""


class Workflows:
    """DBOS in this process, of which there can be one; runs the jobs it is given, one at a time.

    Raises:
        DatabaseError: the database cannot be written, as where its disk is full.
    """

    def __init__(self, store: AppStore, worker: str) -> None:
        self._queue = f"inkcast:{worker}"
        self._runs: dict[str, Run] = {}
        logging.getLogger("dbos").setLevel(logging.CRITICAL)  # the worker says what failed
        config: DBOSConfig = {
            "name": "inkcast",
            "system_database_url": _address(store),
            "executor_id": worker,
            "application_version": SHAPE,
            "log_level": "CRITICAL",
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": POLL,
        }
        DBOS(config=config)

        @DBOS.workflow(name="inkcast.job")
        def workflow(job_id: str) -> None:
            self._steps(job_id)

        self._workflow = workflow
        DBOS.listen_queues([self._queue])
        try:
            DBOS.launch()
            DBOS.register_queue(self._queue, worker_concurrency=1, polling_interval_sec=POLL)
        except DBAPIError as error:
            DBOS.destroy(destroy_registry=True)
            raise failed(TABLES.title, str(store), error) from error

    def run(self, job_id: str, work: DrawingWork | LearningWork) -> None:
        """Begins the job, or goes on with it; returns when it is done.

        Raises:
            BaseException: what ended a step early.
        """
        run = self._runs[job_id] = Run(work)
        try:
            status = DBOS.get_workflow_status(job_id)
            if status is not None and status.status == "SUCCESS":
                return
            if status is None:
                with SetWorkflowID(job_id):
                    DBOS.enqueue_workflow(self._queue, self._workflow, job_id)
            else:
                DBOS.resume_workflow(job_id, queue_name=self._queue)
            waited = 0
            while not run.begun.wait(1.0):
                work.watch.check()
                waited += 1
                if waited % PATIENCE == 0:  # DBOS lost it, as where the database failed just then
                    DBOS.resume_workflow(job_id, queue_name=self._queue)
            run.ended.wait()
            if run.failure is not None:
                raise run.failure
        finally:
            del self._runs[job_id]
            work.close()

    def close(self) -> None:
        DBOS.delete_queue(self._queue)
        DBOS.destroy(destroy_registry=True)

    def _steps(self, job_id: str) -> None:
        """The workflow: the same steps in the same order each time, whatever was done already."""
        run = self._runs.get(job_id)
        if run is None:  # it was ended while it waited to begin
            raise EndedError
        run.begun.set()
        try:
            if isinstance(run.work, LearningWork):
                self._step(run, "learn", run.work.learn)
            else:
                self._comic(run, run.work)
        except BaseException as error:
            run.failure = run.failure or error
            raise EndedError from error
        finally:
            run.ended.set()

    def _comic(self, run: Run, work: DrawingWork) -> None:
        job, store = work.job, work.store
        task = load_task(job.kind, job.task)
        document = Document.load(self._step(run, "parse", work.parse))
        if isinstance(task, Export) and task.format != "comic":
            shown = drawn_panels(store, job, work.order, document)
            self._step(run, "compose", lambda: len(compose_file(store, job, document, task.format, shown)))
            return
        if not isinstance(task, Export):
            enrolled = self._step(run, "enrol", partial(work.enrol, document))
            for turn in work.turns(document):
                self._step(run, "panel", partial(work.draw, document, enrolled, turn))
            self._step(run, "show", lambda: finish(store, job, work.order))
        if isinstance(task, DrawComic | Export):
            work.watch.tell(stage="pages", panel=None, step=0)
            shown = drawn_panels(store, job, work.order, document)
            self._step(run, "compose", lambda: len(compose_folder(store, job, document, work.cast, shown)))

    def _step(self, run: Run, name: str, body: Callable[[], T]) -> T:
        def guarded() -> T:
            try:
                run.work.watch.check()
                return body()
            except BaseException as error:
                run.failure = error
                raise EndedError from error

        return DBOS.run_step({"name": name}, guarded)


def _address(store: AppStore) -> str:
    url = store.url
    if url.get_backend_name() == "sqlite":
        return url.render_as_string(hide_password=False)
    return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
