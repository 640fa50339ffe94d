"""One side of the benchmark of access: ``python -m benchmarks.access_worker MANAGER TEAMS DAGS REPEATS``.

The real application over a real database, asked in this process, so that nothing but the answers is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
from airflow import settings
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.models.dagbundle import DagBundleModel
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.team import Team
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import event, insert, text

from airspace.backends.tables import UserStore, members
from airspace.model.roles import PlatformRole, Role

WHEN = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
FIRST, SEED = "team_001", "team_001_dag_001"
# What the stock pages ask when somebody opens them, and the list of Dags.
PAGE = (
    "/ui/config", "/ui/auth/menus", "/ui/auth/me", "/api/v2/version", "/api/v2/plugins", "/api/v2/monitor/health",
    "/ui/dashboard/dag_stats", "/ui/dashboard/historical_metrics_data?start_date=2025-12-31T00:00:00Z",
    "/api/v2/importErrors?limit=1", "/api/v2/dags/~/dagRuns/~/hitlDetails?limit=1", "/api/v2/pools?limit=100",
    "/api/v2/assets/events?limit=6", "/ui/backfills?limit=1", "/ui/teams",
    "/ui/dags?limit=50&dag_runs_limit=14", "/api/v2/dagTags?limit=100",
)  # fmt: skip
LISTS = {"list of 50": "/api/v2/dags?limit=50", "list of 100": "/api/v2/dags?limit=100"}
_TABLES = ("dag", "dag_version", "dag_code", "serialized_dag", "dag_run", "dag_tag")


def fill(teams: int, dags: int) -> None:
    """So many teams with so many Dags each, each with a run: one is parsed, the others are its copies."""
    with create_session() as session:
        for number in range(1, teams + 1):
            bundle = DagBundleModel(name=f"team_{number:03d}")
            bundle.teams.append(Team(name=bundle.name))
            session.add(bundle)
    with create_session() as session:
        _seed(session)
    with settings.engine.begin() as connection:
        for table in _TABLES:
            connection.execute(text(_copies(connection, table)), {"teams": teams, "dags": dags})
        connection.execute(text("ANALYZE"))


def _seed(session: Any) -> None:
    with DAG(SEED, schedule=None, tags=["tag"]) as dag:
        EmptyOperator(task_id="nothing")
    file = Path(settings.AIRFLOW_HOME) / "seed.py"
    file.write_text("# seed\n")
    dag.fileloc, dag.relative_fileloc = str(file), "seed.py"
    update_dag_parsing_results_in_db(FIRST, None, [LazyDeserializedDAG.from_dag(dag)], {}, None, set(), session)
    session.flush()
    stored = SerializedDagModel.get_dag(SEED, session=session)
    assert stored is not None
    stored.create_dagrun(
        run_id="r1", logical_date=WHEN, data_interval=(WHEN, WHEN), run_after=WHEN, run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST, state=DagRunState.SUCCESS, session=session,
    )  # fmt: skip


def _copies(connection: Any, table: str) -> str:
    """The statement that copies the seed's row of a table for every other Dag, with names and numbers of its own."""
    columns = list(
        connection.scalars(
            text("SELECT column_name FROM information_schema.columns WHERE table_name = :t ORDER BY ordinal_position"),
            {"t": table},
        )
    )
    team, dag = "'team_' || lpad(t::text, 3, '0')", "'_dag_' || lpad(d::text, 3, '0')"
    uuid = "md5({} || t || '_' || d)::uuid"
    replaced = {
        "dag_id": f"{team} || {dag}", "dag_display_name": f"{team} || {dag}", "bundle_name": team,
        "dag_version_id": uuid.format("'v'"), "created_dag_version_id": uuid.format("'v'"),
    }  # fmt: skip
    ids = {"dag_version": uuid.format("'v'"), "dag_code": uuid.format("'c'"), "serialized_dag": uuid.format("'s'")}
    replaced["id"] = ids.get(table, "nextval('dag_run_id_seq')")
    values = ", ".join(replaced.get(column, f'seed."{column}"') for column in columns)
    named = ", ".join(f'"{column}"' for column in columns)
    return (
        f"INSERT INTO {table} ({named}) SELECT {values} FROM {table} AS seed, generate_series(1, :teams) AS t,"
        f" generate_series(1, :dags) AS d WHERE seed.dag_id = '{SEED}' AND (t, d) <> (1, 1)"
    )


def people() -> None:
    """Whom Airspace is asked as."""
    store = UserStore(settings.engine)
    store.add("admin", None, PlatformRole.ADMIN)
    store.add("support", None, PlatformRole.SUPPORT)
    store.add("member", None)
    with settings.engine.begin() as connection:
        connection.execute(insert(members).values(team=FIRST, user_name="member", role=Role.LEAD.value))


def users(manager: str) -> dict[str, Callable[[], Any]]:
    """Name → a user of this side's auth manager, made when the application is there."""
    if manager == "simple":
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

        return {"admin": lambda: SimpleAuthManagerUser(username="admin", role="admin", teams=[])}
    from airspace.airflow.web.auth_manager import AirspaceUser
    from airspace.model.roles import Principal

    return {name: (lambda name=name: AirspaceUser(Principal(name))) for name in ("admin", "support", "member")}


async def measure(app: Any, who: dict[str, Callable[[], Any]], repeats: int) -> dict[str, Any]:
    """Milliseconds, those of them on the processor, and queries: user → what → samples."""
    found: dict[str, Any] = {}
    count = [0]
    event.listen(settings.engine, "before_cursor_execute", lambda *_: count.__setitem__(0, count[0] + 1))
    gc.freeze()  # what was there before the first request is not looked through at each collection
    async with running(app) as client:
        for name, make in who.items():
            headers = {"authorization": f"Bearer {get_auth_manager().generate_jwt(make())}"}

            async def once(urls: tuple[str, ...], headers: dict[str, str] = headers) -> tuple[float, float, int]:
                count[0], begun, cpu = 0, time.perf_counter(), time.process_time()
                for url in urls:
                    answer = await client.get(url, headers=headers)
                    assert answer.status_code == 200, (url, answer.text)
                return (time.perf_counter() - begun) * 1000, (time.process_time() - cpu) * 1000, count[0]

            kinds = {**{kind: (url,) for kind, url in LISTS.items()}, "first page": PAGE}
            found[name] = {kind: await _samples(once, urls, repeats) for kind, urls in kinds.items()}
            total = (await client.get("/api/v2/dags?limit=1", headers=headers)).json()["total_entries"]
            found[name]["dags"] = total
    return found


async def _samples(once: Any, urls: tuple[str, ...], repeats: int) -> dict[str, Any]:
    for _ in range(3):
        await once(urls)
    gc.collect()
    samples = [await once(urls) for _ in range(repeats)]
    return {
        "ms": [round(ms, 2) for ms, _, _ in samples],
        "cpu_ms": [round(cpu, 2) for _, cpu, _ in samples],  # of this process: a busy machine changes it far less
        "queries": sorted({queries for _, _, queries in samples}),
    }


@contextlib.asynccontextmanager
async def running(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The application between start and stop, which its middlewares see too."""
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan", "state": {}}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client
    await inbox.put({"type": "lifespan.shutdown"})
    await task


def main(manager: str, teams: int, dags: int, repeats: int) -> None:
    """See the module; 0 teams: the database is filled already."""
    if teams:
        fill(teams, dags)
        people()
    answers = asyncio.run(measure(create_app(), users(manager), repeats))
    sys.stderr.flush()
    Path(settings.AIRFLOW_HOME, "result.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:5]))
