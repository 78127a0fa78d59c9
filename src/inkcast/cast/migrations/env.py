"""Runs the migrations on the connection, and in the transaction, that `inkcast.cast.database` opened."""

from alembic import context

from inkcast.cast.database import VERSION_TABLE
from inkcast.cast.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
