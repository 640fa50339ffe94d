"""Airflow's real API server over a database that looks as it does after ``airspace demo``, with levers to break it.

Run as a process of its own (``python -m tests.integration.demo.world_server``), because Airflow is configured once a
process. One JSON object a line comes on stdin, one goes to stdout for each:

``{"seed": {...}}`` then ``{"serve": DESCRIPTOR}`` once, then any of ``{"rules": {"without": NAME}}``,
``{"rules": {"and": NAME}}``, ``{"rules": {}}`` (as they are), ``{"everyone_is": NAME}``.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    # Airflow logs to stdout as soon as it is imported: keep the answers apart from that.
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

import json
import socket
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import uvicorn
from airflow.api_fastapi.app import create_app
from airflow.api_fastapi.core_api.security import get_user
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.models import DagRun, TaskInstance
from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.dag import DagModel
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select, update

from airspace.access.rules import RULES, Resource
from airspace.access.table import Action, Kind
from airspace.airflow.web.auth_manager import AirspaceAuthManager, AirspaceUser
from airspace.model.roles import PlatformRole, Principal, Role

BEGUN = datetime.now(timezone.utc) - timedelta(minutes=30)

# -- holes: rules that nobody should add, each breaking one promise


def members_read_everything(principal: Principal, action: Action, _resource: Resource) -> str | None:
    """Hole."""
    return "hole" if principal.teams and action is Action.READ else None


def viewers_trigger(principal: Principal, action: Action, resource: Resource) -> str | None:
    """Hole."""
    return "hole" if resource.team in principal.teams and action is Action.TRIGGER else None


def operators_write(principal: Principal, action: Action, resource: Resource) -> str | None:
    """Hole."""
    held = principal.teams.get(resource.team or "")
    operator = held is not None and held.includes(Role.OPERATOR)
    return "hole" if operator and action is Action.WRITE and resource.kind is Kind.VARIABLE else None


def leads_read_connections(principal: Principal, action: Action, resource: Resource) -> str | None:
    """Hole."""
    lead = Role.LEAD in principal.teams.values()
    return "hole" if lead and action is Action.READ and resource.kind is Kind.CONNECTION else None


def everyone_lists_dags(_principal: Principal, action: Action, resource: Resource) -> str | None:
    """Hole."""
    return "hole" if action is Action.READ and resource.kind is Kind.DAG else None


def auditors_write(principal: Principal, action: Action, _resource: Resource) -> str | None:
    """Hole."""
    return "hole" if principal.platform_role is PlatformRole.AUDITOR and action is Action.WRITE else None


def leads_write_globals(principal: Principal, _action: Action, resource: Resource) -> str | None:
    """Hole."""
    lead = Role.LEAD in principal.teams.values()
    return "hole" if lead and resource.team is None and resource.kind is Kind.VARIABLE else None


def members_read_assets(principal: Principal, action: Action, resource: Resource) -> str | None:
    """Hole."""
    return "hole" if principal.teams and resource.kind is Kind.ASSET and action is Action.READ else None


def members_read_artifacts(principal: Principal, action: Action, resource: Resource) -> str | None:
    """Hole."""
    return "hole" if principal.teams and resource.kind is Kind.ARTIFACT and action is Action.READ else None


HOLES = {
    rule.__name__: rule
    for rule in (
        members_read_everything,
        viewers_trigger,
        operators_write,
        leads_read_connections,
        everyone_lists_dags,
        auditors_write,
        leads_write_globals,
        members_read_assets,
        members_read_artifacts,
    )
}

# -- the seed


def parse(team: str, folder: str) -> None:
    """Parse a team's Dag files as Airflow does and store what was found, not paused."""
    os.environ["AIRSPACE_TEAM"] = team
    sys.path.insert(0, folder)
    bag = BundleDagBag(folder, bundle_path=Path(folder), bundle_name=team)
    if bag.import_errors:
        raise RuntimeError(f"{team}: {bag.import_errors}")
    sync_bag_to_db(bag, team, None)
    with create_session() as session:
        session.execute(update(DagModel).where(DagModel.bundle_name == team).values(is_paused=False))


def run(spec: dict[str, Any]) -> None:
    """One ended run with all its tasks; ``failed`` names the tasks that did not succeed."""
    begin = BEGUN + timedelta(seconds=spec["second"])
    with create_session() as session:
        dag = SerializedDagModel.get_dag(spec["dag"], session=session)
        made = dag.create_dagrun(
            run_id=spec["run"],
            run_after=begin,
            run_type=DagRunType(spec["type"]),
            triggered_by=DagRunTriggeredByType.REST_API,
            state=DagRunState.QUEUED,
            session=session,
        )
        session.flush()
        failed = spec["state"] == "failed"
        made.queued_at, made.start_date, made.end_date = begin, begin, begin + timedelta(seconds=5)
        made._state = spec["state"]
        for number, task in enumerate(made.get_task_instances(session=session)):
            task.state = "failed" if failed and number == 0 else "upstream_failed" if failed else "success"
            task.start_date, task.end_date = begin, begin + timedelta(seconds=1)


def event(spec: dict[str, Any]) -> None:
    """One publication, and the runs it started."""
    with create_session() as session:
        asset = session.scalar(select(AssetModel).where(AssetModel.name == spec["asset"]))
        task = session.scalar(
            select(TaskInstance).where(TaskInstance.dag_id == spec["dag"], TaskInstance.run_id == spec["run"]).limit(1)
        )
        made = AssetEvent(
            asset_id=asset.id,
            extra=spec["extra"],
            source_dag_id=spec["dag"],
            source_run_id=spec["run"],
            source_task_id=task.task_id,
            source_map_index=-1,
            timestamp=BEGUN + timedelta(seconds=spec["second"]),
        )
        session.add(made)
        for dag_id, run_id in spec["starts"]:
            started = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
            started.consumed_asset_events.append(made)


def seed(content: dict[str, Any]) -> None:
    """Everything that the demo leaves behind."""
    os.environ["AIRSPACE_STORAGE"] = content["storage"]
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps(
        [
            {"name": team, "classpath": local, "kwargs": {"path": folder}, "team_name": team}
            for team, folder in content["folders"].items()
        ]
    )
    for team, folder in content["folders"].items():
        parse(team, folder)
    for spec in content["runs"]:
        run(spec)
    for spec in content["events"]:
        event(spec)


# -- the server


def serve(descriptor: int) -> Any:
    """Start the API server on a socket that listens; returns its app once it answers."""
    app = create_app("core")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([socket.socket(fileno=descriptor)],), daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.05)
    return app


def pull(app: Any, lever: dict[str, Any]) -> None:
    """Break something, or mend it."""
    if "rules" in lever:
        change = lever["rules"]
        kept = tuple(rule for rule in RULES if rule.__name__ != change.get("without"))
        AirspaceAuthManager.rules = kept + ((HOLES[change["and"]],) if "and" in change else ())
    if "everyone_is" in lever:
        name = lever["everyone_is"]
        app.dependency_overrides.pop(get_user, None)
        if name:
            principal = AirspaceAuthManager().users.principal(name)
            app.dependency_overrides[get_user] = lambda: AirspaceUser(principal)


def main() -> None:
    """Answer line by line until stdin ends."""
    app = None
    for line in sys.stdin:
        order = json.loads(line)
        if "seed" in order:
            seed(order["seed"])
        elif "serve" in order:
            app = serve(order["serve"])
        else:
            pull(app, order)
        ANSWERS.write("{}\n")
        ANSWERS.flush()


if __name__ == "__main__":
    main()
