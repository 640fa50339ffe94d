"""What every component needs to know about the teams, read-only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from airspace.backends.tables.schema import asset_grants, holds, teams
from airspace.model.hold import Stage


@dataclass(frozen=True)
class TeamRow:
    """One team as the scheduler and the Dag processor see it.

    :param stage: how far it is held; None: it is not
    """

    name: str
    bundle: str
    slots: int
    stage: str | None = None

    @property
    def halted(self) -> bool:
        """Whether nothing of it may run."""
        return self.stage == Stage.HALT


class TeamRegistry:
    """Reads the teams and what they share. Raises SQLAlchemy's errors: the caller decides what an outage means."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def teams(self) -> list[TeamRow]:
        """All teams, by name."""
        held = teams.outerjoin(holds, holds.c.team == teams.c.name)
        ask = select(teams.c.name, teams.c.bundle, teams.c.slots, holds.c.stage).select_from(held)
        with self._engine.connect() as connection:
            found = connection.execute(ask.order_by(teams.c.name))
            return [TeamRow(row.name, row.bundle, row.slots, row.stage) for row in found]

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
        """Differs from the last one whenever a team, a grant or a hold may have changed; one cheap query."""
        ask = select(
            *(
                select(measure).select_from(table).scalar_subquery()
                for table, latest in ((teams, teams.c.applied_at), (holds, holds.c.changed_at))
                for measure in (func.count(), func.max(latest))
            )
        )
        with self._engine.connect() as connection:
            return ":".join(str(part) for part in connection.execute(ask).one())
