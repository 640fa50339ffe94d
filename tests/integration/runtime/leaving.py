"""A running Airflow as something that a team can be removed from."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airspace.model.home import HomeLayout
from airspace.platform import bells, leaving
from airspace.sandbox.spec import TeamPlace
from airspace.teams.ports import Packing, Tell
from tests.integration.runtime.home import Home


@dataclass
class HomeMachine:
    """See :class:`airspace.teams.ports.Machine`: everything of it is real but the way to the control user."""

    home: Home

    @property
    def layout(self) -> HomeLayout:
        return self.home.layout

    def run_control(self, module: str, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        return self.home.admin(arguments[0], payload)

    def settle(self, places: Sequence[TeamPlace]) -> None:
        raise NotImplementedError

    def ring(self, bundle: str) -> None:
        bells.ring(bells.DOORBELL, bundle, self.layout.run)

    def end_work(self, team: str, seconds: float) -> None:
        leaving.end_work(self.layout.run, team, seconds)

    def pack(self, packing: Packing, tell: Tell) -> dict[str, Any]:
        return leaving.pack(self.layout, packing, tell)

    def forget(self, team: str, dags: Sequence[str], tell: Tell) -> None:
        shutil.rmtree(self.layout.bundles / team, ignore_errors=True)  # as the fetcher, which does not run here
        leaving.forget(self.layout, team, dags, tell)
