"""Creating and upgrading the tables of one database, Airflow's and ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import airflow
from airflow import settings
from airflow.utils import db
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from airspace.airflow.db import AirspaceDBManager
from airspace.model.errors import AirspaceError


def migrate(payload: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - every command takes one
    """Bring the database up to date; quick when it is.

    :raises AirspaceError: Airflow is not configured to create our tables
    """
    if _current():
        return {"migrated": False}
    db.upgradedb()
    if not _ours_current():
        raise AirspaceError(
            "Airflow migrated its tables but not Airspace's",
            fix=f"set [database] external_db_managers = {AirspaceDBManager.__module__}.AirspaceDBManager",
        )
    return {"migrated": True}


def _current() -> bool:
    return _airflow_current() and _ours_current()


def _airflow_current() -> bool:
    heads = ScriptDirectory(str(Path(airflow.__file__).parent / "migrations")).get_heads()
    with settings.get_engine().connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads()) == set(heads)


def _ours_current() -> bool:
    with settings.get_session()() as session:
        return bool(AirspaceDBManager(session).check_migration())
