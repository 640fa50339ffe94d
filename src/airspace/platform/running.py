"""A running platform as who applies team files needs it: doing work as its control user, making places, ringing.

Apart from :mod:`airspace.platform.service`, which starts and stops one, because a command begins with what it imports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airspace.model.errors import NotRunningError
from airspace.model.home import HomeLayout
from airspace.platform import bells, home, places, warm_worker
from airspace.platform.control import WORK_SECONDS, Control, accepted, control_account_if_any, open_control
from airspace.platform.home import Manifest
from airspace.sandbox.spec import TeamPlace
from airspace.teams.ports import WORKER


class RunningPlatform:
    """The platform of one home, which somebody has started."""

    def __init__(self, layout: HomeLayout) -> None:
        self.layout = layout

    def run_control(self, module: str, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        """``python -m module arguments`` as the control user beside the running platform: JSON in, JSON out.

        :raises AirspaceError: the module's own refusal, with its fix
        """
        manifest = self._manifest()
        where = home.places(self.layout, manifest.id)
        if module == WORKER:
            account = control_account_if_any(manifest)
            control = account.uid if account else None
            answer = warm_worker.ask(where.run, arguments[0], payload, WORK_SECONDS, control)
            if answer is not None:
                return accepted(answer)
        from airspace.backends.processes import Supervisor

        if not Supervisor(where.supervisor, self.layout.logs).running():
            raise NotRunningError("the platform is not running", fix="airspace up")
        return self.control().run(module, arguments, payload)

    def control(self) -> Control:
        """How something is run as the control user, whether or not the platform runs.

        :raises NotRunningError: there is no platform in this home yet
        """
        manifest = self._manifest()
        where = home.places(self.layout, manifest.id)
        return open_control(self.layout, where, manifest.id, control_account_if_any(manifest))

    @property
    def run_folder(self) -> Path:
        """Where the platform's sockets are."""
        return home.places(self.layout, self._manifest().id).run

    def settle(self, wanted: Sequence[TeamPlace]) -> None:
        """Make the teams' places on this machine: Unix users, storage, what their sandboxes are made of."""
        manifest = self._manifest()
        account = control_account_if_any(manifest)
        owner = (account.uid, account.gid) if account else None
        places.settle(self.layout, manifest.id, wanted, owner, walls=manifest.isolation != home.NONE)

    def unix_user(self, team: str) -> str | None:
        """The system's user that the team's code runs as; None where it has none of its own."""
        place = places.known(self.layout).get(team)
        return place.user if place else None

    def ring(self, bundle: str) -> None:
        """Tell the Dag processor that a bundle changed, and have its source looked at; nobody listening is fine."""
        run = home.places(self.layout, self._manifest().id).run
        for bell in (bells.DOORBELL, bells.SOURCES):
            bells.ring(bell, bundle, run)

    def _manifest(self) -> Manifest:
        manifest = home.read_manifest(self.layout)
        if manifest is None:
            raise NotRunningError(f"there is no platform in {self.layout.root} yet", fix="airspace up")
        return manifest
