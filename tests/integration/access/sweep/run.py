"""Asks everything; the answers go to files: ``python -m tests.integration.access.sweep.run ADMIN_URL OTHER_DB FOLDER``.

One application, in this process; two databases, one a copy of the other with more in it. What a request writes is
rolled back when it has been answered, so that all are asked of the same world.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import re
import sys
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from airflow import settings
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.models import DagModel
from airflow.models.asset import AssetAliasModel, AssetModel
from airflow.models.backfill import Backfill
from airflow.models.dag import clear_team_name_cache
from airflow.models.errors import ParseImportError
from airflow.models.log import Log
from airflow.utils.session import create_session
from itsdangerous import URLSafeSerializer
from sqlalchemy import create_engine, event, select, text

from airspace.airflow.web.auth_manager import AirspaceUser
from airspace.airflow.web.team_view import ALL
from airspace.model.roles import Principal
from tests.integration.access.sweep import world
from tests.integration.access.sweep.plan import Ask, Things, attacks, in_view, oracles, plain

COMPARED = ("viewer", "lead")
OWN_ROLES = ("nobody", "viewer", "operator", "author", "lead", "admin", "auditor", "support")
_NOISE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"), "<time>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"look for ID \w+"), "look for ID <id>"),
    (re.compile(r'"(access_token|token|continuation_token)":"[^"]+"'), '"<token>"'),
)


class World:
    """One of the two databases, with everything rolled back after each request."""

    def __init__(self, name: str, url: Any) -> None:
        self.name = name
        self.engine = create_engine(url)
        self.connection = self.engine.connect()
        self.queries, self.writes, self.logged = 0, set[str](), set[str]()
        event.listen(self.engine, "before_cursor_execute", self._note)

    def enter(self) -> None:
        """From now on Airflow works here."""
        settings.engine = self.engine
        settings.Session.remove()
        for maker in (settings.Session, settings.NonScopedSession):
            maker.configure(bind=self.connection, join_transaction_mode="create_savepoint")

    def _note(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            return
        self.queries += 1
        if found := re.match(r"(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)", statement):
            self.writes.add(found[1])
            if found[1] == "log":
                self.logged.add(str(parameters.get("dag_id")))

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Nothing that happens in here stays."""
        self.queries, self.writes, self.logged = 0, set(), set()
        clear_team_name_cache()
        transaction = self.connection.begin()
        try:
            yield
        finally:
            settings.Session.remove()
            transaction.rollback()


def prepare(admin_url: str, other: str) -> tuple[Any, Any, Any]:
    """The world with one team, its copy in which there is more, and a copy of that."""
    code = Path(str(settings.AIRFLOW_HOME))
    for word in ("own", world.WORD, f"{world.WORD}free"):
        (code / f"{word}.py").write_text(f"# {word}\n")
    world.people(settings.engine, world.OWN)
    world.platform_people(settings.engine)
    with create_session() as session:
        world.fill(session, world.OWN, "own", code / "own.py")
    alone_url = settings.engine.url
    settings.engine.dispose()
    _copy(admin_url, alone_url, alone_url.set(database=other))
    both = create_engine(alone_url.set(database=other))
    world.people(both, world.OTHER, f"{world.WORD}_")
    world.lead_of(both, world.BOTH, world.OWN, world.OTHER)
    settings.Session.remove()
    for maker in (settings.Session, settings.NonScopedSession):
        maker.configure(bind=both)
    with create_session() as session:
        world.fill(session, world.OTHER, world.WORD, code / f"{world.WORD}.py")
        world.fill(session, None, f"{world.WORD}free", code / f"{world.WORD}free.py")
    both.dispose()
    found = alone_url, alone_url.set(database=other), alone_url.set(database=f"{other}_copy")
    for url in found[:2]:
        _same_numbers(url)
    _copy(admin_url, *found[1:])
    return found


def _same_numbers(url: Any) -> None:
    """Both worlds count on from the same number; that they do not in life is a known flaw."""
    engine = create_engine(url)
    with engine.begin() as connection:
        names = connection.scalars(
            text("SELECT quote_ident(sequencename) FROM pg_sequences WHERE schemaname = 'public'")
        )
        for name in list(names):
            connection.execute(text(f"SELECT setval('{name}', 50000)"))
    engine.dispose()


def things_of(app: Any, word: str, team: str | None) -> Things:
    """What there is to be named of one team."""
    with create_session() as session:
        dag = f"{word}_etl"
        asset = select(AssetModel.id)
        found = {
            "asset_id": session.scalar(asset.where(AssetModel.name == f"{word}_asset")),
            "common": session.scalar(asset.where(AssetModel.name == "common")),
            "asset_alias_id": session.scalar(
                select(AssetAliasModel.id).where(AssetAliasModel.name == world.alias_of(word))
            ),
            "backfill_id": session.scalar(select(Backfill.id).where(Backfill.dag_id == dag)),
            "event_log_id": session.scalar(select(Log.id).where(Log.dag_id == dag)),
            "import_error_id": session.scalar(
                select(ParseImportError.id).where(ParseImportError.filename == f"{word}_broken.py")
            ),
            "bundle": session.scalar(select(DagModel.bundle_name).where(DagModel.dag_id == dag)),
        }
    token = URLSafeSerializer(app.state.secret_key).dumps(
        {"bundle_name": found["bundle"], "relative_fileloc": f"{word}.py"}
    )
    return {**found, **_names(word, team), "asset": found["asset_id"], "file_token": token}


def unknown_things(app: Any) -> Things:
    """The like, of nothing that there is."""
    token = URLSafeSerializer(app.state.secret_key).dumps({"bundle_name": "nothing", "relative_fileloc": "nothing.py"})
    numbers = ("asset_id", "asset", "common", "asset_alias_id", "backfill_id", "event_log_id", "import_error_id")
    return {**dict.fromkeys(numbers, 987654), **_names("nothing", None), "file_token": token}


def _names(word: str, team: str | None) -> Things:
    prefix = f"{team}." if team else f"{word}_"
    name = f"{prefix}warehouse"
    return {
        "dag_id": f"{word}_etl",
        "dag": f"{word}_etl",
        "periodic": f"{word}_daily",
        "team": team,
        "connection": name,
        "variable": name,
        "pool": name,
        "connection_id": name,
        "variable_key": name,
        "pool_name": name,
        "other words": {
            "dag_run_id": "r1",
            "run_id": "r1",
            "task_id": "load",
            "map_index": "-1",
            "try_number": "2",
            "task_try_number": "1",
            "version_number": "1",
            "xcom_key": "common_key",
            "key": "common_key",
            "group_id": "group",
            "section": "core",
            "option": "parallelism",
            "name": "viewer",
            "_": "x",
        },
    }


class Asker:
    """Asks the application, signed in as anybody."""

    def __init__(self, app: Any, client: httpx.AsyncClient) -> None:
        self._app, self._client = app, client
        self._tokens: dict[str, str] = {}

    def _token(self, name: str) -> str:
        if name not in self._tokens:
            self._tokens[name] = get_auth_manager().generate_jwt(AirspaceUser(Principal(name)))
        return self._tokens[name]

    async def __call__(self, where: World, name: str, ask: Ask) -> dict[str, Any]:
        """One answer, as a record."""
        headers = {"authorization": f"Bearer {self._token(name)}"} if name else {}
        if ask.route == "GET /api/v2/connections/enqueue-test":
            word = {"own": "own", "other": world.WORD, "nobodys": f"{world.WORD}free"}.get(ask.kind, "none")
            headers["airflow-connection-test-token"] = f"{word}-token"
        with where.undone():
            answer = await self._client.request(ask.method, ask.url, json=ask.body, headers=headers)
        body = answer.text
        for pattern, instead in _NOISE:
            body = pattern.sub(instead, body)
        return {
            "route": ask.route,
            "kind": ask.kind,
            "why": ask.why,
            "url": ask.url,
            "sent": ask.body,
            "user": name,
            "world": where.name,
            "status": answer.status_code,
            "body": body,
            "location": answer.headers.get("location"),
            "queries": where.queries,
            "writes": sorted(where.writes),
            "logged": sorted(where.logged),
        }


def compared(routed: list[Ask], others: list[Ask]) -> Iterator[tuple[str, Ask]]:
    """Who asks what in both worlds."""
    for name in COMPARED:
        yield from ((name, ask) for ask in routed)
    yield from (("lead", ask) for ask in others)


def further(routed: list[Ask]) -> Iterator[tuple[str, Ask]]:
    """What only the full world is asked."""
    for ask in routed:
        yield from ((name, ask) for name in _further(ask))
    again = [replace(ask, why="again") for ask in routed if ask.kind == "own" and ask.method == "GET"]
    yield from (("lead", ask) for ask in again)
    own, others = ([ask for ask in routed if ask.kind == kind] for kind in ("own", "other"))
    read = [ask for ask in others if ask.method == "GET"]
    yield from ((world.BOTH, ask) for ask in in_view(world.OWN, [*own, *others]))
    yield from ((world.BOTH, ask) for ask in in_view(world.OTHER, others))
    yield from (("admin", ask) for ask in in_view(world.OWN, own))
    for name in ("support", "auditor", "viewer"):
        yield from ((name, ask) for ask in in_view(world.OWN, [*own, *read]))
    yield from (("lead", ask) for ask in in_view(ALL, [*own, *read]))


async def asked(app: Any, where: World, questions: Iterator[tuple[str, Ask]]) -> list[dict[str, Any]]:
    """The answers of one world."""
    where.enter()
    async with running(app) as client:
        asker = Asker(app, client)
        return [await asker(where, name, ask) for name, ask in questions]


def planned(app: Any, both: World) -> tuple[list[Ask], list[Ask]]:
    """What to ask, of each route and beyond; the same in both worlds."""
    both.enter()
    worlds = {
        "own": things_of(app, "own", world.OWN),
        "other": things_of(app, world.WORD, world.OTHER),
        "nobodys": things_of(app, f"{world.WORD}free", None),
        "unknown": unknown_things(app),
    }
    settings.Session.remove()
    routed = list(plain(app, worlds))
    others = in_view(world.OTHER, [ask for ask in routed if ask.kind in ("own", "other")])
    return routed, [*oracles(app, worlds), *attacks(worlds), *others]


def _further(ask: Ask) -> list[str]:
    """Who else is asked in the full world: the other roles, and whose call it is that was refused to the others."""
    if ask.kind == "own":
        return ["", *(name for name in OWN_ROLES if name not in COMPARED)]
    if ask.kind == "other":
        return [f"{world.WORD}_lead", "nobody", "operator", "author", "support"]
    return ["admin", "nobody", "support"] if ask.kind == "nobodys" else []


@contextlib.asynccontextmanager
async def running(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The application between start and stop, which its middlewares see too."""
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.create_task(app(scope, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    started = await outbox.get()
    assert started["type"] == "lifespan.startup.complete", started
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
    await inbox.put({"type": "lifespan.shutdown"})
    await task


def main(admin_url: str, other: str, results: Path) -> None:
    """See the module. Each part is asked by a process of its own, which the fork gives the same application.

    What only the full world is asked is asked of a copy: numbers count on, and what is compared is to count alone.
    """
    begun = time.monotonic()
    alone_url, both_url, copy_url = prepare(admin_url, other)
    app = create_app()
    routed, others = planned(app, World("both", both_url))
    settings.engine.dispose()
    filled = time.monotonic()
    gc.freeze()
    gc.disable()  # else it looks through all answers again and again
    parts = {
        "alone": ("alone", alone_url, compared(routed, others)),
        "both": ("both", both_url, compared(routed, others)),
        "further": ("both", copy_url, further(routed)),
    }
    children = {}
    for part, (name, url, questions) in parts.items():
        children[part] = os.fork()
        if not children[part]:
            _answer(results / f"{part}.json", app, World(name, url), questions)
    failed = [part for part, child in children.items() if os.waitpid(child, 0)[1] != 0]
    assert not failed, f"the processes that ask failed: {failed}"
    sys.stdout.write(f"filling {filled - begun:.1f} s, asking {time.monotonic() - filled:.1f} s\n")


def _copy(admin_url: str, source: Any, target: Any) -> None:
    with create_engine(admin_url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{target.database}" TEMPLATE "{source.database}"'))


def _answer(file: Path, app: Any, where: World, questions: Iterator[tuple[str, Ask]]) -> None:
    """In a child: ask, write down, and end without what ends a process, which is its parent's to do."""
    code = 1
    try:
        file.write_text(json.dumps({"answers": asyncio.run(asked(app, where, questions))}))
        code = 0
    except BaseException:  # noqa: BLE001 - told in the log, and by the code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
