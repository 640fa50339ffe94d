"""Lineage of one team, as far as both sides consented: what its Dags make, of what, and for whom.

The owner of an asset consented by naming the consumer in its file, and so did the consumer by using it: a team sees
its own Dags, its own assets, the teams that it shares them with, and of others what they share with it. Neither who
made that nor what its own consumers do with theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from airflow.models import DagModel
from sqlalchemy import select

from airspace.airflow.web import ownership
from airspace.airflow.web.assets.seen import SeenAsset, assets_of
from airspace.airflow.web.assets.updates import Update, updates_of
from airspace.airflow.web.assets.uses import MOST_USES, Use, uses_of

MOST_EDGES = 3_000
_dag = DagModel.__table__.c


@dataclass(frozen=True)
class Node:
    """A Dag, an asset, or a team that an asset is shared with. ``id`` is ``<kind>:<team>/<name>``."""

    id: str
    kind: Literal["dag", "asset", "team"]
    team: str
    name: str
    title: str | None = None


@dataclass(frozen=True)
class Edge:
    """Data goes from one to the other.

    :param how: a Dag ``makes`` an asset; an asset ``starts`` a Dag, is ``read`` by one, or is ``shared`` with a team;
        of an asset, a version of another was ``made``
    """

    source: str
    target: str
    how: Literal["makes", "starts", "read", "shared", "made"]


@dataclass(frozen=True)
class Lineage:
    """Of one team. ``complete``: nothing is left out because there is too much."""

    team: str
    nodes: list[Node]
    edges: list[Edge]
    complete: bool


def lineage(team: str, session: Any) -> Lineage:
    """The whole of it, with the Dags that touch no asset."""
    assets = assets_of(team, session)
    updates = updates_of(assets, session, most=1, told=1)
    found = lineage_of(team, assets, updates, uses_of(team, session))
    known = {node.id for node in found.nodes}
    alone = [node for node in _dags(team, session) if node.id not in known]
    return Lineage(team, [*found.nodes, *alone], found.edges, found.complete)


def lineage_of(
    team: str,
    assets: Sequence[SeenAsset],
    updates: Mapping[int, Sequence[Update]],
    uses: Sequence[Use],
    most: int = MOST_EDGES,
) -> Lineage:
    """Of what is known of a team's assets: these, and the Dags and teams that they are tied to."""
    by_key = {asset.asset_id: _asset_node(asset) for asset in assets if asset.asset_id is not None}
    nodes = {node.id: node for node in (_asset_node(asset) for asset in assets)}
    edges = {_use(by_key[use.asset_id], team, use): None for use in uses if use.asset_id in by_key}
    for asset in assets:
        if asset.own:
            edges |= dict.fromkeys(_shared(asset))
            edges |= dict.fromkeys(_made(asset, updates.get(asset.asset_id or -1, ()), nodes))
    kept = list(edges)[:most]
    tied = {_id("dag", team, use.dag_id): _dag_node(team, use.dag_id, use.title) for use in uses}
    tied |= {_id("team", each, each): Node(_id("team", each, each), "team", each, each) for each in _consumers(assets)}
    for edge in kept:
        nodes |= {end: tied[end] for end in (edge.source, edge.target) if end in tied}
    return Lineage(team, list(nodes.values()), kept, len(kept) == len(edges) and len(uses) < MOST_USES)


def _dags(team: str, session: Any) -> list[Node]:
    """All that are there now."""
    ask = select(_dag.dag_id, _dag.dag_display_name).where(_dag.dag_id.in_(ownership.dags_of([team])), ~_dag.is_stale)
    found = session.execute(ask.order_by(_dag.dag_id).limit(MOST_EDGES))
    return [_dag_node(team, row.dag_id, row.dag_display_name) for row in found]


def _asset_node(asset: SeenAsset) -> Node:
    return Node(_id("asset", asset.owner, asset.name), "asset", asset.owner, asset.name)


def _dag_node(team: str, dag_id: str, title: str | None) -> Node:
    return Node(_id("dag", team, dag_id), "dag", team, dag_id, title)


def _consumers(assets: Sequence[SeenAsset]) -> set[str]:
    return {consumer for asset in assets for consumer in asset.consumers}


def _use(asset: Node, team: str, use: Use) -> Edge:
    dag = _id("dag", team, use.dag_id)
    return Edge(dag, asset.id, use.how) if use.how == "makes" else Edge(asset.id, dag, use.how)


def _shared(asset: SeenAsset) -> list[Edge]:
    source = _id("asset", asset.owner, asset.name)
    return [Edge(source, _id("team", consumer, consumer), "shared") for consumer in asset.consumers]


def _made(asset: SeenAsset, updates: Sequence[Update], known: Mapping[str, Node]) -> list[Edge]:
    """Of what the last version was made, as its task said; only what the team sees anyway is named again."""
    told = updates[0].inputs if updates else ()
    sources = {_id("asset", *each.split("/")[:2]) for each in told if each.count("/") == 2}
    target = _id("asset", asset.owner, asset.name)
    return [Edge(source, target, "made") for source in sorted(sources & known.keys())]


def _id(kind: str, team: str, name: str) -> str:
    return f"{kind}:{team}/{name}"
