"""What the API says of projects and their panels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from inkcast.app.api.models import example
from inkcast.app.api.scripts import SCRIPT_EXAMPLE
from inkcast.cast.names import LONGEST_NAME
from inkcast.story.parser import LONGEST_STORY
from inkcast.story.script import Box, Panel, Script

if TYPE_CHECKING:
    from inkcast.app.project import Candidate, PanelState, Project, ProjectEntry, Revision

CANDIDATE: dict[str, Any] = {
    "id": "c1",
    "seed": 7,
    "prompt": "Ann Lee walks in the park",
    "negative": "",
    "engine": "any-story",
    "size": [128, 160],
    "figures": [{"name": "Ann Lee", "box": [12, 20, 70, 150], "face": [30, 25, 50, 45]}],
    "picture": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "routes": None,
    "drawn": 1767225600.0,
}
PANEL: dict[str, Any] = {
    "id": "p1",
    "number": 1,
    "script": SCRIPT_EXAMPLE["panels"][0],
    "candidates": [CANDIDATE],
    "chosen": "c1",
    "locked": False,
    "pose": None,
}
PROJECT: dict[str, Any] = {
    "id": "0b0c5f1c2d3e4f5061728394a5b6c7d8",
    "title": "A walk",
    "story": "Ann Lee walks in the park.",
    "script": SCRIPT_EXAMPLE,
    "cast": ["Ann Lee"],
    "drawing": {"steps": 25},
    "page": {"layout": "classic-4"},
    "panels": [PANEL],
    "revision": 3,
    "can_undo": True,
    "can_redo": False,
    "created": 1767225600.0,
    "changed": 1767225700.0,
}


class DrawingModel(BaseModel):
    """The choices about drawing; what is left out is as the engine and base have it."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"style": "ink", "steps": 25, "seed": 7}]}
    )

    engine: str | None = Field(default=None, max_length=64)
    base: str | None = Field(default=None, max_length=500)
    style: str | None = Field(default=None, max_length=200)
    steps: int | None = Field(default=None, ge=1, le=1000)
    guidance: float | None = Field(default=None, ge=0, le=50)
    scheduler: str | None = Field(default=None, max_length=100)
    negative: str | None = Field(default=None, max_length=4000)
    seed: int | None = Field(default=None, ge=0, le=2**32 - 1)
    low_vram: bool | None = None

    def chosen(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class PageModel(BaseModel):
    """The choices about pages; lengths in millimetres."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"layout": "classic-4", "size": "a5", "dpi": 150}]}
    )

    layout: str | None = Field(default=None, max_length=64)
    size: str | None = Field(default=None, max_length=64)
    language: str | None = Field(default=None, max_length=35)
    dpi: int | None = Field(default=None, ge=36, le=600)
    bleed: float | None = Field(default=None, ge=0, le=50)

    def chosen(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class ProjectFields(BaseModel):
    """A comic to be: a story or a script, its cast by name, and the choices."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"title": "A walk", "story": "Ann Lee walks in the park.", "cast": ["Ann Lee"], "drawing": {"steps": 8}}
            ]
        },
    )

    title: str = Field(default="", max_length=LONGEST_NAME)
    story: str = Field(default="", max_length=LONGEST_STORY)
    script: Script | None = Field(default=None, description="Without one, the story is read.")
    cast: list[str] = Field(default_factory=list, max_length=200)
    drawing: DrawingModel = Field(default_factory=DrawingModel)
    page: PageModel = Field(default_factory=PageModel)


class ProjectChange(BaseModel):
    """What shall be different; what is left out stays. Panels whose pictures still fit keep them."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"title": "A long walk", "page": {"layout": "hero"}}]}
    )

    title: str | None = Field(default=None, max_length=LONGEST_NAME)
    story: str | None = Field(default=None, max_length=LONGEST_STORY)
    script: Script | None = None
    cast: list[str] | None = Field(default=None, max_length=200)
    drawing: DrawingModel | None = None
    page: PageModel | None = None


class FigureModel(BaseModel):
    """Where a character stands, in pixels of the picture: x0, y0, x1, y1."""

    name: str
    box: tuple[int, int, int, int]
    face: tuple[int, int, int, int] | None = None


class CandidateModel(BaseModel):
    """A drawn picture of a panel; `picture` and `routes` are names below `/projects/{id}/pictures/`. `routes` shows the
    picture, then where each of `characters` acted, and the background last.
    """

    model_config = example(CANDIDATE)

    id: str
    seed: int
    prompt: str
    negative: str
    engine: str
    size: tuple[int, int]
    figures: list[FigureModel]
    picture: str
    routes: str | None
    characters: list[str]
    drawn: float

    @classmethod
    def of(cls, candidate: Candidate) -> CandidateModel:
        figures = [FigureModel(name=one.name, box=one.box, face=one.face) for one in candidate.figures]
        return cls(
            id=candidate.id,
            seed=candidate.seed,
            prompt=candidate.prompt,
            negative=candidate.negative,
            engine=candidate.engine,
            size=candidate.size,
            figures=figures,
            picture=candidate.picture,
            routes=candidate.routes,
            characters=list(candidate.characters),
            drawn=candidate.drawn,
        )


class PanelModel(BaseModel):
    """A panel: its words, the pictures drawn of it, the one chosen, whether it is locked; `number` counts from 1."""

    model_config = example(PANEL)

    id: str
    number: int
    script: Panel
    candidates: list[CandidateModel]
    chosen: str | None
    locked: bool
    pose: str | None

    @classmethod
    def of(cls, panel: PanelState, number: int) -> PanelModel:
        return cls(
            id=panel.id,
            number=number,
            script=panel.script,
            candidates=[CandidateModel.of(candidate) for candidate in panel.candidates],
            chosen=panel.chosen.id if panel.chosen else None,
            locked=panel.locked,
            pose=panel.pose,
        )


class ProjectModel(BaseModel):
    """A project with all its panels; times are seconds since 1970."""

    model_config = example(PROJECT)

    id: str
    title: str
    story: str
    script: Script
    cast: list[str]
    drawing: dict[str, Any]
    page: dict[str, Any]
    panels: list[PanelModel]
    revision: int
    can_undo: bool
    can_redo: bool
    created: float
    changed: float

    @classmethod
    def of(cls, project: Project) -> ProjectModel:
        return cls(
            id=project.id,
            title=project.title,
            story=project.story,
            script=project.script,
            cast=list(project.cast),
            drawing=dict(project.drawing),
            page=dict(project.page),
            panels=[PanelModel.of(panel, number) for number, panel in enumerate(project.panels, 1)],
            revision=project.revision,
            can_undo=project.can_undo,
            can_redo=project.can_redo,
            created=project.created,
            changed=project.changed,
        )


class EntryModel(BaseModel):
    """A project as it is listed: how many panels it has and how many of them are drawn."""

    id: str
    title: str
    panels: int
    drawn: int
    cover: str | None
    created: float
    changed: float

    @classmethod
    def of(cls, entry: ProjectEntry) -> EntryModel:
        return cls.model_validate(vars(entry))


class RevisionModel(BaseModel):
    """One saved edit."""

    number: int
    what: str
    when: float
    current: bool

    @classmethod
    def of(cls, revision: Revision) -> RevisionModel:
        return cls.model_validate(vars(revision))


class Regions(BaseModel):
    """Where characters of the panel shall stand, by name: x0, y0, x1, y1 as fractions of it; null takes a box away."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"boxes": {"Ann Lee": [0.1, 0.1, 0.5, 1.0]}}]}
    )

    boxes: dict[str, Box | None] = Field(min_length=1, max_length=20)


class Choice(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"candidate": "c1"}]})

    candidate: str = Field(max_length=64)


class Lock(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"locked": True}]})

    locked: bool


class Redraw(BaseModel):
    """How often to draw: one picture is chosen at once, of several the author chooses."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"candidates": 3}]})

    candidates: int = Field(default=1, ge=1, le=8)
    seed: int | None = Field(default=None, ge=0, le=2**32 - 1)
