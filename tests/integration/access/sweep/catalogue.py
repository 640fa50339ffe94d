"""Every route: the lowest role that may use it for something of its own team, and a body that works.

A route that is not here fails the sweep: say who may use it. ``public`` needs no sign-in; ``everyone`` is open to
whoever is signed in, and shows each their own; ``platform`` is for administrators (and auditors, to read),
``oversight`` for support as well.
"""

from __future__ import annotations

from typing import Any

WHO = """
public    GET    /openapi.json
public    GET    /docs
public    GET    /docs/oauth2-redirect
public    GET    /redoc
public    GET    /auth/openapi.json
public    GET    /auth/login
public    POST   /auth/login
public    GET    /auth/logout
public    GET    /auth/no-team
public    POST   /auth/token
public    POST   /auth/token/cli
everyone  GET    /auth/whoami
platform  GET    /auth/as/{name}
everyone  GET    /airspace/api/me
viewer    GET    /airspace/api/where/dags/{dag_id}
viewer    GET    /airspace/api/where/assets/{asset_id}
everyone  GET    /airspace/api/homes/teams
viewer    GET    /airspace/api/homes/teams/{team}
oversight GET    /airspace/api/homes/platform
everyone  GET    /ui/auth/menus
everyone  GET    /ui/auth/me
everyone  POST   /ui/auth/token
viewer    GET    /ui/next_run_assets/{dag_id}
viewer    GET    /ui/dags/{dag_id}/dagRuns/{dag_run_id}/stats
everyone  GET    /ui/partitioned_dag_runs
viewer    GET    /ui/pending_partitioned_dag_run/{dag_id}
everyone  GET    /ui/config
author    GET    /ui/connections/hook_meta
everyone  GET    /ui/dags
viewer    GET    /ui/dags/{dag_id}/latest_run
everyone  GET    /ui/dependencies
everyone  GET    /ui/dashboard/historical_metrics_data
everyone  GET    /ui/dashboard/dag_stats
viewer    GET    /ui/dags/{dag_id}/dagRuns/{dag_run_id}/deadlines
viewer    GET    /ui/dags/{dag_id}/deadlineAlerts
viewer    GET    /ui/structure/structure_data
everyone  GET    /ui/backfills
viewer    GET    /ui/grid/structure/{dag_id}
viewer    GET    /ui/grid/runs/{dag_id}
viewer    GET    /ui/grid/ti_summaries/{dag_id}
viewer    GET    /ui/gantt/{dag_id}/{run_id}
viewer    GET    /ui/calendar/{dag_id}
everyone  GET    /ui/teams
everyone  GET    /api/v2/assets
everyone  GET    /api/v2/assets/aliases
viewer    GET    /api/v2/assets/aliases/{asset_alias_id}
everyone  GET    /api/v2/assets/events
operator  POST   /api/v2/assets/events
operator  POST   /api/v2/assets/{asset_id}/materialize
viewer    GET    /api/v2/assets/{asset_id}/queuedEvents
viewer    GET    /api/v2/assets/{asset_id}
viewer    GET    /api/v2/dags/{dag_id}/assets/queuedEvents
viewer    GET    /api/v2/dags/{dag_id}/assets/{asset_id}/queuedEvents
author    DELETE /api/v2/assets/{asset_id}/queuedEvents
author    DELETE /api/v2/dags/{dag_id}/assets/queuedEvents
author    DELETE /api/v2/dags/{dag_id}/assets/{asset_id}/queuedEvents
viewer    GET    /api/v2/backfills
viewer    GET    /api/v2/backfills/{backfill_id}
operator  PUT    /api/v2/backfills/{backfill_id}/pause
operator  PUT    /api/v2/backfills/{backfill_id}/unpause
operator  PUT    /api/v2/backfills/{backfill_id}/cancel
operator  POST   /api/v2/backfills
operator  POST   /api/v2/backfills/dry_run
lead      DELETE /api/v2/connections/{connection_id}
author    GET    /api/v2/connections/enqueue-test
author    GET    /api/v2/connections/{connection_id}
author    GET    /api/v2/connections
lead      POST   /api/v2/connections
lead      PATCH  /api/v2/connections
lead      PATCH  /api/v2/connections/{connection_id}
lead      POST   /api/v2/connections/test
lead      POST   /api/v2/connections/enqueue-test
platform  POST   /api/v2/connections/defaults
viewer    GET    /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}
author    DELETE /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}
operator  PATCH  /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}
operator  PATCH  /api/v2/dags/{dag_id}/dagRuns
viewer    GET    /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/upstreamAssetEvents
operator  POST   /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/clear
viewer    GET    /api/v2/dags/{dag_id}/dagRuns
operator  POST   /api/v2/dags/{dag_id}/dagRuns
viewer    GET    /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/wait
everyone  POST   /api/v2/dags/{dag_id}/dagRuns/list
operator  POST   /api/v2/dags/{dag_id}/clearDagRuns
operator  POST   /api/v2/dags/{dag_id}/clearPartitions
viewer    GET    /api/v2/dagSources/{dag_id}
everyone  GET    /api/v2/dagStats
platform  GET    /api/v2/config
platform  GET    /api/v2/config/section/{section}/option/{option}
everyone  GET    /api/v2/dagWarnings
everyone  GET    /api/v2/dags
viewer    GET    /api/v2/dags/{dag_id}
viewer    GET    /api/v2/dags/{dag_id}/details
operator  PATCH  /api/v2/dags/{dag_id}
operator  PATCH  /api/v2/dags
viewer    POST   /api/v2/dags/{dag_id}/favorite
viewer    POST   /api/v2/dags/{dag_id}/unfavorite
lead      DELETE /api/v2/dags/{dag_id}
viewer    GET    /api/v2/eventLogs/{event_log_id}
everyone  GET    /api/v2/eventLogs
viewer    GET    /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/links
viewer    GET    /api/v2/importErrors/{import_error_id}
everyone  GET    /api/v2/importErrors
platform  GET    /api/v2/jobs
everyone  GET    /api/v2/plugins
platform  GET    /api/v2/plugins/importErrors
lead      DELETE /api/v2/pools/{pool_name:path}
viewer    GET    /api/v2/pools/{pool_name:path}
everyone  GET    /api/v2/pools
lead      PATCH  /api/v2/pools/{pool_name:path}
lead      POST   /api/v2/pools
lead      PATCH  /api/v2/pools
platform  GET    /api/v2/providers
viewer    GET    /api/v2/assets/{asset_id}/state-store
viewer    GET    /api/v2/assets/{asset_id}/state-store/{key:path}
author    PUT    /api/v2/assets/{asset_id}/state-store/{key:path}
author    DELETE /api/v2/assets/{asset_id}/state-store/{key:path}
author    DELETE /api/v2/assets/{asset_id}/state-store
viewer    GET    {task}/state-store
viewer    GET    {task}/state-store/{key:path}
operator  PUT    {task}/state-store/{key:path}
operator  PATCH  {task}/state-store/{key:path}
author    DELETE {task}/state-store/{key:path}
author    DELETE {task}/state-store
viewer    GET    {task}/xcomEntries/{xcom_key:path}
viewer    GET    {task}/xcomEntries
author    POST   {task}/xcomEntries
author    PATCH  {task}/xcomEntries/{xcom_key:path}
author    DELETE {task}/xcomEntries/{xcom_key:path}
viewer    GET    {task}
viewer    GET    {task}/listMapped
viewer    GET    {task}/{map_index}/dependencies
viewer    GET    {task}/dependencies
viewer    GET    {task}/tries
viewer    GET    {task}/{map_index}/tries
viewer    GET    {task}/{map_index}
viewer    GET    /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances
everyone  POST   /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list
viewer    GET    {task}/tries/{task_try_number}
viewer    GET    {task}/{map_index}/tries/{task_try_number}
operator  POST   /api/v2/dags/{dag_id}/clearTaskInstances
operator  PATCH  /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances/{group_id}
operator  PATCH  /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances/{group_id}/dry_run
operator  PATCH  {task}/{map_index}/dry_run
operator  PATCH  {task}/dry_run
operator  PATCH  /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances
operator  PATCH  {task}/{map_index}
operator  PATCH  {task}
author    DELETE {task}
viewer    GET    /api/v2/dags/{dag_id}/tasks
viewer    GET    /api/v2/dags/{dag_id}/tasks/{task_id}
author    DELETE /api/v2/variables/{variable_key:path}
author    GET    /api/v2/variables/{variable_key:path}
author    GET    /api/v2/variables
author    PATCH  /api/v2/variables/{variable_key:path}
author    POST   /api/v2/variables
author    PATCH  /api/v2/variables
viewer    GET    {task}/logs/{try_number}
viewer    GET    {task}/externalLogUrl/{try_number}
operator  PUT    /api/v2/parseDagFile/{file_token}
everyone  GET    /api/v2/dagTags
viewer    GET    /api/v2/dags/{dag_id}/dagVersions/{version_number}
viewer    GET    /api/v2/dags/{dag_id}/dagVersions
operator  PATCH  {task}/{map_index}/hitlDetails
viewer    GET    {task}/{map_index}/hitlDetails
viewer    GET    {task}/{map_index}/hitlDetails/tries/{try_number}
viewer    GET    /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/hitlDetails
public    GET    /api/v2/monitor/health
public    GET    /api/v2/version
public    GET    /api/v2/auth/login
public    GET    /api/v2/auth/logout
viewer    GET    {artifacts}
viewer    GET    {artifacts}/versions
viewer    GET    {artifacts}/files
viewer    GET    {artifacts}/preview
viewer    GET    {artifacts}/open
viewer    GET    {artifacts}/download
viewer    GET    {artifacts}/tables
viewer    GET    {artifacts}/table
viewer    GET    /airspace/api/lineage
public    GET    /health
public    GET    /api/v1/{_:path}
public    GET    /api/{_:path}
public    GET    /{rest_of_path:path}
"""
ARTIFACTS = "/airspace/api/artifacts/{team}"
TASK = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}"
_CONNECTION = {"connection_id": "$connection", "conn_type": "http", "host": "h", "team_name": "$team"}
_POOL = {"name": "$pool", "slots": 2, "include_deferred": False, "team_name": "$team"}
_VARIABLE = {"key": "$variable", "value": "2", "team_name": "$team"}
_BACKFILL = {"dag_id": "$periodic", "from_date": "2026-02-01T00:00:00Z", "to_date": "2026-02-02T00:00:00Z"}
_STATE: dict[str, Any] = {"new_state": "failed"}
_BULK_TASK = {"dag_id": "$dag", "dag_run_id": "r1", "task_id": "load", "new_state": "success"}


def _bulk(action: str, *entities: Any) -> dict[str, Any]:
    return {"actions": [{"action": action, "entities": list(entities)}]}


BODIES: dict[str, Any] = {
    "POST /ui/auth/token": {"token_type": "api"},
    "POST /api/v2/assets/events": {"asset_id": "$asset"},
    "POST /api/v2/backfills": _BACKFILL,
    "POST /api/v2/backfills/dry_run": _BACKFILL,
    "POST /api/v2/connections": {**_CONNECTION, "connection_id": "$connection.new"},
    "PATCH /api/v2/connections": _bulk("update", _CONNECTION),
    "PATCH /api/v2/connections/{connection_id}": _CONNECTION,
    "POST /api/v2/connections/test": {key: value for key, value in _CONNECTION.items() if key != "host"},
    "POST /api/v2/connections/enqueue-test": _CONNECTION,
    "PATCH /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}": {"state": "failed", "note": "n"},
    "PATCH /api/v2/dags/{dag_id}/dagRuns": _bulk("update", {"dag_id": "$dag", "dag_run_id": "r1", "state": "failed"}),
    "POST /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/clear": {"dry_run": False},
    "POST /api/v2/dags/{dag_id}/dagRuns": {"logical_date": "2027-01-01T00:00:00Z", "dag_run_id": "made"},
    "POST /api/v2/dags/{dag_id}/dagRuns/list": {"dag_ids": ["$dag"]},
    "POST /api/v2/dags/{dag_id}/clearDagRuns": {"dry_run": True, "dag_runs": [{"dag_id": "$dag", "dag_run_id": "r1"}]},
    "POST /api/v2/dags/{dag_id}/clearPartitions": {"run_id": "r1", "dry_run": True},
    "PATCH /api/v2/dags/{dag_id}": {"is_paused": True},
    "PATCH /api/v2/dags": {"is_paused": True},
    "PATCH /api/v2/pools/{pool_name:path}": {
        "pool": "$pool",
        "slots": 2,
        "include_deferred": False,
        "team_name": "$team",
    },
    "POST /api/v2/pools": {**_POOL, "name": "$pool.new"},
    "PATCH /api/v2/pools": _bulk("update", _POOL),
    "PUT /api/v2/assets/{asset_id}/state-store/{key:path}": {"value": 1},
    f"PUT {TASK}/state-store/{{key:path}}": {"value": 1},
    f"PATCH {TASK}/state-store/{{key:path}}": {"value": 1},
    f"POST {TASK}/xcomEntries": {"key": "new", "value": 1},
    f"PATCH {TASK}/xcomEntries/{{xcom_key:path}}": {"value": 1},
    "POST /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list": {"dag_ids": ["$dag"]},
    "POST /api/v2/dags/{dag_id}/clearTaskInstances": {"dry_run": True, "dag_run_id": "r1"},
    "PATCH /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances/{group_id}": _STATE,
    "PATCH /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances/{group_id}/dry_run": _STATE,
    f"PATCH {TASK}/{{map_index}}/dry_run": _STATE,
    f"PATCH {TASK}/dry_run": _STATE,
    "PATCH /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances": _bulk("update", _BULK_TASK),
    f"PATCH {TASK}/{{map_index}}": _STATE,
    f"PATCH {TASK}": _STATE,
    "PATCH /api/v2/variables/{variable_key:path}": _VARIABLE,
    "POST /api/v2/variables": {**_VARIABLE, "key": "$variable.new"},
    "PATCH /api/v2/variables": _bulk("update", _VARIABLE),
    f"PATCH {TASK}/{{map_index}}/hitlDetails": {"chosen_options": ["yes"]},
}

QUERIES: dict[str, str] = {
    "GET /api/v2/backfills": "dag_id=$dag",
    "GET /ui/structure/structure_data": "dag_id=$dag&external_dependencies=true",
    "GET /ui/pending_partitioned_dag_run/{dag_id}": "partition_key=common",
    "GET /ui/dashboard/historical_metrics_data": "start_date=2025-01-01T00:00:00Z",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/wait": "interval=0.01",
    "PATCH /api/v2/dags": "dag_id_pattern=$dag",
    "GET /ui/grid/ti_summaries/{dag_id}": "run_ids=r1",
    f"GET {ARTIFACTS}/versions": "at=published/$team/$dag",
    f"GET {ARTIFACTS}/files": "at=files",
    f"GET {ARTIFACTS}/preview": "at=files/a.csv",
    f"GET {ARTIFACTS}/open": "at=files/a.html",
    f"GET {ARTIFACTS}/download": "at=files/a.csv",
    f"GET {ARTIFACTS}/table": "at=tables/$team/$dag",
    "GET /airspace/api/lineage": "team=$team",
}

# What the owner's own call answers where it gets past the question of access, but this world has nothing more for it.
PAST: dict[str, set[int]] = {
    "GET /api/v1/{_:path}": {404},  # what was there once, and what never was
    "GET /api/{_:path}": {404},
    f"GET {TASK}/listMapped": {404},  # the task is not mapped
    f"GET {TASK}/externalLogUrl/{{try_number}}": {400},  # logs are local
    "GET /api/v2/config": {403},  # not exposed by [api] expose_config; the words differ
    "GET /api/v2/config/section/{section}/option/{option}": {403},
    "POST /api/v2/backfills": {409},  # one is running already
    "POST /api/v2/dags/{dag_id}/favorite": {409},  # of those who have it
    "POST /api/v2/dags/{dag_id}/unfavorite": {409},
    "POST /api/v2/assets/{asset_id}/materialize": {409},
    "GET /airspace/api/homes/teams/{team}": {404},  # what has no team has no team's home
    # No sandbox runs here to look at files and tables.
    **{
        f"GET {ARTIFACTS}/{what}": {503}
        for what in ("versions", "files", "preview", "open", "download", "tables", "table")
    },
    "GET /airspace/api/where/dags/{dag_id}": {404},  # what has no team is in no team's view
    "GET /airspace/api/where/assets/{asset_id}": {404},
}


def who() -> dict[str, str]:
    """Method and path → the lowest role, or one of the four words above."""
    found = {}
    for line in WHO.strip().splitlines():
        role, method, path = line.split()
        found[f"{method} {path.replace('{task}', TASK).replace('{artifacts}', ARTIFACTS)}"] = role
    return found
