"""Whose is an asset, and who may do what with it. Pure; see ``docs/adr/0013-what-a-dag-file-may-say.md``.

An asset is two names of one thing: its name and its URI, both unique on the platform. It belongs to the team whose
team file names it; where no file does, to the team that produced it first; before that, to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from airspace.airflow.parsing.refusals import Refusal, quoted

Grants = Mapping[tuple[str, str], frozenset[str]]


class Use(Enum):
    """What a Dag does with an asset."""

    PRODUCE = "produce"
    HEAR = "hear"


@dataclass(frozen=True)
class Stored:
    """An asset as the database has it, and the teams whose Dags produce it, the first one first."""

    name: str
    uri: str
    group: str = "asset"
    extra: Mapping[str, Any] = field(default_factory=dict)
    producers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claims:
    """What is known of some assets.

    :param named: asset → teams whose files name it
    :param stored: the assets of the same name or URI that there are
    :param grants: (owner, asset) → teams that may consume it
    """

    named: Mapping[str, frozenset[str]] = field(default_factory=dict)
    stored: tuple[Stored, ...] = ()
    grants: Grants = field(default_factory=dict)

    def owner(self, name: str, uri: str | None = None) -> str | None:
        """The owner of a name, or of a name and URI together. Of two files that claim one, the one that produces it."""
        rows = [row for row in self.stored if row.name == name or row.uri == uri]
        named = {row.name for row in rows} | {name}
        producers = [team for row in rows for team in row.producers]
        claimants = frozenset().union(*(self.named.get(each, frozenset()) for each in named))
        if len(claimants) == 1:
            return next(iter(claimants))
        among = [team for team in producers if not claimants or team in claimants]
        return among[0] if among else None

    def as_owned(self, name: str) -> Stored | None:
        """The asset that bears this name by right: the one that its owner produces."""
        owner = self.owner(name)
        rows = [row for row in self.stored if row.name == name and owner is not None and owner in row.producers]
        return rows[0] if rows else None

    def heard_from(self, name: str, team: str) -> list[str]:
        """The teams whose events on this asset the team may hear."""
        return sorted(owner for (owner, asset), consumers in self.grants.items() if asset == name and team in consumers)

    def shared_with(self, team: str, name: str) -> list[str]:
        """The teams that hear what this team produces."""
        return sorted(self.grants.get((team, name), ()))

    def refusal(self, team: str, use: Use, asset: Mapping[str, Any], place: str) -> Refusal | None:
        """Why a Dag of this team may not use this asset so."""
        name, uri = asset["name"], asset["uri"]
        for known, what in (
            (self.owner(name), f"the asset {quoted(name)}"),
            (self._of_uri(uri), f"the URI {quoted(uri)}"),
        ):
            if use is Use.PRODUCE and known not in (None, team):
                return Refusal(
                    "asset-owner",
                    place,
                    f"produces {what}, which belongs to another team",
                    f"name it differently, for example {quoted(f'{team}.{name}')}",
                )
        owned = self.as_owned(name)
        if owned is not None and owned.uri != uri and team != self.owner(name):
            return Refusal(
                "asset-uri",
                place,
                f"names the asset {quoted(name)} with another URI than its owner",
                f"refer to it by name: Asset.ref(name={name!r})",
            )
        other = self._of_uri(uri)
        if other not in (None, team) and all(row.name != name for row in self.stored if row.uri == uri):
            return Refusal(
                "asset-uri",
                place,
                f"gives a new name to the URI {quoted(uri)} of another team",
                "refer to it by its URI: Asset.ref(uri=...)",
            )
        if use is Use.HEAR and asset.get("watchers") and self.owner(name) not in (None, team):
            return Refusal(
                "asset-watchers",
                place,
                f"watches over the asset {quoted(name)} of another team",
                "leave its watchers to its owner",
            )
        return None

    def _of_uri(self, uri: str) -> str | None:
        return next((owner for row in self.stored if row.uri == uri and (owner := self._holder(row)) is not None), None)

    def _holder(self, row: Stored) -> str | None:
        """The owner of a stored asset, if it holds it under just this URI: it made it, or the URI is its very name.

        A URI that somebody merely wrote beside an owned name gives that owner no right to the URI.
        """
        owner = self.owner(row.name)
        return owner if owner is not None and (owner in row.producers or row.uri == row.name) else None

    def displaced_by(self, team: str, name: str, uri: str) -> list[Stored]:
        """What stands in the way of an asset that this team owns: the same name or URI, in use by others alone."""
        if self.owner(name) not in (None, team):
            return []
        return [row for row in self.stored if (row.name == name) != (row.uri == uri) and self._holder(row) is None]
