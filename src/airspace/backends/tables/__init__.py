"""Our own tables in Airflow's database, and the stores over them.

SQLAlchemy Core only, so that reading them never imports Airflow. They are created by Airflow's own
``db migrate``, through ``airspace.airflow.db.AirspaceDBManager``.
"""

from airspace.backends.tables.registry import TeamRegistry, TeamRow
from airspace.backends.tables.schema import asset_grants, members, metadata, teams, users
from airspace.backends.tables.users import UserRow, UserStore

__all__ = [
    "TeamRegistry",
    "TeamRow",
    "UserRow",
    "UserStore",
    "asset_grants",
    "members",
    "metadata",
    "teams",
    "users",
]
