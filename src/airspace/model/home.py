"""Where everything of one platform lives on disk: pure paths, nothing is created here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HomeLayout:
    """The folders and files of one home (``$AIRSPACE_HOME``).

    "control" is the user that the platform's processes run as: the caller, or, when started by root, a system user of
    the home's own. Sockets live in ``sockets``, which is ``run/`` unless that path would be too long for a Unix socket.
    """

    root: Path

    @property
    def manifest(self) -> Path:
        """``airspace.json``: id, port, database, version. Written last, so its presence means "initialised"."""
        return self.root / "airspace.json"

    @property
    def secrets(self) -> Path:
        """0700, control's: one file (0600) per secret."""
        return self.root / "secrets"

    @property
    def postgres_data(self) -> Path:
        return self.root / "postgres"

    @property
    def run(self) -> Path:
        """0700, control's: sockets and pid files; emptied on ``down``."""
        return self.root / "run"

    @property
    def airflow(self) -> Path:
        """``AIRFLOW_HOME``: the generated ``airflow.cfg`` (0600, control's)."""
        return self.root / "airflow"

    @property
    def team_airflow(self) -> Path:
        """``AIRFLOW_HOME`` of team code: an ``airflow.cfg`` without anything secret."""
        return self.root / "team-airflow"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def teams(self) -> Path:
        """Copies of the team files as applied: the truth that ``plan`` compares with after a crash."""
        return self.root / "teams"

    @property
    def origins(self) -> Path:
        """``teams/origins.json``: team → the file that it was last applied from. Beside the copies, and as private."""
        return self.teams / "origins.json"

    @property
    def team_files(self) -> Path:
        """0700, the owner's: where ``airspace team add`` writes team files unless it is told where."""
        return self.root / "team-files"

    @property
    def applying(self) -> Path:
        """``applying.json``: the teams of an apply that has begun; gone when it has ended."""
        return self.root / "applying.json"

    @property
    def platform(self) -> Path:
        """``platform.json``: what ``platform.yaml`` says to everybody, such as ``contact``."""
        return self.root / "platform.json"

    @property
    def sources(self) -> Path:
        """``sources.json``: bundle → folder its Dags come from. Root's when started by root; read by the fetcher."""
        return self.root / "sources.json"

    @property
    def remotes(self) -> Path:
        """0700, control's: for each remote source its clone and its trees, and ``<id>.json``: how it is."""
        return self.root / "remotes"

    @property
    def watched(self) -> Path:
        """0700, control's: the same for each repository whose team files ``airspace watch`` applies."""
        return self.root / "watched"

    @property
    def source_credentials(self) -> Path:
        """0600, control's: what remote sources are fetched with. Written by apply, read by the puller."""
        return self.secrets / "sources.json"

    @property
    def dags(self) -> Path:
        """Default source folders, one per team, that the platform makes for teams that bring none."""
        return self.root / "dags"

    @property
    def bundles(self) -> Path:
        """Read-only checkouts, one per team, filled by the fetcher only: what the Dag processor and tasks see."""
        return self.root / "bundles"

    @property
    def storage(self) -> Path:
        """``storage/<team>/``: the team's data; ``storage/<team>/published/<asset>/``: what it publishes."""
        return self.root / "storage"

    @property
    def sandboxes(self) -> Path:
        """``sandboxes.json``: team → its Unix user, limits and grants. The caller's; the spawner follows it."""
        return self.root / "sandboxes.json"

    @property
    def highest_user(self) -> Path:
        """The highest number of a Unix user that a team had which is gone: no number is given out twice."""
        return self.root / "highest-user"

    @property
    def leaving(self) -> Path:
        """``leaving/<team>.json``: how far the removal of a team is. The caller's."""
        return self.root / "leaving"

    @property
    def moving(self) -> Path:
        """``moving/<key>.json``: how far the transfer of some Dags is; ``moving/<key>/``: their files meanwhile."""
        return self.root / "moving"

    @property
    def renaming(self) -> Path:
        """``renaming/<team>.json``: how far the renaming of a team is. The caller's."""
        return self.root / "renaming"

    @property
    def renamed(self) -> Path:
        """``renamed.json``: names that teams had, as long as a file somewhere may still say them. The caller's."""
        return self.root / "renamed.json"

    @property
    def exports(self) -> Path:
        """What was kept of teams that were removed. The caller's alone."""
        return self.root / "exports"

    @property
    def warehouse(self) -> Path:
        """``warehouse.json``: where the teams' own database is, and what its names are. The caller's."""
        return self.root / "warehouse.json"

    @property
    def rocket(self) -> Path:
        """The demo's team files and Dags, copied here for the user to read and edit."""
        return self.root / "rocket"

    @property
    def private(self) -> tuple[Path, ...]:
        """The platform's own: no team file may name a Dag folder or a secret's file there."""
        own = (self.secrets, self.postgres_data, self.run, self.airflow, self.logs, self.teams, self.bundles)
        made = (self.remotes, self.watched, self.storage, self.team_airflow, self.exports)
        begun = (self.leaving, self.moving, self.renaming)
        return (*own, *made, *begun, self.root / "supervisor")


def home_root(environ: dict[str, str] | None = None, uid: int | None = None) -> Path:
    """The home to use: ``$AIRSPACE_HOME``, else ``/var/lib/airspace`` for root and ``~/.airspace`` for others."""
    env = dict(os.environ) if environ is None else environ
    if named := env.get("AIRSPACE_HOME"):
        return Path(named).expanduser().absolute()
    if (os.getuid() if uid is None else uid) == 0:
        return Path("/var/lib/airspace")
    return Path(env.get("HOME") or "~").expanduser().absolute() / ".airspace"
