"""Projects with revisions and drawn panels; jobs; their files."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _time(name: str, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float, nullable=nullable)


def _of_project(primary_key: bool = False) -> sa.Column[str]:
    owner = sa.ForeignKey("studio_projects.id", ondelete="CASCADE")
    return sa.Column("project_id", sa.String(32), owner, nullable=False, primary_key=primary_key)


def upgrade() -> None:
    op.create_table(
        "studio_projects",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False, index=True),
        _text("title"),
        _whole("revision"),
        _time("created"),
        _time("changed"),
    )
    op.create_table(
        "studio_revisions",
        _of_project(primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        _text("what"),
        _text("document"),
        _time("made"),
    )
    op.create_table(
        "studio_candidates",
        sa.Column("id", sa.String(32), primary_key=True),
        _of_project(),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("panel", sa.String(32), nullable=False),
        _whole("turn"),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("engine", sa.String(64), nullable=False),
        _text("facts"),
        sa.Column("picture", sa.String(64), nullable=False),
        sa.Column("routes", sa.String(64)),
        _time("drawn"),
        sa.UniqueConstraint("job_id", "panel", "turn"),
    )
    op.create_index("ix_studio_candidates_project_id", "studio_candidates", ["project_id"])
    op.create_table(
        "studio_files",
        sa.Column("holder", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table("studio_first_visits", sa.Column("owner", sa.String(64), primary_key=True))
    op.create_table(
        "studio_jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False, unique=True, index=True),
        sa.Column("owner", sa.String(64), nullable=False, index=True),
        sa.Column("project_id", sa.String(32), index=True),
        sa.Column("kind", sa.String(16), nullable=False),
        _text("task"),
        _text("order"),
        sa.Column("idempotency_key", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("wanted", sa.String(16), nullable=False),
        sa.Column("worker", sa.String(128), nullable=False),
        _time("lease"),
        _time("not_before"),
        _whole("attempt"),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("panel", sa.Integer),
        _whole("panels_done"),
        _whole("panels"),
        _whole("step"),
        _whole("steps"),
        _time("measured"),
        _whole("panels_measured"),
        _time("panel_since"),
        _text("error"),
        _text("notes"),
        _text("files"),
        _whole("version"),
        _whole("preview"),
        _time("created"),
        _time("started", nullable=True),
        _time("finished", nullable=True),
        sa.UniqueConstraint("owner", "idempotency_key"),
    )
    of_job = sa.ForeignKey("studio_jobs.id", ondelete="CASCADE")
    op.create_table(
        "studio_previews",
        sa.Column("job_id", sa.String(32), of_job, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
