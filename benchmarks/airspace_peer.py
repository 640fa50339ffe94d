"""This project as one of the sides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from airspace.backends import accounts
from airspace.backends.airflow_rest import Airflow, RestError, Session
from benchmarks import airflow_cfg, dags
from benchmarks.peers import Peer, PeerError

BIN = Path(sys.executable).parent


class Airspace(Peer):
    """This project: ``airspace up`` on a home of its own, teams from files."""

    name = "airspace"
    marker = "AIRSPACE_HOME"

    def _prepare(self) -> None:
        self._up: subprocess.Popen[bytes] | None = None
        self._password = ""
        for team in self.teams_now:
            self._write_team(team)
        if self.many_tasks:
            dags.write_tasks(self.folder(self.teams_now[0]))
            for team in self.teams_now:
                dags.write_crowd(self.folder(team), team)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def ran_as(self) -> str:
        return "a system user of its own" if os.getuid() == 0 else accounts.me().name

    def folder(self, team: str) -> Path:
        return self.root / "teams" / "dags" / team

    def first_dag(self) -> str | None:
        return dags.tiny_id(self.teams_now[0]) if self.teams else None

    def forget(self) -> None:
        if self.home.exists():
            self._run("destroy", "--yes")
        self._password = ""

    def launch(self, *, fresh: bool) -> None:  # noqa: ARG002  # `up` finds out by itself
        if self.settings:
            self.home.mkdir(mode=0o700, exist_ok=True)
            (self.home / "airflow.overrides.cfg").write_text(airflow_cfg.render(self.settings))
        with (self.root / "up.log").open("ab") as log:
            self._up = subprocess.Popen(
                [str(BIN / "airspace"), "up", "--port", str(self.port)], env=self._environment(), cwd="/", stdout=log,
                stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def check(self) -> None:
        if self._up is not None and self._up.poll():
            raise PeerError(f"airspace up failed: {(self.root / 'up.log').read_text()[-1500:]}")

    def on_ready(self, *, fresh: bool) -> None:
        if self._up is not None:
            self._up.wait(200)
            self.check()
        if fresh:
            made = self._run("user", "add", "bench", "--platform-role", "admin", "--json")
            self._password = json.loads(made)["password"]
        if fresh and self.teams:
            self._run("apply", str(self.root / "teams"))

    def stop(self) -> None:
        if self._up is not None:
            self._up.wait(200)
        if self.home.exists():
            self._run("down")
        self._up = None

    def sign_in(self, airflow: Airflow) -> Session | None:
        with suppress(RestError):
            return airflow.sign_in("bench", self._password) if self._password else None
        return None

    def remove(self) -> None:
        try:
            if self.home.exists():
                self._run("destroy", "--yes")
        except PeerError as error:  # told, and then ended by force: it must not hide what went wrong before
            print(error, file=sys.stderr)
        super().remove()

    def _write_team(self, team: str) -> None:
        dags.write_tiny(self.folder(team), team)
        text = f"name: {team}\ndags: {{folder: dags/{team}}}\nslots: {airflow_cfg.PARALLELISM}\n"
        (self.root / "teams" / f"{team}.yaml").write_text(text)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(BIN / "airspace"), *arguments], env=self._environment(), cwd="/", capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise PeerError(f"airspace {arguments[0]} failed: {done.stderr.strip()[-1500:]}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "AIRSPACE_HOME": str(self.home),
        }
