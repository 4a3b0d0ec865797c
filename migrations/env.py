"""What Alembic runs for every command."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from jobs.database import connect
from jobs.models import Base

# Any number of our own; it keeps two migrating processes apart.
MIGRATION_LOCK = 7_021_886

database = connect(context.config.attributes["settings"])
with database.engine.connect() as connection:
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
    connection.execute(text("SET statement_timeout = 0"))
    connection.commit()
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
database.close()
