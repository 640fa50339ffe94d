"""What the database knows that a team's file may not decide: whose Dag ids, pools and assets are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow.models import DagModel, Pool
from airflow.models.asset import AssetActive, AssetModel, TaskOutletAssetReference
from airflow.models.team import dag_bundle_team_association_table
from sqlalchemy import ARRAY, JSON, Text, and_, delete, func, or_, select, update

from airspace.airflow.asset_history import first_updates
from airspace.airflow.live_teams import LiveTeams
from airspace.airflow.parsing.asset_claims import Claims, Stored
from airspace.airflow.parsing.serialized import VAR, assets_in
from airspace.backends.tables import TeamRow, holding, keep_waiting, moving

MOST_ASKED = 10_000


@dataclass(frozen=True)
class Standing:
    """What a file's team has beside it.

    :param taken: which of its Dag ids are another bundle's: whoever had it first keeps it, also while away
    :param pools: as :func:`pools`
    :param other_dags: how many Dags the bundle has in other files
    """

    taken: frozenset[str]
    pools: dict[str, int]
    other_dags: int


def standing(team: TeamRow, rel_path: str, dag_ids: Collection[str], session: Any) -> Standing | None:
    """All that is asked about a file, in one question: each takes time in two processes. None: it is not to be stored.

    From here on, whoever holds the team waits for this transaction. Should the database crash, what it forgets of it is
    stored when the file is read the next time.
    """
    session.execute(select(func.set_config("synchronous_commit", "off", True), keep_waiting(team.name)))
    theirs = select(func.array_agg(DagModel.dag_id, type_=ARRAY(Text))).where(
        DagModel.dag_id.in_(dag_ids), DagModel.bundle_name != team.bundle
    )
    sizes = select(func.json_object_agg(Pool.pool, Pool.slots, type_=JSON)).where(Pool.team_name == team.name)
    others = select(func.count()).where(
        DagModel.bundle_name == team.bundle, DagModel.is_stale.is_(False), DagModel.relative_fileloc != rel_path
    )
    parts = (or_(holding(team.name), moving(dag_ids)), *(ask.scalar_subquery() for ask in (theirs, sizes, others)))
    held, taken, slots, count = session.execute(select(*parts)).one()
    return None if held else Standing(frozenset(taken or ()), _by_either_name(team.name, slots or {}), int(count))


def pools(team: str, session: Any) -> dict[str, int]:
    """The team's pools by either name, with their slots. One of the whole deployment is no team's place to be."""
    return _by_either_name(
        team, dict(map(tuple, session.execute(select(Pool.pool, Pool.slots).where(Pool.team_name == team))))
    )


def _by_either_name(team: str, slots: Mapping[str, int]) -> dict[str, int]:
    found = {name: size if size >= 0 else 2**31 - 1 for name, size in slots.items()}  # Airflow writes -1 for no limit
    return found | {name.removeprefix(f"{team}."): size for name, size in found.items()}


def dag_ids(dags: Iterable[Any]) -> set[str]:
    """The ids that a result claims; what is no id is found out later."""
    found = {_dag(dag).get("dag_id") for dag in dags}
    return {dag_id for dag_id in found if isinstance(dag_id, str) and _askable(dag_id)}


def asset_names(dags: Iterable[Any]) -> tuple[set[str], set[str]]:
    """The names and URIs of the assets that a result names; what is none is found out later."""
    names: set[str] = set()
    uris: set[str] = set()
    for dag in dags:
        for asset in _assets(_dag(dag)):
            name, uri = asset.get("name"), asset.get("uri")
            if isinstance(name, str) and isinstance(uri, str) and _askable(name) and _askable(uri):
                names.add(name)
                uris.add(uri)
            if len(names) >= MOST_ASKED:
                return names, uris
    return names, uris


def _assets(dag: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from _mappings(dag.get("timetable"))
    tasks = dag.get("tasks")
    for task in tasks if isinstance(tasks, list) else ():
        body = task.get(VAR) if isinstance(task, dict) else None
        for fields in (body, body.get("partial_kwargs")) if isinstance(body, dict) else ():
            if isinstance(fields, dict):
                yield from _mappings([fields.get("outlets"), fields.get("inlets")])


def _mappings(node: Any) -> Iterator[dict[str, Any]]:
    return (asset for asset in assets_in(node) if isinstance(asset, dict))


def _dag(dag: Any) -> Mapping[str, Any]:
    body = dag.data.get("dag")
    return body if isinstance(body, dict) else {}


def _askable(text: str) -> bool:
    """Whether a database takes it: a question with this in it must not fail for the whole file."""
    return len(text) <= 1500 and "\0" not in text and text.isprintable()


def claims(teams: LiveTeams, dags: Iterable[Any], session: Any) -> Claims:
    """Whose the assets are that a result names."""
    names, uris = asset_names(dags)
    if not names:
        return Claims(grants=teams.grants)
    rows = list(
        session.execute(
            select(AssetModel.id, AssetModel.name, AssetModel.uri, AssetModel.group, AssetModel.extra).where(
                or_(AssetModel.name.in_(names), AssetModel.uri.in_(uris))
            )
        )
    )
    producers = _producers([row.id for row in rows], session)
    stored = tuple(Stored(r.name, r.uri, r.group, r.extra or {}, tuple(producers[r.id])) for r in rows)
    named = {name: teams.naming(name) for name in names | {row.name for row in rows}}
    return Claims(named={name: who for name, who in named.items() if who}, stored=stored, grants=teams.grants)


def _producers(asset_ids: Collection[int], session: Any) -> dict[int, list[str]]:
    """Asset → the teams whose Dags produce it, the first one first."""
    team = dag_bundle_team_association_table.c
    ask = (
        select(TaskOutletAssetReference.asset_id, team.team_name)
        .join(DagModel, DagModel.dag_id == TaskOutletAssetReference.dag_id)
        .join(dag_bundle_team_association_table, team.dag_bundle_name == DagModel.bundle_name)
        .where(TaskOutletAssetReference.asset_id.in_(asset_ids))
        .order_by(TaskOutletAssetReference.created_at)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for asset_id, name in session.execute(ask) if asset_ids else ():
        if name not in found[asset_id]:
            found[asset_id].append(name)
    # What an alias made is no Dag's outlet: whoever updated it first is its producer.
    for row in session.execute(first_updates([each for each in asset_ids if not found[each]])) if asset_ids else ():
        found[row.asset_id].append(row.team_name)
    return found


def make_way(team: TeamRow, dags: Iterable[Any], known: Claims, session: Any) -> None:
    """Take out of service what stands in the way of the assets that this team produces.

    Airflow lets one asset of a name and of a URI be active: the first one. A team that merely heard of a name, with a
    URI of its own making, must not keep the owner from using it.
    """
    for dag in dags:
        for task in _dag(dag).get("tasks", ()):
            for asset in _mappings([task[VAR].get("outlets"), task[VAR].get("partial_kwargs", {}).get("outlets")]):
                for row in known.displaced_by(team.name, asset["name"], asset["uri"]):
                    same = and_(AssetActive.name == row.name, AssetActive.uri == row.uri)
                    session.execute(delete(AssetActive).where(same))


def keep_in_service(kept: Collection[str], bundle: str, session: Any) -> None:
    """Airflow takes every Dag of a file with an import error out of service; those that were let in stay."""
    if kept:
        ask = update(DagModel).where(DagModel.dag_id.in_(kept), DagModel.bundle_name == bundle)
        session.execute(
            ask.values(is_stale=False, has_import_errors=False).execution_options(synchronize_session="fetch")
        )
