"""Requests for every route, made of what the application itself says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from tests.integration.access.sweep.catalogue import BODIES, QUERIES, TASK
from tests.integration.access.sweep.world import WORD


@dataclass(frozen=True)
class Ask:
    """One request. ``kind`` is whose things it names; ``route`` the method and the path with its parameters."""

    route: str
    kind: str
    url: str
    body: Any = None
    why: str = "route"

    @property
    def method(self) -> str:
        """GET, POST …"""
        return self.route.partition(" ")[0]


Things = dict[str, Any]
"""What one of own, other, nobodys and unknown fills into the places of an address or a body."""


def routes(node: Any, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Method, path and the route itself, of everything that is mounted, but for files and the tasks' API."""
    for route in getattr(node, "routes", []):
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner, prefix)
        elif hasattr(route, "methods"):
            for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, prefix + route.path, route
        elif hasattr(route, "app") and route.path != "/execution" and hasattr(route.app, "routes"):
            yield from routes(route.app, prefix + route.path)


def put(value: Any, things: Things) -> Any:
    """A body or a query with the things in their places."""
    if isinstance(value, dict):
        return {key: put(each, things) for key, each in value.items()}
    if isinstance(value, list):
        return [put(each, things) for each in value]
    if not isinstance(value, str) or "$" not in value:
        return value
    if value[1:] in things:
        return things[value[1:]]
    return re.sub(r"\$([a-z]+)", lambda found: str(things[found[1]]), value)


def address(path: str, things: Things) -> str:
    """The path with the things in it."""

    def value(found: re.Match[str]) -> str:
        return quote(str(things.get(found[1], things["other words"].get(found[1], "x"))), safe="")

    return re.sub(r"\{(\w+)(?::\w+)?\}", value, path)


def plain(app: Any, worlds: dict[str, Things]) -> Iterator[Ask]:
    """Each route with each kind of thing in its address and in its body."""
    for method, path, _ in routes(app):
        route = f"{method} {path}"
        varied = "{" in path or "$" in str(BODIES.get(route)) + QUERIES.get(route, "")
        listing = path.startswith("/api/v2/dags/{dag_id}/dagRuns") and path.endswith("/list")
        for kind, things in worlds.items() if varied else [("own", worlds["own"])]:
            named = {**things, "dag_id": "~", "dag_run_id": "~"} if listing else things
            url = address(path, named)
            if query := QUERIES.get(route):
                url += "?" + str(put(query, things))
            yield Ask(route, kind, url, put(BODIES.get(route), things))


def in_view(team: str, asks: list[Ask]) -> list[Ask]:
    """The same requests in a team's view."""
    return [replace(ask, url=f"/t/{team}{ask.url}", why=f"view of {team}") for ask in asks]


def _parameters(route: Any) -> Iterator[Any]:
    def deep(dependant: Any) -> Iterator[Any]:
        yield from dependant.query_params
        for inner in dependant.dependencies:
            yield from deep(inner)

    if hasattr(route, "dependant"):
        yield from {parameter.alias: parameter for parameter in deep(route.dependant)}.values()


def oracles(app: Any, worlds: dict[str, Things]) -> Iterator[Ask]:
    """Each list in each order, with each filter, by what others have: nothing may come of it."""
    own, other = worlds["own"], worlds["other"]
    for method, path, route in routes(app):
        if method != "GET" or "wait" in path:
            continue
        everywhere = {**own, "dag_id": "~", "dag_run_id": "~", "task_id": "~"}
        bases = {address(path, own)} | ({address(path, everywhere)} if "{dag_id}" in path else set())
        fixed = str(put(QUERIES.get(f"GET {path}", ""), own))
        for parameter in _parameters(route):
            for value in _values(parameter, other):
                for base in sorted(bases):
                    field = f"{parameter.alias}={quote(value)}"
                    yield Ask(f"GET {path}", "own", f"{base}?{fixed}&{field}", why="oracle")


def _values(parameter: Any, other: Things) -> list[str]:
    name, text = parameter.alias, str(parameter.field_info.description or "")
    if name == "order_by":
        found = re.search(r"Supported attributes: `([^`]*)`", text)
        fields = found[1].split(", ") if found else ["id"]
        return [("-" if number % 2 else "") + field for number, field in enumerate(fields)]
    if name.endswith(("pattern", "_search")):
        return [WORD] if "prefix" in name else [f"{WORD}|%"]
    if name in ("limit", "offset"):
        return ["1"]
    known = {"dag_id": other["dag_id"], "dag_ids": other["dag_id"], "source_dag_id": other["dag_id"], "run_id": "r2"}
    known |= {"source_task_id": f"{WORD}_step", "source_run_id": "r1", "asset_id": str(other["asset_id"])}
    known |= {"node_id": f"dag:{other['dag_id']}", "tags": f"{WORD}_tag", "owners": f"{WORD}_owner"}
    known |= {"bundle_name": other["team"], "filename": f"{WORD}_broken.py", "pool": f"{WORD}_pool"}
    known |= {"owner": f"{WORD}_user", "event": f"{WORD}_event", "cursor": "", "asset_dependency": f"{WORD}_asset"}
    known |= {"team": other["team"], "at": f"published/{other['team']}/{WORD}_asset"}
    known |= {"responded_by_user_name": f"{WORD}_user", "dependency_type": "data"}
    return [str(known[name])] if name in known else []


def attacks(worlds: dict[str, Things]) -> Iterator[Ask]:
    """What somebody would try who knows the API well."""
    own, other, nobodys = worlds["own"], worlds["other"], worlds["nobodys"]
    yield from _names(own, other, nobodys)
    yield from _mixed(own, other)
    yield from _guesses(own, other)
    yield from _spellings(other)


def _names(own: Things, other: Things, nobodys: Things) -> Iterator[Ask]:
    """Creating, taking over and moving what others have."""
    fields = {"connections": "connection_id", "variables": "key", "pools": "name"}
    extra: dict[str, dict[str, Any]] = {
        "connections": {"conn_type": "http"},
        "variables": {"value": "1"},
        "pools": {"slots": 1},
    }
    for kind, field in fields.items():
        one = kind[:-1]
        for name in (other[one], nobodys[one], "warehouse", other["team"], f"{other['team']}.new", "default_pool"):
            for team in (own["team"], other["team"], "no_such_team", None):
                body = {field: name, **extra[kind], **({"team_name": team} if team else {})}
                yield Ask(f"POST /api/v2/{kind}", "attack", f"/api/v2/{kind}", body, "names")
                if "." not in str(name):
                    continue
                changed = {"pool" if one == "pool" else field: name, **extra[kind], "team_name": team}
                yield Ask(f"PATCH /api/v2/{kind}", "attack", f"/api/v2/{kind}/{name}", changed, "names")
                for existing in ("fail", "skip", "overwrite"):
                    bulk = {"actions": [{"action": "create", "entities": [body], "action_on_existence": existing}]}
                    yield Ask(f"PATCH /api/v2/{kind}", "attack", f"/api/v2/{kind}", bulk, "names")
        moved = {"pool" if one == "pool" else field: own[one], **extra[kind], "team_name": other["team"]}
        yield Ask(f"PATCH /api/v2/{kind}", "attack", f"/api/v2/{kind}/{own[one]}", moved, "names")
    for body in ({"connection_id": other["connection"]}, {"connection_id": f"{other['team']}.tested"}):
        for team in (own["team"], other["team"], None):
            tested = {**body, "conn_type": "http", **({"team_name": team} if team else {})}
            for path in ("/api/v2/connections/enqueue-test", "/api/v2/connections/test"):
                yield Ask(f"POST {path}", "attack", path, tested, "names")
    yield Ask(
        "POST /api/v2/connections/defaults",
        "attack",
        "/api/v2/connections/defaults",
        {"team_name": own["team"]},
        "names",
    )


def _mixed(own: Things, other: Things) -> Iterator[Ask]:
    """Lists in bodies, with what is others' among what is one's own."""
    runs = [{"dag_id": each["dag_id"], "dag_run_id": "r1"} for each in (own, other)]
    tasks = [{**run, "task_id": "load", "new_state": "success"} for run in runs]
    for dag in ("~", own["dag_id"]):
        base = f"/api/v2/dags/{dag}"
        for dry in (True, False):
            body = {"dry_run": dry, "dag_runs": runs}
            yield Ask("POST /api/v2/dags/{dag_id}/clearDagRuns", "attack", f"{base}/clearDagRuns", body, "mixed")
        for action, entities in (("update", [{**run, "state": "failed"} for run in runs]), ("delete", runs)):
            bulk = {"actions": [{"action": action, "entities": entities}]}
            yield Ask("PATCH /api/v2/dags/{dag_id}/dagRuns", "attack", f"{base}/dagRuns", bulk, "mixed")
        for action in ("update", "delete"):
            for absent in ("fail", "skip"):
                bulk = {"actions": [{"action": action, "entities": tasks, "action_on_non_existence": absent}]}
                url = f"{base}/dagRuns/{'~' if dag == '~' else 'r1'}/taskInstances"
                yield Ask(
                    "PATCH /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances", "attack", url, bulk, "mixed"
                )
    both = {"dag_ids": [own["dag_id"], other["dag_id"]]}
    for path in ("dagRuns/list", "dagRuns/~/taskInstances/list"):
        for order in (None, "dag_id" if path == "dagRuns/list" else "state"):
            yield Ask("POST list", "attack", f"/api/v2/dags/~/{path}", {**both, "order_by": order}, "mixed")
    for kind, field in (("connections", "connection_id"), ("variables", "key"), ("pools", "name")):
        names = [own[kind[:-1]], other[kind[:-1]]]
        for absent in ("fail", "skip"):
            bulk = {"actions": [{"action": "delete", "entities": names, "action_on_non_existence": absent}]}
            yield Ask(f"PATCH /api/v2/{kind}", "attack", f"/api/v2/{kind}", bulk, "mixed")
            more = (
                {"conn_type": "http"}
                if kind == "connections"
                else {"value": "1"}
                if kind == "variables"
                else {"slots": 1}
            )
            entities = [{field: name, **more} for name in names]
            bulk = {"actions": [{"action": "update", "entities": entities, "action_on_non_existence": absent}]}
            yield Ask(f"PATCH /api/v2/{kind}", "attack", f"/api/v2/{kind}", bulk, "mixed")


def _guesses(own: Things, other: Things) -> Iterator[Ask]:
    """Numbers and names of others' beside an address that is something else's."""
    dag, base = other["dag_id"], "/api/v2"
    for url in (
        f"{base}/backfills/{other['backfill_id']}?dag_id={dag}",
        f"{base}/backfills/{other['backfill_id']}?x={dag}",
        f"{base}/backfills/{other['backfill_id']}?dag_id={own['dag_id']}",
        f"{base}/eventLogs/{other['event_log_id']}?dag_id={dag}",
        f"{base}/eventLogs/{other['event_log_id']}?dag_id={own['dag_id']}",
        f"{base}/assets/{other['asset_id']}?dag_id={own['dag_id']}",
        f"{base}/dags/{own['dag_id']}/assets/{other['asset_id']}/queuedEvents",
        f"{base}/dags/{own['dag_id']}?dag_id={dag}",
        f"{base}/dags?dag_id={dag}",
        f"{base}/dags/~?dag_id={dag}",
        f"{base}/dags/{own['dag_id']}/dagRuns/r1/taskInstances/load?dag_id={dag}",
        f"{base}/dags/~/dagRuns/r1/taskInstances/load",
        f"{base}/dags/~/dagRuns/r1/taskInstances/load/logs/1",
        f"{base}/dags/~/dagRuns/r1/taskInstances/load/xcomEntries/common_key",
        f"{base}/dagSources/~",
        f"/ui/dependencies?node_id=dag:{dag}",
        f"/ui/dependencies?dependency_type=data&node_id=asset:{other['asset_id']}",
        f"/ui/dependencies?dependency_type=data&node_id=asset:{own['asset_id']}",
        f"{base}/assets/{own['common']}",
        f"{base}/assets/{own['common']}/state-store",
        f"{base}/assets/events?asset_id={own['common']}",
        f"{base}/assets/events?asset_id={own['common']}&order_by=source_dag_id",
        f"{base}/importErrors?filename=common.py",
        f"/airspace/api/artifacts/{own['team']}/preview?at=published/{other['team']}/{WORD}_asset/v1/a.csv",
        f"/airspace/api/artifacts/{own['team']}/files?at=published/{other['team']}/{WORD}_asset",
        f"/airspace/api/artifacts/{own['team']}%2F..%2F{other['team']}",
        f"{base}/dags?tags=common&limit=1",
    ):
        yield Ask("GET guess", "attack", url, why="guess")
    injected = f"{base}/connections?dag_id={dag}&task_id=load&run_id=r1"
    yield Ask("POST guess", "attack", injected, {"connection_id": "x", "conn_type": "http", "dag_id": dag}, "guess")
    yield Ask("POST guess", "attack", f"{base}/backfills", {"dag_id": [dag]}, "guess")
    yield Ask("PATCH guess", "attack", f"{base}/dags?dag_id_pattern=%25", {"is_paused": True}, "guess")
    yield Ask("POST guess", "attack", f"{base}/assets/{own['common']}/materialize", None, "guess")
    yield Ask("DELETE guess", "attack", f"{base}/assets/{own['common']}/state-store/common_key", None, "guess")


def _spellings(other: Things) -> Iterator[Ask]:
    """The same address in other spellings."""
    dag, connection = str(other["dag_id"]), str(other["connection"])
    coded = "".join(f"%{ord(char):02X}" for char in dag)
    for name in (
        coded,
        quote(coded),
        dag.upper(),
        f"{dag}%00",
        f"{dag}/",
        f"./{dag}",
        f"x/..%2F{dag}",
        f"{dag}%20",
        f"{dag};x",
        f"{dag}%3Fx",
        f"%2e/{dag}",
    ):
        for tail in ("", "/details", "/dagRuns/r1", "/dagRuns/r1/taskInstances/load"):
            yield Ask("GET spelling", "attack", f"/api/v2/dags/{name}{tail}", why="spelling")
        yield Ask("GET spelling", "attack", f"//api/v2//dags/{name}", why="spelling")
        yield Ask("GET spelling", "attack", f"/as/lead/api/v2/dags/{name}", why="spelling")
    for name in (
        "".join(f"%{ord(char):02x}" for char in connection),
        connection.upper(),
        f"{connection}%00",
        f"a/../{connection}",
    ):
        for kind in ("connections", "variables", "pools"):
            yield Ask("GET spelling", "attack", f"/api/v2/{kind}/{name}", why="spelling")
            yield Ask("DELETE spelling", "attack", f"/api/v2/{kind}/{name}", why="spelling")


__all__ = ["TASK", "Ask", "attacks", "oracles", "plain", "routes"]
