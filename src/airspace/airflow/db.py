"""How Airflow's own ``db migrate`` creates and upgrades our tables (``[database] external_db_managers``)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from airflow.utils.db_manager import BaseDBManager

from airspace.backends.tables import metadata

VERSION_TABLE = "alembic_version_airspace"
_HERE = Path(__file__).parent


class AirspaceDBManager(BaseDBManager):
    """Migrations of the ``airspace_*`` tables, beside Airflow's and never in its version table."""

    metadata = metadata
    version_table_name = VERSION_TABLE
    migration_dir = str(_HERE / "migrations")
    alembic_file = str(_HERE / "alembic.ini")
    supports_table_dropping = True
    revision_heads_map: ClassVar[dict[str, str]] = {"0.1.0": "0004_task_use"}
