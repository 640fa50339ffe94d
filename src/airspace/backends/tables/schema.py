"""The tables. A change here needs a migration beside ``airspace.airflow.db``; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    false,
    func,
)

TEAM_NAME = 50  # as wide as Airflow's own team.name
USER_NAME = 64

metadata = MetaData()

users = Table(
    "airspace_user",
    metadata,
    Column("name", String(USER_NAME), primary_key=True),
    Column("password_hash", Text, nullable=True),
    Column("platform_role", String(16), nullable=True),
    Column("support_role", String(16), nullable=True),
    Column("disabled", Boolean, nullable=False, server_default=false()),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# No foreign key to the user: a team file may name people who come later.
members = Table(
    "airspace_member",
    metadata,
    Column("team", String(TEAM_NAME), primary_key=True),
    Column("user_name", String(USER_NAME), primary_key=True, index=True),
    Column("role", String(16), nullable=False),
)

# ``spec`` is the validated team file with every secret replaced by what it refers to.
teams = Table(
    "airspace_team",
    metadata,
    Column("name", String(TEAM_NAME), primary_key=True),
    Column("title", Text, nullable=False),
    Column("bundle", String(250), nullable=False, unique=True),
    Column("slots", Integer, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# A team that is in here runs nothing new; the other tables know nothing of it, so that taking it out is all it takes.
holds = Table(
    "airspace_hold",
    metadata,
    Column("team", String(TEAM_NAME), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Single Dags that are on their way to another team. ``moved``: they are the target's already, and may be read there.
dag_holds = Table(
    "airspace_dag_hold",
    metadata,
    Column("dag_id", String(250), primary_key=True),
    Column("team", String(TEAM_NAME), nullable=False),
    Column("target", String(TEAM_NAME), nullable=False),
    Column("moved", Boolean, nullable=False, server_default=false()),
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# What a try of a task used; who and what it was is known to Airflow's own row of that key, as long as there is one.
task_use = Table(
    "airspace_task_use",
    metadata,
    Column("task_instance", Uuid, primary_key=True),
    Column("cpu", BigInteger, nullable=False),
    Column("wall", BigInteger, nullable=False),
    Column("memory", BigInteger, nullable=False),
)

asset_grants = Table(
    "airspace_asset_grant",
    metadata,
    Column("team", String(TEAM_NAME), primary_key=True),
    Column("asset", String(250), primary_key=True),
    Column("consumer", String(TEAM_NAME), primary_key=True),
)
