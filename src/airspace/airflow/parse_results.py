"""What a parse process sent back, made fit to be stored. Pure: everything in it came from a team's code.

The trusted parent decides whose a Dag is, where its file lies and with whom its assets are shared; what the Dag says
about that is overwritten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airspace.airflow.live_teams import Grants

_TYPE, _VAR = "__type", "__var"
_MISSING = "default_pool"


@dataclass(frozen=True)
class Parsed:
    """A file of a team, and what the platform knows that the file may not decide.

    :param file: the file's absolute path
    :param rel_path: the same within the bundle
    :param taken: Dag ids that belong to other bundles
    :param pools: pools that tasks of this team may name
    """

    team: str
    file: Path
    rel_path: str
    grants: Grants
    taken: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()


@dataclass
class Vetted:
    """What may be stored."""

    dags: list[Any] = field(default_factory=list)
    import_errors: dict[str, str] = field(default_factory=dict)
    warnings: list[Any] = field(default_factory=list)


def vet(
    dags: Collection[Any], import_errors: Mapping[str, str] | None, warnings: Collection[Any] | None, parsed: Parsed
) -> Vetted:
    """Keep what is the team's own; the rest becomes import errors of the file."""
    vetted = Vetted(import_errors=dict(import_errors or {}))
    problems: list[str] = []
    for dag in dags:
        found = list(_problems(dag.data["dag"], parsed))
        problems += found
        if not found:
            settle(dag.data["dag"], parsed)
            vetted.dags.append(dag)
    if problems:
        before = [vetted.import_errors[parsed.rel_path]] if parsed.rel_path in vetted.import_errors else []
        vetted.import_errors[parsed.rel_path] = "\n".join([*before, *problems])
    own = {dag.data["dag"]["dag_id"] for dag in vetted.dags}
    vetted.warnings = [warning for warning in warnings or () if _dag_of(warning) in own]
    return vetted


def _dag_of(warning: Any) -> Any:
    return warning.get("dag_id") if isinstance(warning, dict) else warning.dag_id


def _problems(dag: Mapping[str, Any], parsed: Parsed) -> Iterator[str]:
    dag_id = dag["dag_id"]
    if dag_id in parsed.taken:
        yield (
            f"The Dag id {dag_id!r} is already in use on this platform, and ids are unique across it."
            f" Choose another one, for example {f'{parsed.team}_{dag_id}'!r}."
        )
    for task_id, pool in _pools(dag):
        if pool not in parsed.pools:
            yield (
                f"Task {task_id!r} of Dag {dag_id!r} asks for the pool {pool!r},"
                f" which team {parsed.team} does not have. Add it under `pools` in the team file."
            )


def _pools(dag: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for task in _tasks(dag):
        pool = _fields(task).get("pool", _MISSING)
        if pool != _MISSING:
            yield task["task_id"], pool


def settle(dag: dict[str, Any], parsed: Parsed) -> None:
    """Overwrite what the platform decides."""
    # The path is what the source view reads and what tasks later run: never one that the file chose.
    if not _inside_archive(dag, parsed):
        dag["fileloc"], dag["relative_fileloc"] = str(parsed.file), parsed.rel_path
    heard: dict[str, list[str]] = {}
    for (owner, name), consumers in parsed.grants.items():
        if parsed.team in consumers:
            heard.setdefault(name, []).append(owner)
    for asset in _assets(dag.get("timetable")):
        asset["access_control"] = {"producer_teams": sorted(heard.get(asset["name"], [])), "allow_global": False}
    for task in _tasks(dag):
        for port in _fields(task).get("outlets") or ():
            for asset in _assets(port):
                granted = parsed.grants.get((parsed.team, asset["name"]), frozenset())
                asset["access_control"] = {
                    "producer_teams": [],
                    "consumer_teams": sorted(granted),
                    "allow_global": False,
                }


def _inside_archive(dag: Mapping[str, Any], parsed: Parsed) -> bool:
    """A packaged Dag's path goes on inside its archive; such a path is kept if it stays inside."""
    pairs = ((dag.get("fileloc"), str(parsed.file)), (dag.get("relative_fileloc"), parsed.rel_path))
    return parsed.file.suffix != ".py" and all(
        isinstance(path, str) and path.startswith(f"{archive}/") and ".." not in path.split("/")
        for path, archive in pairs
    )


def _tasks(dag: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for task in dag["tasks"]:
        yield task[_VAR]


def _fields(task: dict[str, Any]) -> dict[str, Any]:
    """Where a task keeps what its author gave: a mapped one in another place."""
    return task["partial_kwargs"] if task.get("_is_mapped") else task


def _assets(node: Any) -> Iterator[dict[str, Any]]:
    """Every asset below, in either of the two shapes that Airflow serializes (flat, and wrapped in ``__var``)."""
    if isinstance(node, dict):
        if node.get(_TYPE) == "asset":
            yield node[_VAR] if isinstance(node.get(_VAR), dict) else node
            return
        for child in node.values():
            yield from _assets(child)
    elif isinstance(node, list):
        for child in node:
            yield from _assets(child)
