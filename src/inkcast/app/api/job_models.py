"""What the API says of jobs: comics being drawn, panels drawn again, faces being learned, files being made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from inkcast.app.api.models import example
from inkcast.app.api.project_models import ProjectFields

if TYPE_CHECKING:
    from inkcast.app.jobs import Job, JobFile

State = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
Kind = Literal["draw", "redraw", "learn", "export"]
Form = Literal["pdf", "cbz", "epub", "html", "png", "svg", "webp", "comic"]
JOB: dict[str, Any] = {
    "id": "5f0c5f1c2d3e4f5061728394a5b6c7d8",
    "project": "0b0c5f1c2d3e4f5061728394a5b6c7d8",
    "kind": "draw",
    "state": "running",
    "position": None,
    "stage": "panels",
    "panel": 2,
    "panels_done": 1,
    "panels": 4,
    "step": 10,
    "steps": 25,
    "fraction": 0.35,
    "eta": 21.5,
    "error": "",
    "notes": [],
    "attempt": 1,
    "version": 42,
    "preview": 12,
    "created": 1767225600.0,
    "started": 1767225601.0,
    "finished": None,
}


class JobModel(BaseModel):
    """A job. `position` is its place in the queue (0: next); `eta` is the estimate of seconds left.

    `version` grows with every change and `preview` with every new preview; times are seconds since 1970.
    """

    model_config = example(JOB)

    id: str
    project: str | None
    kind: Kind
    state: State
    position: int | None
    stage: str
    panel: int | None
    panels_done: int
    panels: int
    step: int
    steps: int
    fraction: float
    eta: float | None
    error: str
    notes: list[str]
    attempt: int
    version: int
    preview: int
    created: float
    started: float | None
    finished: float | None

    @classmethod
    def of(cls, job: Job) -> JobModel:
        known = {name: getattr(job, name) for name in cls.model_fields if name not in ("project", "notes")}
        return cls(**known, project=job.project_id, notes=list(job.notes))


class FileModel(BaseModel):
    """A file that a job made; its bytes are at `/jobs/{id}/files/{name}`."""

    name: str
    size: int
    media_type: str

    @classmethod
    def of(cls, file: JobFile) -> FileModel:
        return cls(name=file.name, size=file.size, media_type=file.media_type)


class ComicOrder(BaseModel):
    """A comic to draw: a project there is, or the fields of a new one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"new": {"title": "A walk", "story": "Ann Lee walks in the park.", "cast": ["Ann Lee"]}},
                {"project": "0b0c5f1c2d3e4f5061728394a5b6c7d8", "missing_only": True},
            ]
        },
    )

    project: str | None = Field(default=None, max_length=64)
    new: ProjectFields | None = None
    missing_only: bool = Field(default=False, description="Draw only panels that have no picture yet.")


class ExportOrder(BaseModel):
    """The format of a comic's files; `comic` is all of its folder."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"format": "pdf"}]})

    format: Form


class LearnOrder(BaseModel):
    """How long to learn a face for the engine stable-identity."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"steps": 500}]})

    base: str = Field(default="toon", max_length=500)
    steps: int = Field(default=500, ge=1, le=5000)
