"""Our tables: made by the ORM or by migrations, the result is the same, and asking again is quick."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text

from airspace.backends.tables import metadata
from tests.integration.conftest import run_admin, write_airflow_home

pytestmark = pytest.mark.integration


def shape(url: str) -> dict[str, Any]:
    engine = create_engine(url)
    try:
        look = inspect(engine)
        return {
            table: {
                "columns": {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in look.get_columns(table)},
                "key": look.get_pk_constraint(table)["constrained_columns"],
                "indexes": sorted((i["name"], tuple(i["column_names"]), i["unique"]) for i in look.get_indexes(table)),
                "unique": sorted(tuple(u["column_names"]) for u in look.get_unique_constraints(table)),
            }
            for table in metadata.tables
        }
    finally:
        engine.dispose()


def test_migrations_make_what_the_orm_makes(
    new_database: Callable[[], str], migrated_database: Callable[[], str], tmp_path: Path
) -> None:
    url = migrated_database()
    by_orm = shape(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in [*metadata.tables, "alembic_version_airspace"]:
            connection.execute(text(f'DROP TABLE "{table}"'))
    engine.dispose()
    env = write_airflow_home(tmp_path, url)
    script = (
        "from airflow.utils.db_manager import RunDBManager\nfrom airflow import settings\n"
        "with settings.get_session()() as session:\n RunDBManager().upgradedb(session, use_migration_files=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert shape(url) == by_orm


def test_an_up_to_date_database_is_left_alone(airflow_env: dict[str, str]) -> None:
    assert run_admin(airflow_env, "migrate") == {"migrated": False}


def test_without_our_manager_migrating_says_what_to_set(new_database: Callable[[], str], tmp_path: Path) -> None:
    env = write_airflow_home(tmp_path, new_database())
    config = tmp_path / "airflow" / "airflow.cfg"
    # Our auth manager names it too, so this takes another auth manager.
    ours, simple = "airspace.airflow.web.auth_manager.AirspaceAuthManager", "airflow.api_fastapi.auth.managers.simple"
    changed = config.read_text().replace(ours, f"{simple}.simple_auth_manager.SimpleAuthManager")
    config.write_text(changed.replace("external_db_managers", "# external_db_managers"))
    assert "external_db_managers" in run_admin(env, "migrate")["error"]["fix"]
