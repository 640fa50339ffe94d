"""A real Airflow API server over a filled database: ``python serve.py PORT FILE``.

While FILE exists, requests go round the guard, so that a test can show that it is the guard that refuses. Below
``/lab/`` the server makes what only Airflow can make: runs of Dags, task tokens, the list of its routes.
"""

from __future__ import annotations

import datetime
import sys
import uuid
from pathlib import Path
from typing import Any

import uvicorn
from airflow import settings
from airflow.api_fastapi.app import create_app
from airflow.api_fastapi.auth.tokens import JWTGenerator, get_signing_args
from airflow.configuration import conf
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.models import Connection, TaskInstance, Variable
from airflow.models.connection_test import ConnectionTestRequest, ConnectionTestState
from airflow.models.dagbundle import DagBundleModel
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.team import Team
from airflow.models.xcom import XComModel
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, AssetAlias
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import insert
from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse

from airspace.airflow.guard.matching import all_routes, execution_mounts
from airspace.airflow.guard.middleware import DirectGuard, ExecutionGuard
from airspace.backends.tables import asset_grants, teams

DE, DS = "data_engineering", "data_science"
NOW = datetime.datetime.now(tz=datetime.timezone.utc)


def things(session: Any) -> None:
    for team in (DE, DS):
        bundle = DagBundleModel(name=team)
        bundle.teams.append(Team(name=team))
        session.add(bundle)
    session.add(DagBundleModel(name="nobodys"))
    session.flush()
    for team in (DE, DS):
        session.add(Connection(conn_id=f"{team}.warehouse", conn_type="http", password=f"{team}-pass", team_name=team))
        session.add(Variable(key=f"{team}.threshold", val=f"{team}-value", team_name=team))
        session.add(Variable(key=f"{team}.other", val="1", team_name=team))
    session.add(Connection(conn_id="everybodys", conn_type="http", password="global-pass"))
    session.add(Variable(key="everybodys", val="global-value"))
    session.add(Variable(key=f"{DS}.squatted", val="global-value"))
    session.add(Connection(conn_id="de_plain", conn_type="http", password="de-pass", team_name=DE))
    session.add(Variable(key="de_plain", val="de-value", team_name=DE))
    session.add(Variable(key="ds_plain", val="ds-value", team_name=DS))


def dags() -> list[tuple[str, DAG]]:
    profiles, hidden = Asset("user_profiles"), Asset("de_only", uri="s3://de/only")
    with DAG("de_etl", schedule=None) as etl:
        EmptyOperator(task_id="t", outlets=[profiles, hidden, AssetAlias("de_alias")])
    with DAG("de_listens", schedule=[hidden, AssetAlias("de_alias")]) as listens:
        EmptyOperator(task_id="t")
    with DAG("ds_train", schedule=[profiles]) as train:
        EmptyOperator(task_id="t", inlets=[profiles], outlets=[Asset("model", uri="s3://ds/model")])
    with DAG("ds_squats", schedule=None) as squats:  # says that it makes what others made before
        EmptyOperator(task_id="t", outlets=[profiles, hidden])
    with DAG("orphan", schedule=None) as orphan:
        EmptyOperator(task_id="t", outlets=[Asset("nobodys_asset")])
    return [(DE, etl), (DE, listens), (DS, train), (DS, squats), ("nobodys", orphan)]


def files() -> None:
    """What the team files would have put into our tables: user_profiles is shared with data science."""
    with settings.engine.begin() as connection:
        for team, assets in ((DE, {"user_profiles": {"consumers": [DS]}}), (DS, {})):
            row = {"name": team, "title": team, "bundle": team, "slots": 4, "spec": {"name": team, "assets": assets}}
            connection.execute(insert(teams).values(**row))
        connection.execute(insert(asset_grants).values(team=DE, asset="user_profiles", consumer=DS))


def fill() -> None:
    with create_session() as session:
        things(session)
    files()
    for bundle, dag in dags():
        with create_session() as session:
            parsed = [LazyDeserializedDAG.from_dag(dag)]
            update_dag_parsing_results_in_db(bundle, None, parsed, {}, None, set(), session)


def mint(subject: str, scope: str, valid_for: str = "600", audience: str = "", secret: str = "") -> str:
    signing = {"secret_key": secret} if secret else get_signing_args(make_secret_key_if_needed=False)
    usual = conf.get_mandatory_list_value("execution_api", "jwt_audience")[0]
    generator = JWTGenerator(valid_for=float(valid_for), audience=audience or usual, **signing)
    return generator.generate(extras={"sub": subject, "scope": scope})


def make_run(dag_id: str, state: str) -> dict[str, str]:
    """A new run with its task in that state, with an XCom, as the scheduler and a worker would leave it."""
    with create_session() as session:
        dag = SerializedDagModel.get_dag(dag_id, session=session)
        assert dag is not None
        run_id = f"manual__{uuid.uuid4().hex}"
        when = datetime.datetime.now(tz=datetime.timezone.utc)
        run = dag.create_dagrun(
            run_id=run_id,
            logical_date=when,
            data_interval=(when, when),
            run_after=when,
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            start_date=when,
            session=session,
        )
        (ti,) = run.task_instances
        ti.state, ti.try_number, ti.queued_dttm = TaskInstanceState(state), 1, when
        ti.hostname, ti.unixname, ti.pid = "host", "somebody", 4711
        row = {"dag_run_id": run.id, "dag_id": dag_id, "task_id": "t", "run_id": run_id}
        session.add(XComModel(**row, key="answer", value="42"))
        found = {"ti": str(ti.id), "run_id": run_id, "dag_id": dag_id}
    return {**found, "token": mint(found["ti"], "execution"), "queued": mint(found["ti"], "workload")}


def make_connection_test() -> dict[str, str]:
    """A connection test as the UI asks for one, handed out to a worker."""
    with create_session() as session:
        test = ConnectionTestRequest(
            connection_id=uuid.uuid4().hex, conn_type="http", password="tested-pass", team_name=DS
        )
        test.state = ConnectionTestState.QUEUED
        session.add(test)
        session.flush()
        return {"id": str(test.id), "token": mint(str(test.id), "workload")}


def retry(ti_id: str) -> dict[str, str]:
    """What the scheduler does before the next try: the instance gets another id."""
    with create_session() as session:
        ti = session.get(TaskInstance, uuid.UUID(ti_id))
        assert ti is not None
        ti.prepare_db_for_next_try(session=session)
        return {"ti": str(ti.id)}


class Lab:
    """The server with what the tests need beside it."""

    def __init__(self, app: Any, without_guard: Path) -> None:
        self._app, self._without = app, without_guard

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/lab/"):
            query = dict(QueryParams(scope["query_string"]))
            await JSONResponse(self._make(scope["path"].removeprefix("/lab/"), query))(scope, receive, send)
            return
        for name, value in scope.get("headers", ()):
            if name == b"x-lab-root-path":  # as behind a proxy that the server was told of
                scope["root_path"] = value.decode()
        await self._app(scope, receive, send)

    def _make(self, what: str, query: dict[str, str]) -> Any:
        if what == "run":
            return make_run(query["dag_id"], query["state"])
        if what == "connection-test":
            return make_connection_test()
        if what == "retry":
            return retry(query["ti"])
        if what == "token":
            return mint(query.pop("sub"), query.pop("scope"), **query)
        (mount,) = execution_mounts(self._app)
        return sorted(set(all_routes(mount.app)))


class MayBeOff(ExecutionGuard):
    """The guard, which steps aside while a file exists."""

    file: Path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.file.exists():
            await self._app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class OuterMayBeOff(DirectGuard):
    """The outer one, which also steps aside where only the inner one is asked."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if MayBeOff.file.exists() or (b"x-lab-inner", b"1") in scope.get("headers", ()):
            await self._app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


if __name__ == "__main__":
    fill()
    MayBeOff.file = Path(sys.argv[2])
    from airspace.airflow.guard import middleware

    middleware.ExecutionGuard = MayBeOff  # type: ignore[misc]
    middleware.DirectGuard = OuterMayBeOff  # type: ignore[misc]
    application = create_app()
    lab = Lab(application, Path(sys.argv[2]))
    uvicorn.run(
        lab, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, timeout_keep_alive=600
    )
