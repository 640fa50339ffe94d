"""What every component needs to know about the teams, read-only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from airspace.backends.tables.schema import asset_grants, teams


@dataclass(frozen=True)
class TeamRow:
    """One team as the scheduler and the Dag processor see it."""

    name: str
    bundle: str
    slots: int


class TeamRegistry:
    """Reads the teams and what they share. Raises SQLAlchemy's errors: the caller decides what an outage means."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def teams(self) -> list[TeamRow]:
        """All teams, by name."""
        ask = select(teams.c.name, teams.c.bundle, teams.c.slots).order_by(teams.c.name)
        with self._engine.connect() as connection:
            return [TeamRow(row.name, row.bundle, row.slots) for row in connection.execute(ask)]

    def grants(self) -> dict[tuple[str, str], frozenset[str]]:
        """Who may consume what: (owning team, asset) → consuming teams."""
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        with self._engine.connect() as connection:
            for row in connection.execute(select(asset_grants)):
                found[row.team, row.asset].add(row.consumer)
        return {key: frozenset(consumers) for key, consumers in found.items()}

    def assets(self) -> dict[str, frozenset[str]]:
        """Asset → the teams whose files name it as theirs, also those that share it with nobody."""
        found: dict[str, set[str]] = defaultdict(set)
        with self._engine.connect() as connection:
            for row in connection.execute(select(teams.c.name, teams.c.spec)):
                named = row.spec.get("assets") if isinstance(row.spec, dict) else None
                for asset in named if isinstance(named, dict) else ():
                    found[asset].add(row.name)
            for row in connection.execute(select(asset_grants.c.team, asset_grants.c.asset)):
                found[row.asset].add(row.team)
        return {asset: frozenset(names) for asset, names in found.items()}

    def stamp(self) -> str:
        """Differs from the last one whenever a team or a grant may have changed; one cheap query."""
        ask = select(func.count(), func.max(teams.c.applied_at)).select_from(teams)
        with self._engine.connect() as connection:
            count, latest = connection.execute(ask).one()
        return f"{count}:{latest.isoformat() if latest else ''}"
