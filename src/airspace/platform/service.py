"""The platform on one machine: start, stop, health, and doing work as its control user."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from airspace.backends import accounts, processes
from airspace.backends.processes import Supervisor
from airspace.model.errors import AirspaceError, HomeError
from airspace.model.home import HomeLayout
from airspace.platform import (
    airflow_config,
    components,
    desk,
    doctor,
    fetcher,
    health,
    home,
    leaving,
    moving,
    places,
    renaming,
    sandboxes,
    source_status,
    strays,
)
from airspace.platform.components import BLUEPRINT, POSTGRES, Blueprint
from airspace.platform.control import Control, control_account_if_any
from airspace.platform.doctor import Check
from airspace.platform.health import ComponentStatus, Status, TeamStatus
from airspace.platform.home import Manifest
from airspace.platform.progress import Event, Progress, silent, step
from airspace.platform.running import RunningPlatform
from airspace.platform.source_status import SourceStatus
from airspace.platform.startup import Start, Started, observe, private_cluster
from airspace.platform.teamwork import team_of, team_statuses
from airspace.teams.ports import Packing, Tell


class Platform(RunningPlatform):
    """One home, running or not.

    :param blueprint: what it is made of
    """

    def __init__(self, layout: HomeLayout, blueprint: Blueprint = BLUEPRINT) -> None:
        super().__init__(layout)
        self._blueprint = blueprint

    @property
    def url(self) -> str:
        """Where the UI and the API are, whether or not they run now."""
        return airflow_config.local_url(self._manifest().port or 0, self.layout.root)

    @property
    def isolation(self) -> str:
        """How far the teams' code is kept apart, in plain words."""
        manifest = self._known()
        return sandboxes.sentence(manifest.isolation if manifest else home.SANDBOX, as_root=accounts.me().uid == 0)

    def up(
        self,
        port: int | None = None,
        database_url: str | None = None,
        progress: Progress = silent,
        isolation: str | None = None,
    ) -> Started:
        """Start everything and wait until it is ready. Twice is once; what a killed ``up`` left is carried on with.

        :param isolation: ``sandbox`` or ``none``; kept for the next time. By default as last time, at first ``sandbox``
        """
        with _disk_full_is_told(self.layout):
            home.check_usable(self.layout)
            with home.locked(self.layout):
                return Start(self.layout, self._blueprint, progress).run(port, database_url, isolation)

    def down(self, progress: Progress = silent) -> None:
        """Stop every process and remove every socket; data and users stay. Fine when nothing runs."""
        if not self.layout.root.exists():
            return
        self._own()
        with home.locked(self.layout):
            self._stop(progress)

    def destroy(self, progress: Progress = silent) -> None:
        """Stop everything, then remove the home with all data, and its Unix user."""
        if not self.layout.root.exists():
            return
        self._own()
        with home.locked(self.layout):
            manifest = self._known()
            self._stop(progress)
            if accounts.me().uid == 0 and self.layout.sandboxes.exists():
                with step(progress, "remove the teams' Unix users"):
                    places.remove_users(self.layout)
            with step(progress, f"remove {self.layout.root}"):
                shutil.rmtree(self.layout.root, ignore_errors=True)
            if manifest is not None:
                strays.remove_runtime(home.places(self.layout, manifest.id))
                if accounts.me().uid == 0:
                    accounts.delete(manifest.user or f"airspace-{manifest.id}")
        left = [] if not self.layout.root.exists() else sorted(self.layout.root.iterdir())
        if left:
            raise HomeError(f"{left[0]} could not be removed", fix=f"rm -r {self.layout.root}")

    def status(self) -> Status:
        """How components and teams are. Never raises for a platform that is down."""
        manifest = self._known()
        if manifest is None:
            return Status(None, ready=False, isolation=home.SANDBOX, components=(), teams=())
        self._own()
        url = airflow_config.local_url(manifest.port, self.layout.root) if manifest.port else None
        where = home.places(self.layout, manifest.id)
        control = Control(None, (), {})
        cluster = private_cluster(self.layout, where, control) if manifest.database == "embedded" else None
        known = components.parts(self._blueprint, manifest.isolation)
        found = observe(Supervisor(where.supervisor, self.layout.logs), known, url or "", cluster)
        used = processes.usage([part.pid for part in found if part.pid], self._teller(manifest))
        parts = tuple(
            replace(part, rss_mb=_megabytes(u.rss_bytes for u in used if u.component_pid == part.pid and not u.team))
            for part in found
        )
        ready = all(part.state == health.RUNNING for part in parts)
        beside = self.left_out().get(desk.NOBODY)
        misplaced = beside.told if beside else ()
        return Status(url, ready, manifest.isolation, parts, self._teams(used, ready=ready), misplaced, self.sources())

    def left_out(self) -> dict[str, desk.Folder]:
        """Team → what of its folder was left out; under :data:`desk.NOBODY`, what lies in no team's folder."""
        manifest = self._known()
        return desk.read_report(home.places(self.layout, manifest.id).run / fetcher.STATUS) if manifest else {}

    def doctor(self) -> list[Check]:
        """What is wrong with this machine or home, each with the command that fixes it. Works before ``up``."""
        return doctor.examine(self.layout, self.status)

    def end_work(self, team: str, seconds: float) -> None:
        """Wait so long until nothing runs in the team's sandbox, then end what does."""
        leaving.end_work(home.places(self.layout, self._manifest().id).run, team, seconds)

    def pack(self, packing: Packing, tell: Tell) -> dict[str, Any]:
        """Write the archive of a team that leaves."""
        return leaving.pack(self.layout, packing, tell)

    def forget(self, team: str, dags: Sequence[str], tell: Tell) -> None:
        """Remove every file of the team's, and its Unix user."""
        leaving.forget(self.layout, team, dags, tell)

    def carrier(self) -> moving.HomeCarrier:
        """What carries Dags from one team to another on this machine."""
        return moving.HomeCarrier(self.layout, home.places(self.layout, self._manifest().id).run)

    def renamer(self) -> renaming.HomeRenamer:
        """What gives a team's things on this machine their new name."""
        return renaming.HomeRenamer(self.layout)

    def sources(self) -> tuple[SourceStatus, ...]:
        """How the teams' Dag sources are."""
        with suppress(HomeError):
            return source_status.statuses(self.layout, home.places(self.layout, self._manifest().id).run)
        return ()

    def fetch(self, team: str, seconds: float) -> SourceStatus:
        """Have a team's source looked at now, and wait until that was done."""
        return source_status.fetch_now(self.layout, home.places(self.layout, self._manifest().id).run, team, seconds)

    def _stop(self, progress: Progress) -> None:
        manifest = self._known()
        if manifest is None:
            return
        where = home.places(self.layout, manifest.id)
        supervisor = Supervisor(where.supervisor, self.layout.logs)
        states = supervisor.states()
        if states:
            with step(progress, "stop the components"):
                supervisor.stop_programs([name for name in states if name != POSTGRES])
                supervisor.stop_programs([name for name in states if name == POSTGRES])
        supervisor.shutdown()
        account = control_account_if_any(manifest)
        strays.sweep(self.layout, where, manifest.id, account)
        progress(Event("everything is stopped", done=True))

    def _teller(self, manifest: Manifest) -> Callable[[Mapping[str, str], str, int], str | None]:
        """Tells which team a process works for."""
        owners: dict[int, str] = {}
        with suppress(HomeError):
            owners = {place.uid: team for team, place in places.known(self.layout).items() if place.uid is not None}
        account = control_account_if_any(manifest)
        believed = {accounts.me().uid, *([account.uid] if account else [])}
        return partial(team_of, owners=owners, believed=believed)

    def _teams(self, used: Sequence[processes.Usage], *, ready: bool) -> tuple[TeamStatus, ...]:
        names = sorted(path.stem for path in self.layout.teams.glob("*.yaml")) if self.layout.teams.is_dir() else []
        return team_statuses(names, used, ready=ready)

    def _known(self) -> Manifest | None:
        """The manifest, also of a home whose first ``up`` was cut off."""
        if manifest := home.read_manifest(self.layout):
            return manifest
        begun = home.begun_id(self.layout)
        return Manifest(id=begun) if begun else None

    def _own(self) -> None:
        home.check_usable(self.layout)


def _megabytes(sizes: Iterator[int]) -> float:
    return round(sum(sizes) / 2**20, 1)


@contextmanager
def _disk_full_is_told(layout: HomeLayout) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise AirspaceError(
                f"the disk of {layout.root} is full",
                fix=f"free some space (df -h {layout.root}), then: airspace up",
            ) from None
        raise AirspaceError(
            f"{error.strerror or error}: {error.filename or layout.root}", fix="airspace doctor"
        ) from error


__all__ = ["Check", "ComponentStatus", "Platform", "Started", "Status"]
