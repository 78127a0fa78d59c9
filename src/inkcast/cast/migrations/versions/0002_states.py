"""Outfits and age states, and the consent behind each reference."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "cast_states",
        sa.Column(
            "character_id",
            sa.String(32),
            sa.ForeignKey("cast_characters.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
    )
    op.add_column("cast_references", sa.Column("consent", sa.Text, nullable=False, server_default=""))
    op.add_column("cast_references", sa.Column("state", sa.Text, nullable=False, server_default=""))
