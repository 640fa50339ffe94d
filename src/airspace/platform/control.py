"""The control plane's user: how the platform's own processes are started, and one-off work done as that user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import airspace
from airspace.backends import accounts
from airspace.backends.accounts import Account
from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform.home import Manifest, Places

PYTHON = sys.executable
MARKER = "AIRSPACE_PLATFORM"  # carries the home's id in every process of the platform: how strays are found
WORK_SECONDS = 900


@dataclass(frozen=True)
class Control:
    """How to run something as the control user.

    :param account: the system user, or None when an ordinary user runs the platform as themselves
    :param view: the command prefix of a mount namespace in which that user reaches everything it needs; mostly empty
    """

    account: Account | None
    view: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def owner(self) -> tuple[int, int] | None:
        """User and group id that its files are given; None for the caller's own."""
        return (self.account.uid, self.account.gid) if self.account else None

    def prefix(self, *, on_parent_death: str = "TERM") -> tuple[str, ...]:
        """What is put in front of a command."""
        return (*self.view, *accounts.drop_prefix(self.account, on_parent_death=on_parent_death))

    def check(self) -> None:
        """That user really runs our interpreter with our packages: a fallback to another would start, and lie."""
        code = "import sys, airspace; print(sys.base_prefix); print(sys.prefix)"
        done = self._python(["-c", code], text="")
        if done.returncode or done.stdout.splitlines() != [sys.base_prefix, sys.prefix]:
            said = (done.stderr.strip().splitlines() or [f"it used {done.stdout.strip()!r}"])[-1]
            who = self.account.name if self.account else "you"
            raise AirspaceError(
                f"{who} cannot run {PYTHON} with the packages of {sys.prefix}: {said}",
                fix=f"let every user read them: chmod -R go+rX {sys.prefix} {_source()}",
            )

    def run(self, module: str, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        """``python -m module`` as the control user: JSON in, JSON out; an error in the answer is raised."""
        return self.ask(["-m", module, *arguments], payload)

    def ask(self, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        """The same for anything that Python can be told to run."""
        done = self._python(arguments, text=json.dumps(payload))
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            said = "\n  ".join(done.stderr.strip().splitlines()[-8:]) or f"it ended with {done.returncode}"
            raise AirspaceError(f"{' '.join(arguments)} failed:\n  {said}", fix="airspace doctor")
        return accepted(answer)

    def _python(self, arguments: Sequence[str], *, text: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [*self.prefix(), PYTHON, *arguments],
                input=text,
                env=dict(self.environment),
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
                timeout=WORK_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise AirspaceError(
                f"{' '.join(arguments[:3])} did not end within {WORK_SECONDS // 60} minutes", fix="airspace doctor"
            ) from None


def accepted(answer: dict[str, Any]) -> dict[str, Any]:
    """What a worker answered.

    :raises AirspaceError: it refused, or failed
    """
    if error := answer.get("error"):
        raise AirspaceError(error["message"], fix=error.get("fix"))
    return answer


def clean_environment(base: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The environment of every component: nothing of the caller's but language and time zone, and no secret."""
    search = f"{os.path.dirname(PYTHON)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # noqa: PTH120
    kept = {key: base[key] for key in ("TZ", "PYTHONDONTWRITEBYTECODE") if base.get(key)}
    return {
        "PATH": search,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        # Airflow's processes are many and threaded: an arena for each thread would cost more memory than it saves time.
        "MALLOC_ARENA_MAX": "2",
        **kept,
        **own,
    }


def environment(layout: HomeLayout, where: Places, home_id: str, user: str) -> dict[str, str]:
    """The environment of every process of the platform."""
    return clean_environment(
        os.environ,
        {
            "HOME": str(layout.airflow),
            "USER": user,
            "LOGNAME": user,
            "AIRFLOW_HOME": str(layout.airflow),
            "AIRSPACE_HOME": str(layout.root),
            "AIRSPACE_RUN": str(where.run),
            MARKER: home_id,
        },
    )


def control_account_if_any(manifest: Manifest) -> Account | None:
    """The system user of this home if it exists; never made here."""
    return accounts.find(manifest.user or f"airspace-{manifest.id}") if accounts.me().uid == 0 else None


def open_control(layout: HomeLayout, where: Places, home_id: str, account: Account | None) -> Control:
    """The control user of this home; the mount namespace is only planned here, each process makes its own."""
    env = environment(layout, where, home_id, account.name if account else accounts.me().name)
    return Control(account, _view(account, layout, where) if account else (), env)


def _view(account: Account, layout: HomeLayout, where: Places) -> tuple[str, ...]:
    needed = _needed(layout, where)
    folders = {folder for path in needed for folder in (path, *path.parents)}
    # The home's own folders below the root are the platform's to set; everything else is as it is found.
    closed = accounts.unreachable(account, sorted(folders))
    return accounts.view_prefix(closed, needed)


def _needed(layout: HomeLayout, where: Places) -> list[Path]:
    """What the control user must be able to pass: interpreter, packages, home. Literal and resolved paths."""
    literal = [Path(sys.prefix), Path(sys.base_prefix), Path(PYTHON).parent, _source(), layout.root]
    if where.runtime:
        literal.append(where.runtime)
    resolved = [path.resolve() for path in (*literal, Path(PYTHON))]
    return sorted({*literal, *resolved[:-1], resolved[-1].parent})


def _source() -> Path:
    return Path(airspace.__file__).parent.parent
