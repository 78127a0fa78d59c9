"""Panels of a project: their words, pictures, locks, poses and who stands where."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, File, Path, Request, Response, UploadFile

from inkcast.app.api.caller import Signed
from inkcast.app.api.job_models import JobModel
from inkcast.app.api.jobs import submitted
from inkcast.app.api.pictures import FRESH, PNG, Side, tagged, thumbnail
from inkcast.app.api.project_models import Choice, Lock, PanelModel, Redraw, Regions
from inkcast.app.api.projects import ProjectId
from inkcast.app.api.repeating import IdempotencyKey, Repeatable
from inkcast.app.api.scripts import SCRIPT_EXAMPLE
from inkcast.app.jobs import RedrawPanels
from inkcast.app.problems import responses
from inkcast.app.project import Project
from inkcast.app.safety import check_panel, check_picture
from inkcast.errors import NotFoundError
from inkcast.files import shown
from inkcast.images import open_picture
from inkcast.story.script import Panel

router = APIRouter(prefix="/projects/{project_id}/panels", tags=["panels"], route_class=Repeatable)

PanelId = Annotated[str, Path(description="`id` of a panel.", max_length=64)]
PanelBody = Annotated[Panel, Body(examples=[SCRIPT_EXAMPLE["panels"][0]])]
NOT_THERE = responses("not-found", "conflict")


@router.get("", summary="List panels", responses=responses("not-found"))
def list_panels(caller: Signed, project_id: ProjectId) -> list[PanelModel]:
    """In the script's order; a comic has as many as its script."""
    panels = caller.projects.get(project_id).panels
    return [PanelModel.of(panel, number) for number, panel in enumerate(panels, 1)]


@router.get("/{panel_id}", summary="One panel", responses=responses("not-found"))
def get_panel(caller: Signed, project_id: ProjectId, panel_id: PanelId) -> PanelModel:
    return panel_in(caller.projects.get(project_id), panel_id)


@router.put("/{panel_id}", summary="Change a panel's words", responses=NOT_THERE)
def change_panel(caller: Signed, project_id: ProjectId, panel_id: PanelId, panel: PanelBody) -> PanelModel:
    """Its part of the script; the picture stays until it is drawn again."""
    number = panel_in(caller.projects.get(project_id), panel_id).number
    check_panel(panel, number)
    return panel_in(caller.projects.set_panel(project_id, panel_id, panel), panel_id)


@router.get(
    "/{panel_id}/picture",
    summary="A panel's picture",
    response_class=Response,
    responses={**PNG, **responses("not-found")},
)
def get_panel_picture(
    caller: Signed, request: Request, project_id: ProjectId, panel_id: PanelId, side: Side = None
) -> Response:
    """The chosen one, without lettering."""
    panel = panel_in(caller.projects.get(project_id), panel_id)
    chosen = next((one for one in panel.candidates if one.id == panel.chosen), None)
    if chosen is None:
        raise NotFoundError(f"panel {panel.number} has no picture yet: draw it first")
    data = caller.projects.picture(project_id, chosen.picture)
    small = data if side is None else thumbnail(open_picture(data), side)
    return tagged(request, small, "image/png", tag=f"{chosen.picture}-{side or 0}", keep=FRESH)


@router.post("/{panel_id}/redraw", status_code=202, summary="Draw a panel again", responses=NOT_THERE)
def redraw_panel(
    caller: Signed,
    project_id: ProjectId,
    panel_id: PanelId,
    redraw: Redraw,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> JobModel:
    """A job; other panels stay as they are."""
    panel_in(caller.projects.get(project_id), panel_id)
    task = RedrawPanels((panel_id,), redraw.candidates, redraw.seed)
    return submitted(caller, response, task, project_id, idempotency_key)


@router.put("/{panel_id}/chosen", summary="Choose a candidate", responses=NOT_THERE)
def choose(caller: Signed, project_id: ProjectId, panel_id: PanelId, choice: Choice) -> PanelModel:
    """Which of the pictures the comic shows."""
    return panel_in(caller.projects.choose(project_id, panel_id, choice.candidate), panel_id)


@router.delete("/{panel_id}/candidates/{candidate_id}", summary="Remove a candidate", responses=NOT_THERE)
def remove_candidate(
    caller: Signed, project_id: ProjectId, panel_id: PanelId, candidate_id: Annotated[str, Path(max_length=64)]
) -> PanelModel:
    return panel_in(caller.projects.remove_candidate(project_id, panel_id, candidate_id), panel_id)


@router.put("/{panel_id}/lock", summary="Lock or unlock", responses=NOT_THERE)
def lock(caller: Signed, project_id: ProjectId, panel_id: PanelId, wanted: Lock) -> PanelModel:
    """A locked panel is not drawn again with the comic."""
    return panel_in(caller.projects.lock(project_id, panel_id, wanted.locked), panel_id)


@router.put("/{panel_id}/regions", summary="Say who stands where", responses=NOT_THERE)
def set_regions(caller: Signed, project_id: ProjectId, panel_id: PanelId, regions: Regions) -> PanelModel:
    """Steers the routing when the panel is drawn again."""
    project = caller.projects.get(project_id)
    panel = panel_in(project, panel_id)
    present = {who.name for who in panel.script.characters}
    absent = next((name for name in regions.boxes if name not in present), None)
    if absent is not None:
        raise NotFoundError(f"panel {panel.number} does not show {shown(absent)}: it shows {', '.join(present)}")
    for name, box in regions.boxes.items():
        project = caller.projects.set_region(project_id, panel_id, name, box)
    return panel_in(project, panel_id)


@router.put("/{panel_id}/pose", summary="Give a pose", responses=NOT_THERE)
def set_pose(
    caller: Signed,
    project_id: ProjectId,
    panel_id: PanelId,
    picture: Annotated[UploadFile, File(description="A picture whose pose to take.")],
) -> PanelModel:
    """Followed when the panel is drawn again, on a base with a pose network."""
    data = picture.file.read()
    check_picture(open_picture(data, name=picture.filename or "the pose"), "the pose")
    return panel_in(caller.projects.set_pose(project_id, panel_id, data), panel_id)


@router.delete("/{panel_id}/pose", summary="Take the pose away", responses=NOT_THERE)
def remove_pose(caller: Signed, project_id: ProjectId, panel_id: PanelId) -> PanelModel:
    return panel_in(caller.projects.set_pose(project_id, panel_id, None), panel_id)


def panel_in(project: Project, panel_id: str) -> PanelModel:
    """The project's panel with that id; raises NotFoundError."""
    for number, panel in enumerate(project.panels, 1):
        if panel.id == panel_id:
            return PanelModel.of(panel, number)
    raise NotFoundError(f"the project has no panel {shown(panel_id)}")
