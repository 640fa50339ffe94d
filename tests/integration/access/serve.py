"""A real Airflow API server over a filled database, in a process of its own: ``python serve.py PORT FILE``.

While FILE names one of the rules of access, the server decides without that rule.
"""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from airflow import settings
from airflow.api_fastapi.app import create_app
from airflow.models import Connection, DagModel, Pool, Variable
from airflow.models.asset import AssetActive, AssetEvent, AssetModel
from airflow.models.backfill import Backfill
from airflow.models.dagbundle import DagBundleModel
from airflow.models.errors import ParseImportError
from airflow.models.log import Log
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.team import Team
from airflow.models.xcom import XComModel
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import event, insert, select

from airspace.access.passwords import hash_password
from airspace.access.rules import RULES, Rule
from airspace.airflow.web.auth_manager import AirspaceAuthManager
from airspace.airflow.web.sign_in import app as sign_in
from airspace.backends.tables import UserStore, asset_grants, members
from airspace.model.roles import PlatformRole, Role

DE, DS, DA = "data_engineering", "data_science", "data_analytics"
WHEN = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
PASSWORD = "a good password"
USERS: dict[str, tuple[PlatformRole | None, Role | None, dict[str, Role]]] = {
    "admin": (PlatformRole.ADMIN, None, {}),
    "iris": (PlatformRole.AUDITOR, None, {DS: Role.LEAD}),
    "sue": (PlatformRole.SUPPORT, None, {}),
    "nemo": (None, None, {}),
    "viewer": (None, None, {DS: Role.VIEWER}),
    "operator": (None, None, {DS: Role.OPERATOR}),
    "author": (None, None, {DS: Role.AUTHOR}),
    "lead": (None, None, {DS: Role.LEAD}),
    "emil": (None, None, {DE: Role.LEAD}),
    "da_author": (None, None, {DA: Role.AUTHOR}),
    "da_lead": (None, None, {DA: Role.LEAD}),
    "leaver": (None, None, {DS: Role.AUTHOR}),
    "both": (None, None, {DE: Role.VIEWER, DS: Role.OPERATOR}),
    "gone": (None, None, {DS: Role.LEAD}),
}


class RulesButOne:
    """The rules without the one that the file names at this moment."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __iter__(self) -> Iterator[Rule]:
        removed = self._file.read_text() if self._file.exists() else ""
        return (rule for rule in RULES if rule.__name__ != removed)


def people() -> None:
    store = UserStore(settings.engine)
    password_hash = hash_password(PASSWORD)
    for name, (platform_role, support_role, teams) in USERS.items():
        store.add(name, password_hash, platform_role, support_role)
        with settings.engine.begin() as connection:
            for team, role in teams.items():
                connection.execute(insert(members).values(team=team, user_name=name, role=role.value))
    store.set_disabled("gone", True)


def things(session: Any) -> None:
    for team in (DE, DS, DA):
        bundle = DagBundleModel(name=team)
        bundle.teams.append(Team(name=team))
        session.add(bundle)
    session.add(DagBundleModel(name="nobodys"))
    session.flush()
    for team in (DE, DS, None):
        prefix = f"{team}." if team else "global_"
        session.add(Connection(conn_id=f"{prefix}warehouse", conn_type="http", password="s3cret", team_name=team))
        session.add(Variable(key=f"{prefix}threshold", val="1", team_name=team))
        session.add(Pool(pool=f"{prefix}gpu", slots=1, include_deferred=False, team_name=team))
        session.add(
            ParseImportError(
                filename=f"{prefix}broken.py", bundle_name=team or "nobodys", stacktrace="secret", timestamp=WHEN
            )
        )
    session.add(Log(event="connection.edit", owner="emil", extra="login of data engineering"))


def dags() -> list[tuple[str, DAG]]:
    profiles, hidden, model = Asset("user_profiles"), Asset("de_only"), Asset("model")
    with DAG("de_etl", schedule=None) as etl:
        EmptyOperator(task_id="load", outlets=[profiles, hidden])
    with DAG("ds_train", schedule=[profiles]) as train:
        EmptyOperator(task_id="fit", outlets=[model])
    with DAG("orphan", schedule=None) as orphan:
        EmptyOperator(task_id="lost")
    with DAG("da_spare", schedule=None) as spare:
        EmptyOperator(task_id="nothing")
    return [(DE, etl), (DS, train), ("nobodys", orphan), (DA, spare)]


def add_dag(bundle: str, dag: DAG, session: Any) -> None:
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db

    update_dag_parsing_results_in_db(bundle, None, [LazyDeserializedDAG.from_dag(dag)], {}, None, set(), session)
    session.flush()
    stored = SerializedDagModel.get_dag(dag.dag_id, session=session)
    assert stored is not None
    run = stored.create_dagrun(
        run_id="r1",
        logical_date=WHEN,
        data_interval=(WHEN, WHEN),
        run_after=WHEN,
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state=DagRunState.SUCCESS,
        session=session,
    )
    (ti,) = run.task_instances
    ti.try_number = 1
    session.add(
        XComModel(dag_run_id=run.id, dag_id=dag.dag_id, task_id=ti.task_id, run_id="r1", key="answer", value="42")
    )
    session.add(Log(event="trigger", owner="someone", extra=dag.dag_id, dag_id=dag.dag_id))
    session.add(Backfill(dag_id=dag.dag_id, from_date=WHEN, to_date=WHEN, dag_run_conf={}, max_active_runs=1))


def events(session: Any) -> None:
    ids = dict(session.execute(select(AssetModel.name, AssetModel.id)).all())
    for name, asset_id in ids.items():
        if session.get(AssetActive, (name, name)) is None:
            session.add(AssetActive(name=name, uri=name))
        session.add(AssetEvent(asset_id=asset_id, extra={"by": "api"}, timestamp=WHEN))
    session.add(AssetEvent(asset_id=ids["de_only"], source_dag_id="de_etl", source_task_id="load", source_run_id="r1"))
    session.execute(insert(asset_grants).values(team=DE, asset="user_profiles", consumer=DS))


def fill() -> None:
    people()
    with create_session() as session:
        things(session)
    for bundle, dag in dags():
        with create_session() as session:
            add_dag(bundle, dag, session)
    with create_session() as session:
        events(session)
        assert session.scalar(select(DagModel.bundle_name).where(DagModel.dag_id == "de_etl")) == DE


class CountQueries:
    """Says in a header how many queries a request made. One request at a time, or it counts the others' too."""

    def __init__(self, app: Any) -> None:
        self._app, self._count = app, 0
        event.listen(settings.engine, "after_cursor_execute", self._add)

    def _add(self, *_args: Any) -> None:
        self._count += 1

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        before = self._count

        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-queries", str(self._count - before).encode())]
            await send(message)

        await self._app(scope, receive, counted)


class Standing:
    """The time of the sign-in's throttle: it stands still while the file is there."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at: float | None = None

    def monotonic(self) -> float:
        """Seconds."""
        if not self._file.exists():
            self._at = None
        elif self._at is None:
            self._at = time.monotonic()
        return self._at or time.monotonic()


if __name__ == "__main__":
    fill()
    sign_in.time = Standing(Path(sys.argv[2]).with_name("still"))  # type: ignore[assignment]
    AirspaceAuthManager.rules = RulesButOne(Path(sys.argv[2]))  # type: ignore[assignment]
    application = create_app()
    how: dict[str, Any] = {"log_level": "warning", "access_log": False, "timeout_keep_alive": 600}
    uvicorn.run(CountQueries(application), host="127.0.0.1", port=int(sys.argv[1]), **how)
