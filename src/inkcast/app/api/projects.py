"""Projects: what an author works on, every edit saved at once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from inkcast.app.allowed import check_base
from inkcast.app.api.caller import Caller, Signed
from inkcast.app.api.paging import Cursor, Limit, Page, part
from inkcast.app.api.pictures import FOREVER, PNG, Side, tagged, thumbnail
from inkcast.app.api.project_models import (
    DrawingModel,
    EntryModel,
    ProjectChange,
    ProjectFields,
    ProjectModel,
    RevisionModel,
)
from inkcast.app.api.repeating import IdempotencyKey, Repeatable
from inkcast.app.problems import responses
from inkcast.app.project import Project
from inkcast.app.safety import check_script, check_words
from inkcast.errors import PageError, UsageError
from inkcast.images import open_picture
from inkcast.page.options import PageOptions
from inkcast.story.importers import import_plain
from inkcast.story.names import CastName
from inkcast.story.script import dump_script
from inkcast.story.styles import get_style

router = APIRouter(prefix="/projects", tags=["projects"], route_class=Repeatable)

ProjectId = Annotated[str, Path(description="`id` of a project.", max_length=64)]


@router.get("", summary="List projects")
def list_projects(caller: Signed, limit: Limit = 50, cursor: Cursor = "") -> Page[EntryModel]:
    """Newest change first."""
    page = part(caller.projects.list(), lambda entry: (-entry.changed, entry.id), limit, cursor)
    return Page(items=[EntryModel.of(entry) for entry in page.items], next=page.next)


@router.post("", status_code=201, summary="Make a project", responses=responses("conflict"))
def make_project(
    caller: Signed, fields: ProjectFields, response: Response, idempotency_key: IdempotencyKey = None
) -> ProjectModel:
    """From a script, or from a story, which is read as by `POST /scripts/parse`."""
    return located(response, create(caller, fields))


@router.get("/{project_id}", summary="One project", responses=responses("not-found"))
def get_project(caller: Signed, project_id: ProjectId) -> ProjectModel:
    return ProjectModel.of(caller.projects.get(project_id))


@router.patch("/{project_id}", summary="Change a project", responses=responses("not-found", "conflict"))
def change_project(caller: Signed, project_id: ProjectId, change: ProjectChange) -> ProjectModel:
    """Only what the body holds is changed; each kind of change can be undone by itself."""
    projects = caller.projects
    project = projects.get(project_id)
    if change.title is not None:
        check_words(change.title, "the title")
        project = projects.rename(project_id, change.title)
    if change.cast is not None:
        project = projects.set_cast(project_id, tuple(change.cast))
    if change.story is not None:
        check_words(change.story, "the story")
        project = projects.set_story(project_id, change.story)
    if change.script is not None:
        check_script(change.script)
        project = projects.set_script(project_id, change.script)
    if change.drawing is not None:
        check_drawing(caller, change.drawing)
        project = projects.set_drawing(project_id, **change.drawing.chosen())
    if change.page is not None:
        check_page({**project.page, **change.page.chosen()})
        project = projects.set_page(project_id, **change.page.chosen())
    return ProjectModel.of(project)


@router.delete(
    "/{project_id}", status_code=204, summary="Remove a project", responses=responses("not-found", "conflict")
)
def remove_project(caller: Signed, project_id: ProjectId) -> None:
    """With its pictures; not while a job draws it."""
    caller.projects.delete(project_id)


@router.post(
    "/{project_id}/duplicate",
    status_code=201,
    summary="Duplicate a project",
    responses=responses("not-found", "conflict"),
)
def duplicate_project(
    caller: Signed, project_id: ProjectId, response: Response, idempotency_key: IdempotencyKey = None
) -> ProjectModel:
    return located(response, caller.projects.duplicate(project_id))


@router.post("/{project_id}/undo", summary="Undo", responses=responses("not-found", "conflict"))
def undo(caller: Signed, project_id: ProjectId) -> ProjectModel:
    """Takes the newest edit back."""
    return ProjectModel.of(caller.projects.undo(project_id))


@router.post("/{project_id}/redo", summary="Redo", responses=responses("not-found", "conflict"))
def redo(caller: Signed, project_id: ProjectId) -> ProjectModel:
    """Does again what was taken back."""
    return ProjectModel.of(caller.projects.redo(project_id))


@router.get("/{project_id}/history", summary="Edits", responses=responses("not-found"))
def history(caller: Signed, project_id: ProjectId, limit: Limit = 50, cursor: Cursor = "") -> Page[RevisionModel]:
    """Every saved edit, the newest first."""
    found = sorted(caller.projects.history(project_id), key=lambda revision: -revision.number)
    page = part(found, lambda revision: (-revision.number,), limit, cursor)
    return Page(items=[RevisionModel.of(revision) for revision in page.items], next=page.next)


@router.get(
    "/{project_id}/pictures/{digest}",
    summary="A picture",
    response_class=Response,
    responses={**PNG, **responses("not-found")},
)
def get_picture(
    caller: Signed,
    request: Request,
    project_id: ProjectId,
    digest: Annotated[str, Path(description="Of a candidate, its routes, a pose or a cover.", max_length=64)],
    side: Side = None,
) -> Response:
    """A picture of the project; the whole file also tells what made it."""
    data = caller.projects.picture(project_id, digest)
    small = data if side is None else thumbnail(open_picture(data), side)
    return tagged(request, small, "image/png", tag=f"{digest}-{side or 0}", keep=FOREVER)


def create(caller: Caller, fields: ProjectFields) -> Project:
    """A new project; raises what keeps it from being one."""
    check_words(f"{fields.title}\n{fields.story}", "the story")
    check_drawing(caller, fields.drawing)
    check_page(fields.page.chosen())
    script = fields.script
    if script is None and fields.story.strip():
        entries = [caller.library.entry(name) for name in fields.cast]
        script = import_plain(fields.story, [CastName(one.name, one.pronouns, one.aliases) for one in entries]).script
    if script is not None:
        check_script(script)
    return caller.projects.create(
        fields.title,
        fields.story,
        script="" if script is None else dump_script(script),
        cast=tuple(fields.cast),
        drawing=fields.drawing.chosen(),
        page=fields.page.chosen(),
    )


def located(response: Response, project: Project) -> ProjectModel:
    """What a POST that made a project answers."""
    response.headers["Location"] = f"/api/v1/projects/{project.id}"
    return ProjectModel.of(project)


def check_drawing(caller: Caller, drawing: DrawingModel) -> None:
    """Raises where the policy refuses the words, or the base is not for this user."""
    check_words(drawing.negative or "", "the negative prompt")
    check_base(drawing.base or "", caller.studio)
    if drawing.style:
        get_style(drawing.style)


def check_page(chosen: dict[str, object]) -> None:
    """Raises UsageError where no page can be made of the choices."""
    try:
        PageOptions(**{name: value for name, value in chosen.items() if value is not None})  # type: ignore[arg-type]
    except PageError as error:
        raise UsageError(str(error)) from error
