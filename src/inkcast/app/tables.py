"""The tables of projects and jobs, as the newest migration leaves them. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import BigInteger, LargeBinary, MetaData, Text, UniqueConstraint
from sqlmodel import Field, SQLModel


class _Table(SQLModel):
    metadata = MetaData()  # its own, so that other tables of a program stay out of the migrations


class ProjectRow(_Table, table=True):
    """`revision` is the one that counts; those with a higher number were undone."""

    __tablename__ = "studio_projects"
    id: str = Field(primary_key=True, max_length=32)
    owner: str = Field(index=True, max_length=64)
    title: str = Field(sa_type=Text)
    revision: int
    created: float
    changed: float


class RevisionRow(_Table, table=True):
    """`document` is the JSON of `inkcast.app.project.Document`."""

    __tablename__ = "studio_revisions"
    project_id: str = Field(foreign_key="studio_projects.id", ondelete="CASCADE", primary_key=True, max_length=32)
    number: int = Field(primary_key=True)
    what: str = Field(sa_type=Text)
    document: str = Field(sa_type=Text)
    made: float


class CandidateRow(_Table, table=True):
    """A drawn panel. `facts` is JSON: prompt, negative, size, figures; of one job each panel and turn is drawn once."""

    __tablename__ = "studio_candidates"
    __table_args__ = (UniqueConstraint("job_id", "panel", "turn"),)
    id: str = Field(primary_key=True, max_length=32)
    project_id: str = Field(foreign_key="studio_projects.id", ondelete="CASCADE", index=True, max_length=32)
    job_id: str = Field(max_length=32)
    panel: str = Field(max_length=32)
    turn: int
    seed: int = Field(sa_type=BigInteger)
    engine: str = Field(max_length=64)
    facts: str = Field(sa_type=Text)
    picture: str = Field(max_length=64)
    routes: str | None = Field(default=None, max_length=64)
    drawn: float


class FileRow(_Table, table=True):
    """A file named by the SHA-256 of its bytes; `holder` is the project or job that it goes with."""

    __tablename__ = "studio_files"
    holder: str = Field(primary_key=True, max_length=32)
    digest: str = Field(primary_key=True, max_length=64)
    data: bytes = Field(sa_type=LargeBinary)


class FirstVisitRow(_Table, table=True):
    """An owner who has been given the demo project."""

    __tablename__ = "studio_first_visits"
    owner: str = Field(primary_key=True, max_length=64)


class JobRow(_Table, table=True):
    """`task` and `order` are JSON: what was asked for, and the copy of all that it needs.

    `wanted` is what a running job is asked to become. The lease is its worker's sign of life; a job whose lease has run
    out belongs to nobody. `measured` are the seconds that `panels_measured` panels took.
    """

    __tablename__ = "studio_jobs"
    __table_args__ = (UniqueConstraint("owner", "idempotency_key"),)
    id: str = Field(primary_key=True, max_length=32)
    number: int = Field(index=True, unique=True)
    owner: str = Field(index=True, max_length=64)
    project_id: str | None = Field(default=None, index=True, max_length=32)
    kind: str = Field(max_length=16)
    task: str = Field(sa_type=Text)
    order: str = Field(sa_type=Text)
    idempotency_key: str | None = Field(default=None, max_length=64)
    state: str = Field(index=True, max_length=16)
    wanted: str = Field(default="", max_length=16)
    worker: str = Field(default="", max_length=128)
    lease: float = 0.0
    not_before: float = 0.0
    attempt: int = 0
    stage: str = Field(default="", max_length=16)
    panel: int | None = None
    panels_done: int = 0
    panels: int = 0
    step: int = 0
    steps: int = 0
    measured: float = 0.0
    panels_measured: int = 0
    panel_since: float = 0.0
    error: str = Field(default="", sa_type=Text)
    notes: str = Field(default="[]", sa_type=Text)
    files: str = Field(default="[]", sa_type=Text)
    version: int = 0
    preview: int = 0
    created: float
    started: float | None = None
    finished: float | None = None


class PreviewRow(_Table, table=True):
    """The newest preview of a running job."""

    __tablename__ = "studio_previews"
    job_id: str = Field(foreign_key="studio_jobs.id", ondelete="CASCADE", primary_key=True, max_length=32)
    data: bytes = Field(sa_type=LargeBinary)


METADATA = _Table.metadata
