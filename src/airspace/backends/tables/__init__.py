"""Our own tables in Airflow's database, and the stores over them.

SQLAlchemy Core only, so that reading them never imports Airflow. They are created by Airflow's own
``db migrate``, through ``airspace.airflow.db.AirspaceDBManager``.
"""

from airspace.backends.tables.holds import (
    DagHold,
    Hold,
    all_holds,
    await_readers,
    dag_hold_of,
    hold_of,
    holding,
    keep_waiting,
    moving,
)
from airspace.backends.tables.registry import TeamRegistry, TeamRow
from airspace.backends.tables.schema import asset_grants, dag_holds, holds, members, metadata, task_use, teams, users
from airspace.backends.tables.usage import TaskUse, TaskUseStore, key_of
from airspace.backends.tables.users import UserRow, UserStore

__all__ = [
    "DagHold",
    "Hold",
    "TaskUse",
    "TaskUseStore",
    "TeamRegistry",
    "TeamRow",
    "UserRow",
    "UserStore",
    "all_holds",
    "asset_grants",
    "await_readers",
    "dag_hold_of",
    "dag_holds",
    "hold_of",
    "holding",
    "holds",
    "keep_waiting",
    "key_of",
    "members",
    "metadata",
    "moving",
    "task_use",
    "teams",
    "users",
]
