"""Runs the migrations on the connection, and in the transaction, that `inkcast.app.store` opened."""

from alembic import context

from inkcast.app.store import VERSION_TABLE
from inkcast.app.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
