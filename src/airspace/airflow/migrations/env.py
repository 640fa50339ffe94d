"""Alembic's entry: runs the migrations on Airflow's own engine, with our own version table."""

from __future__ import annotations

from airflow import settings
from alembic import context

from airspace.airflow.db import VERSION_TABLE
from airspace.backends.tables import metadata


def run_offline() -> None:
    """Print the SQL instead of running it (``airflow db migrate --show-sql-only``)."""
    context.configure(
        url=settings.SQL_ALCHEMY_CONN,
        target_metadata=metadata,
        literal_binds=True,
        compare_type=True,
        version_table=VERSION_TABLE,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Run the migrations, all of them in one transaction."""
    with settings.get_engine().connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            compare_type=True,
            version_table=VERSION_TABLE,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
