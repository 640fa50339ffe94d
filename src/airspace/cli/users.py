"""``airspace user add``, ``list``, ``passwd``, ``role``; ``airspace token``."""

from __future__ import annotations

import os
import re
import select
import stat
import sys
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from airspace.cli.output import Json, emit_json, err, out
from airspace.model.errors import InvalidInputError
from airspace.model.roles import PlatformRole, Role
from airspace.platform.wiring import open_platform
from airspace.teams.ports import WORKER

PIPE_SECONDS = 2.0
MAX_PASSWORD = 4096

Name = Annotated[str, typer.Argument(help="The user's name.")]
Platform = Annotated[
    PlatformRole | None,
    typer.Option("--platform-role", help="admin: everything; auditor: reads everything; support: reaches every team."),
]
Support = Annotated[
    Role | None, typer.Option("--support-role", help="What support may do in every team; operator by default.")
]
Stdin = Annotated[
    bool, typer.Option("--password-stdin", help="Wait for the password on stdin, however long it takes to come.")
]

user_app = typer.Typer(no_args_is_help=True, help="Local users. What they may do in a team stands in the team's file.")


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    examples = "[bold]airspace user add ada[/] · [bold]pass show ada | airspace user add ada --password-stdin[/]"
    user_app.command("add", epilog=f"Examples: {examples}")(add)
    user_app.command("list", epilog="Example: [bold]airspace user list --json[/]")(list_users)
    user_app.command("passwd", epilog="Example: [bold]airspace user passwd ada[/]")(passwd)
    user_app.command("role", epilog="Example: [bold]airspace user role dora --platform-role support[/]")(role)
    app.add_typer(user_app, name="user")
    app.command(epilog="Examples: [bold]airspace token ada[/] · [bold]airspace token ci --expires-in 30d --json[/]")(
        token
    )


def add(
    name: Name,
    platform_role: Platform = None,
    support_role: Support = None,
    password_stdin: Stdin = False,
    as_json: Json = False,
) -> None:
    """Add a local user. The password comes from stdin when something is piped in; otherwise one is made and printed."""
    payload = {"name": name, "password": read_password(password_stdin), **_roles(platform_role, support_role)}
    _print_password(_ask("add-user", payload), as_json)


def passwd(name: Name, password_stdin: Stdin = False, as_json: Json = False) -> None:
    """Give a user a new password, from stdin or made."""
    _print_password(_ask("set-password", {"name": name, "password": read_password(password_stdin)}), as_json)


def role(name: Name, platform_role: Platform = None, support_role: Support = None, as_json: Json = False) -> None:
    """Set what a user holds across teams; without options: nothing."""
    answer = _ask("set-role", {"name": name, **_roles(platform_role, support_role)})
    if as_json:
        emit_json(answer)


def list_users(as_json: Json = False) -> None:
    """List local users with what they hold."""
    users = _ask("list-users", {})["users"]
    if as_json:
        emit_json({"users": users})
        return
    table = Table("user", "platform role", "teams", box=None)
    for user in users:
        held = user["platform_role"] or ""
        if user["support_role"]:
            held += f" ({user['support_role']})"
        teams = ", ".join(f"{item['team']}: {item['role']}" for item in user["teams"])
        table.add_row(Text(user["name"] + (" (disabled)" if user["disabled"] else "")), held, teams or "–")
    out.print(table)


def token(
    name: Annotated[str, typer.Argument(metavar="USER", help="The user's name.")],
    expires_in: Annotated[
        str | None, typer.Option("--expires-in", metavar="TIME", help="90s, 30m, 8h, 30d; a day by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print an API token for scripts: it may do what the user may at the moment it is used."""
    answer = _ask("token", {"name": name, "expires_in": parse_duration(expires_in) if expires_in else None})
    if as_json:
        emit_json(answer)
        return
    sys.stdout.write(answer["token"] + "\n")
    err.print(Text(f"expires {answer['expires']}; use it as: Authorization: Bearer TOKEN"))


def parse_duration(text: str) -> int:
    """Seconds of ``90s``, ``30m``, ``8h``, ``30d`` or a plain number.

    :raises typer.BadParameter: it is none
    """
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", text.strip())
    if found is None:
        raise typer.BadParameter("write for example 90s, 30m, 8h or 30d", param_hint="--expires-in")
    return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


def read_password(wait: bool) -> str | None:
    """The first line of stdin, or None when nothing is piped in.

    An inherited pipe that nobody writes to (ssh, CI) looks like one with a slow writer. So without ``wait`` silence
    means that there is no password; the one that is then made gets printed, so nobody is left without it.
    """
    if sys.stdin is None or sys.stdin.closed or (sys.stdin.isatty() and not wait):
        return None
    descriptor = sys.stdin.fileno()
    kind = os.fstat(descriptor).st_mode
    if not wait and (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        ready, _, _ = select.select([descriptor], [], [], PIPE_SECONDS)
        if not ready:
            err.print(Text("nothing came on stdin: making a password"))
            return None
    line = sys.stdin.readline(MAX_PASSWORD).rstrip("\r\n")
    if wait and not line:
        raise InvalidInputError("no password came on stdin", fix="pipe it in, or leave --password-stdin out")
    return line or None


def _roles(platform_role: PlatformRole | None, support_role: Role | None) -> dict[str, str | None]:
    return {
        "platform_role": platform_role.value if platform_role else None,
        "support_role": support_role.value if support_role else None,
    }


def _ask(command: str, payload: dict[str, Any]) -> dict[str, Any]:
    return open_platform().run_control(WORKER, [command], payload)


def _print_password(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit_json(answer)
        return
    err.print(Text(f"user {answer['name']}; the password is printed once:"))
    sys.stdout.write(answer["password"] + "\n")
