"""``airspace watch``: team files of a folder or of a git branch, applied whenever they change."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from airspace.cli.applying import Root
from airspace.cli.changes import print_outcome, print_problems
from airspace.cli.output import Json, emit_json, err, shown
from airspace.model.dag_source import DagSource, GitSource
from airspace.model.errors import AirspaceError, InvalidInputError
from airspace.model.secret import SecretRef
from airspace.platform.watched import Repository
from airspace.platform.wiring import open_platform
from airspace.teams import references, repository, watcher
from airspace.teams.files import InvalidFilesError
from airspace.teams.service import Outcome
from airspace.teams.watcher import Folder, Pace, Place

_KINDS = ("env", "file", "age")
_BRANCH = "airspace watch git+https://git.example/platform.git@main:teams --password env:GIT_TOKEN"

Source = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help=f"A folder of team files, or a branch of a repository: {repository.HOW}."),
]
Login = Annotated[str | None, typer.Option(help="For https; by default the one that goes with tokens.")]
Password = Annotated[
    str | None, typer.Option(metavar="REF", help="For https, by reference: env:NAME, file:PATH or age:PATH.")
]
Key = Annotated[
    str | None, typer.Option(metavar="REF", help="For ssh: a private key without passphrase, by reference.")
]
HostKey = Annotated[str | None, typer.Option(help="For ssh: the server's public key; else known_hosts of the home.")]
Every = Annotated[int | None, typer.Option(metavar="SECONDS", help="Between two looks at a repository; 30 by default.")]
Variables = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME", help="A variable that files of a repository may refer to; repeat for more."),
]
Once = Annotated[bool, typer.Option("--once", help="Look and apply a single time, for CI and cron. 1 when refused.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command(epilog=f"Examples: [bold]airspace watch teams/[/] · [bold]{_BRANCH}[/]")(watch)


def watch(
    source: Source,
    root: Root = None,
    login: Login = None,
    password: Password = None,
    key: Key = None,
    host_key: HostKey = None,
    every: Every = None,
    env: Variables = None,
    once: Once = False,
    as_json: Json = False,
) -> None:
    """Apply the team files of SOURCE now and whenever they change, until it is told to stop (Ctrl-C, SIGTERM).

    Files with mistakes change nothing; the problems are told once. What references lead to is looked at once a minute.
    With --json one document a line for each apply, and for each reason why there was none.
    """
    stop = threading.Event()
    if repository.is_one(source):
        if root is not None:
            raise InvalidInputError("--root is for folders on this machine", fix="leave it out")
        secret = {"login": login, "password": password, "key": key}
        named = {name: _reference(name, value) for name, value in secret.items() if value is not None}
        git = repository.parse(source, {**named, "host_key": host_key, "every": every})
        place: Place = _branch(git, env or [], stop)
        pace = Pace(look=float(git.every), settle=0.0)
    else:
        if any((login, password, key, host_key, every, env)):
            raise InvalidInputError("these options are for a repository", fix=f"write {repository.HOW}")
        place, pace = Folder(_folder(source), open_platform(), root), Pace()
    reader = _Printer(as_json, place, stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if once:
        if not watcher.once(place, reader):
            raise typer.Exit(1)
        return
    err.print(Text(f"watching {source}"), soft_wrap=True)
    watcher.watch(place, reader, stop, pace)
    err.print("stopped")


def _folder(source: str) -> Path:
    folder = Path(source)
    if not folder.is_dir():
        raise InvalidInputError(f"{source} is no folder", fix=f"name one, or a repository: {repository.HOW}")
    return folder


def _branch(git: GitSource, env: list[str], stop: threading.Event) -> Repository:
    unset = [name for name in env if name not in os.environ]
    if unset:
        raise InvalidInputError(f"{', '.join(unset)} is not set", fix=f"export {unset[0]}=... before watching")
    variables = {name: os.environ[name] for name in env}
    return Repository(git, open_platform(), partial(_credential, git), variables, stop)


def _reference(name: str, value: str) -> Any:
    kind, _, target = value.partition(":")
    if name == "login":
        return value
    if kind not in _KINDS or not target:
        raise InvalidInputError(
            f"--{name} takes no secret itself: others on this machine see command lines", fix=f"--{name} env:NAME"
        )
    return {kind: target}


def _credential(git: GitSource) -> dict[str, str]:
    """What the repository is fetched with, as it is now."""
    found = {}
    for path, value in DagSource(git=git).secret_places():
        if isinstance(value, SecretRef):
            found[path[-1]] = references.follow(value, Path.cwd(), os.environ)
        elif value is not None:
            found[path[-1]] = str(value)
    return found


class _Printer:
    """Tells the person, or the program, who started this."""

    def __init__(self, as_json: bool, place: Place, stop: threading.Event) -> None:
        self._as_json, self._place, self._stop = as_json, place, stop

    def applied(self, outcome: Outcome) -> None:
        """See :class:`airspace.teams.watcher.Reader`."""
        if self._as_json:
            self._emit(outcome.as_dict())
        else:
            err.print(self._when(), style="dim")
            print_outcome(outcome, None)
            print_problems(outcome.warnings, "warning", "yellow")

    def refused(self, error: AirspaceError) -> None:
        """See :class:`airspace.teams.watcher.Reader`."""
        problems = error.problems if isinstance(error, InvalidFilesError) else []
        self._tell(error, "not applied", [problem.as_dict() for problem in problems])
        print_problems(problems, "error", "red")

    def unseen(self, error: AirspaceError) -> None:
        """See :class:`airspace.teams.watcher.Reader`."""
        self._tell(error, "not seen", [])

    def seen_again(self) -> None:
        """See :class:`airspace.teams.watcher.Reader`."""
        err.print("seen again")

    def _tell(self, error: AirspaceError, what: str, problems: list[dict[str, str | int]]) -> None:
        if self._stop.is_set():
            return
        if self._as_json:
            self._emit({"error": error.message, "fix": error.fix, "problems": problems})
        err.print(Text(shown(f"{self._when()} {what}: {error.message}", lines=True)), soft_wrap=True)
        if error.fix:
            err.print(Text(shown(f"    fix: {error.fix}", lines=True)), soft_wrap=True)

    def _emit(self, document: dict[str, Any]) -> None:
        commit = {"commit": self._place.version} if isinstance(self._place, Repository) else {}
        emit_json({**document, **commit}, indent=None)

    def _when(self) -> str:
        version = self._place.version if isinstance(self._place, Repository) else None
        return time.strftime("%H:%M:%S") + (f" commit {version[:12]}" if version else "")
