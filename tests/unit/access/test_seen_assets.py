"""What is made of the rows about assets: fair bounds, and lineage."""

from __future__ import annotations

from datetime import datetime, timezone

from airspace.airflow.web.assets import Edge, SeenAsset, Update, Use, lineage_of
from airspace.airflow.web.assets.seen import _fairly

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def asset(key: int | None, name: str, owner: str, *consumers: str, tables: tuple[str, ...] = ()) -> SeenAsset:
    return SeenAsset(key, name, owner, owner == "us", True, consumers, tables)


def update(*inputs: str) -> Update:
    return Update(NOW, None, None, None, inputs, None, None, None, None)


def test_who_shares_very_many_pushes_out_its_own_only() -> None:
    many = [asset(n, f"a{n:03}", "aaa") for n in range(50)]
    few = [asset(100 + n, f"z{n}", "zzz") for n in range(3)]
    kept = _fairly([*many, *few], 10)
    assert [each.name for each in kept if each.owner == "zzz"] == ["z0", "z1", "z2"]
    assert [each.name for each in kept if each.owner == "aaa"] == [f"a{n:03}" for n in range(7)]


def test_lineage_names_what_the_team_sees_and_nothing_else() -> None:
    seen = [asset(1, "clean", "us", "you"), asset(2, "raw", "them"), asset(None, "planned", "us")]
    uses = [
        Use(1, "tidy", "Tidy", "load", "makes"),
        Use(1, "tidy", "Tidy", "again", "makes"),
        Use(2, "tidy", "Tidy", None, "starts"),
        Use(9, "secretive", None, None, "read"),
    ]
    told = {1: [update("them/raw/v1", "x/secret/v1", "no place", "us/clean/v0"), update("us/planned/v1")]}
    found = lineage_of("us", seen, told, uses)
    assert found.edges == [
        Edge("dag:us/tidy", "asset:us/clean", "makes"),
        Edge("asset:them/raw", "dag:us/tidy", "starts"),
        Edge("asset:us/clean", "team:you/you", "shared"),
        Edge("asset:them/raw", "asset:us/clean", "made"),
        Edge("asset:us/clean", "asset:us/clean", "made"),
    ]
    assert {(node.id, node.title) for node in found.nodes} == {
        ("asset:us/clean", None), ("asset:them/raw", None), ("asset:us/planned", None), ("dag:us/tidy", "Tidy"),
        ("team:you/you", None),
    }  # fmt: skip
    assert found.complete
    assert not lineage_of("us", seen, told, uses, most=2).complete
