"""Jobs: comics and all other long work, begun here and followed here."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from inkcast.app.allowed import check_base
from inkcast.app.api.caller import Caller, Signed
from inkcast.app.api.characters import CharacterId
from inkcast.app.api.job_models import ComicOrder, ExportOrder, FileModel, JobModel, LearnOrder
from inkcast.app.api.paging import Cursor, Limit, Page, part
from inkcast.app.api.pictures import FOREVER, FRESH, PNG, tagged
from inkcast.app.api.projects import ProjectId, create
from inkcast.app.api.repeating import IdempotencyKey, Repeatable
from inkcast.app.jobs import DrawComic, Export, Job, LearnIdentity, Task
from inkcast.app.problems import responses
from inkcast.errors import NotFoundError, UsageError

router = APIRouter(route_class=Repeatable)

JobId = Annotated[str, Path(description="`id` of a job.", max_length=64)]
FileName = Annotated[str, Path(description="`name` of one of the job's files.", max_length=255)]
BUSY = responses("not-found", "conflict")
WAITING = ThreadPoolExecutor(500, "inkcast events")  # wait for jobs to change, apart from what answers requests
SILENCE = 2.0  # seconds without a change after which the wait for one begins anew


@router.post("/comics", status_code=202, tags=["comics"], summary="Draw a comic", responses=BUSY)
def draw_comic(
    caller: Signed, order: ComicOrder, response: Response, idempotency_key: IdempotencyKey = None
) -> JobModel:
    """A job that draws every panel that is not locked. Its files are exported by another."""
    if (order.project is None) == (order.new is None):
        raise UsageError("give either 'project', the id of one, or 'new', the fields of one")
    task = DrawComic(order.missing_only)
    if order.new is not None:
        return submitted(caller, response, task, create(caller, order.new).id, None)
    return submitted(caller, response, task, order.project, idempotency_key)


@router.post("/projects/{project_id}/exports", status_code=202, tags=["exports"], summary="Export", responses=BUSY)
def export(
    caller: Signed,
    project_id: ProjectId,
    order: ExportOrder,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> JobModel:
    """A job that letters the comic and writes its files, which the job then lists."""
    return submitted(caller, response, Export(order.format), project_id, idempotency_key)


@router.post("/characters/{character_id}/learn", status_code=202, tags=["characters"], summary="Learn", responses=BUSY)
def learn(
    caller: Signed,
    character_id: CharacterId,
    order: LearnOrder,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> JobModel:
    """A job that learns the character's face for the engine stable-identity."""
    check_base(order.base, caller.studio)
    task = LearnIdentity(caller.character_name(character_id), order.base, order.steps)
    return submitted(caller, response, task, None, idempotency_key)


@router.get("/jobs", tags=["comics"], summary="List jobs", responses=responses("not-found"))
def list_jobs(
    caller: Signed,
    project: Annotated[str | None, Query(max_length=64, description="Only jobs of this project.")] = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Page[JobModel]:
    """Newest first."""
    page = part(caller.jobs.list(project), lambda job: (-job.created, job.id), limit, cursor)
    return Page(items=[JobModel.of(job) for job in page.items], next=page.next)


@router.get("/jobs/{job_id}", tags=["comics"], summary="One job", responses=responses("not-found"))
def get_job(caller: Signed, job_id: JobId) -> JobModel:
    return JobModel.of(caller.jobs.get(job_id))


@router.post("/jobs/{job_id}/cancel", tags=["comics"], summary="Cancel", responses=BUSY)
def cancel(caller: Signed, job_id: JobId) -> JobModel:
    """Ends it within one sampling step; finished panels stay."""
    return JobModel.of(caller.jobs.cancel(job_id))


@router.post("/jobs/{job_id}/pause", tags=["comics"], summary="Pause", responses=BUSY)
def pause(caller: Signed, job_id: JobId) -> JobModel:
    return JobModel.of(caller.jobs.pause(job_id))


@router.post("/jobs/{job_id}/resume", tags=["comics"], summary="Resume", responses=BUSY)
def resume(caller: Signed, job_id: JobId) -> JobModel:
    """Goes on where it was paused."""
    return JobModel.of(caller.jobs.resume(job_id))


@router.post("/jobs/{job_id}/retry", tags=["comics"], summary="Retry", responses=BUSY)
def retry(caller: Signed, job_id: JobId) -> JobModel:
    """Goes on with a job that failed or was cancelled; finished panels are not drawn again."""
    return JobModel.of(caller.jobs.retry(job_id))


def followed(caller: Signed, request: Request, job_id: JobId) -> Iterator[Job]:
    """The job to follow; asked for before the stream begins, so that what is wrong is a plain problem."""
    job = caller.jobs.get(job_id)
    with request.app.state.streams.one_of(caller.user.id):
        yield job


@router.get(
    "/jobs/{job_id}/events",
    tags=["comics"],
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses=responses("not-found"),
)
async def follow(
    caller: Signed,
    job: Annotated[Job, Depends(followed)],
    last_event_id: Annotated[str | None, Header(max_length=20, description="`id` of the last event seen.")] = None,
) -> AsyncIterable[ServerSentEvent]:
    """Server-sent events: the job whenever it changes, its version as `id`, until it ends or pauses."""
    after = int(last_event_id) if last_event_id and last_event_id.isdecimal() else -1
    events = iter(caller.jobs.events(job.id, after, SILENCE))
    seen = after
    while True:
        changed = await asyncio.get_running_loop().run_in_executor(WAITING, next, events, None)
        if changed is None:
            return
        if changed.version > seen:
            seen = changed.version
            yield ServerSentEvent(event=changed.state, id=str(seen), data=JobModel.of(changed))


@router.get(
    "/jobs/{job_id}/preview",
    tags=["comics"],
    summary="The panel as it forms",
    response_class=Response,
    responses={**PNG, **responses("not-found")},
)
def get_preview(caller: Signed, request: Request, job_id: JobId) -> Response:
    data = caller.jobs.preview(job_id)
    if data is None:
        raise NotFoundError("the job has no preview yet")
    return tagged(request, data, "image/png", keep=FRESH)


@router.get("/jobs/{job_id}/files", tags=["exports"], summary="A job's files", responses=responses("not-found"))
def list_files(caller: Signed, job_id: JobId) -> list[FileModel]:
    """What an export made; empty until it is done."""
    return [FileModel.of(file) for file in caller.jobs.files(job_id)]


@router.get(
    "/jobs/{job_id}/files/{name:path}",
    tags=["exports"],
    summary="A file",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The caller has it already."},
        **responses("not-found"),
    },
)
def get_file(caller: Signed, request: Request, job_id: JobId, name: FileName) -> Response:
    """Of the media type that the list tells."""
    file = next((each for each in caller.jobs.files(job_id) if each.name == name), None)
    if file is None:
        raise NotFoundError("the job made no file of that name")
    answer = tagged(request, caller.jobs.file(job_id, name), file.media_type, tag=file.digest, keep=FOREVER)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name.rpartition("/")[2]}"'
    return answer


def submitted(
    caller: Caller,
    response: Response,
    task: Task,
    project_id: str | None,
    key: str | None,
) -> JobModel:
    """Begins a job, or finds the one that the same key began, and says where it is followed."""
    job = caller.jobs.submit(task, project_id, None if key is None else hashlib.sha256(key.encode()).hexdigest())
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return JobModel.of(job)
