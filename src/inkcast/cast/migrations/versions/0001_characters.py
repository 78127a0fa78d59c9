"""Characters with names, references and identities."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _character_id(primary_key: bool = False) -> sa.Column[str]:
    owner = sa.ForeignKey("cast_characters.id", ondelete="CASCADE")
    return sa.Column("character_id", sa.String(32), owner, nullable=False, primary_key=primary_key)


def upgrade() -> None:
    library = op.create_table("cast_library", sa.Column("id", sa.String(32), primary_key=True))
    op.bulk_insert(library, [{"id": uuid.uuid4().hex}])
    op.create_table(
        "cast_characters",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("pronouns", sa.String(16), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
    )
    op.create_table(
        "cast_names",
        sa.Column("key", sa.String(64), primary_key=True),
        _character_id(),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("ix_cast_names_character_id", "cast_names", ["character_id"])
    op.create_table(
        "cast_references",
        _character_id(primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("picture", sa.String(64), nullable=False),
        sa.Column("mask", sa.String(64)),
        sa.Column("view", sa.String(16), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
    )
    op.create_table(
        "cast_identities",
        _character_id(primary_key=True),
        sa.Column("engine", sa.String(64), primary_key=True),
        sa.Column("weights_digest", sa.String(128), primary_key=True),
        sa.Column("references_digest", sa.String(64), primary_key=True),
        sa.Column("tensors", sa.LargeBinary, nullable=False),
    )
