"""The teams as a long-running component knows them: re-read when they change, kept when the database is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from airspace.backends.tables import TeamRegistry, TeamRow

log = logging.getLogger(__name__)

Grants = dict[tuple[str, str], frozenset[str]]


@dataclass
class LiveTeams:
    """A registry's teams and grants, at most ``every`` seconds old while the database answers."""

    registry: TeamRegistry
    every: float = 2.0
    clock: Callable[[], float] = time.monotonic
    loaded_at: float = field(default=float("-inf"), init=False)
    grants: Grants = field(default_factory=dict, init=False)
    reachable: bool = field(default=False, init=False)
    """Whether the last read succeeded: only then may anything be concluded from a team's absence."""
    _teams: dict[str, TeamRow] = field(default_factory=dict, init=False)
    _assets: dict[str, frozenset[str]] = field(default_factory=dict, init=False)
    _stamp: str | None = field(default=None, init=False)

    def refresh(self, *, force: bool = False) -> bool:
        """Re-read when it is time (or ``force``); True when something changed. An outage keeps what was known."""
        now = self.clock()
        if not force and now - self.loaded_at < self.every:
            return False
        try:
            stamp = self.registry.stamp()
            changed = stamp != self._stamp
            if changed:
                teams, grants, assets = self.registry.teams(), self.registry.grants(), self.registry.assets()
                self._teams, self._assets = {team.bundle: team for team in teams}, assets
                self.grants, self._stamp = grants, stamp
        except SQLAlchemyError as error:
            log.warning("The teams could not be read, those known stay: %s", type(error).__name__)
            self.reachable = False
            return False
        self.loaded_at, self.reachable = now, True
        return changed

    def of_bundle(self, bundle: str) -> TeamRow | None:
        """The team that owns a bundle."""
        return self._teams.get(bundle)

    def naming(self, asset: str) -> frozenset[str]:
        """The teams whose files name this asset as theirs."""
        return self._assets.get(asset, frozenset())

    def all(self) -> list[TeamRow]:
        """Every team."""
        return list(self._teams.values())
