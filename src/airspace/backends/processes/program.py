"""What the process manager is told about one program, and the configuration file made of it."""

from __future__ import annotations

import resource
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airspace.model.errors import AirspaceError

_NEVER = 1_000_000  # start retries: the wait between them grows by a second each time, so this never gives up


@dataclass(frozen=True)
class Program:
    """One long-running program.

    :param command: argv; the process that it becomes by ``exec`` is the one that is watched and signalled
    :param environment: added to the process manager's own (clean) environment; never a secret
    :param start_seconds: a program that ends sooner is "crash-looping" and waits longer before each new start
    :param stop_signal: the one that ends it in good order
    :param stop_seconds: how long it may take before its whole process group is killed
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    priority: int = 100
    start_seconds: int = 10
    stop_signal: str = "TERM"
    stop_seconds: int = 15
    start_retries: int = _NEVER


def _quoted(text: str) -> str:
    # '%' is expansion in this format, and ' ;' or ' #' would start a comment.
    if any(bad in text for bad in ("\n", "\r", " ;", " #", "\t;", "\t#")):
        raise AirspaceError(
            f"the process manager cannot be told of this path: {text!r}",
            fix="use a path without line breaks, ';' and '#'",
        )
    return text.replace("%", "%%")


def _environment(pairs: Mapping[str, str]) -> str:
    if any('"' in value or "\\" in value for value in pairs.values()):
        raise AirspaceError("a program's environment cannot hold quotes", fix="use a path without quotes")
    return ",".join(f'{key}="{_quoted(value)}"' for key, value in sorted(pairs.items()))


def _program_section(program: Program, logs: Path) -> list[str]:
    return [
        f"[program:{program.name}]",
        f"command = {_quoted(shlex.join(program.command))}",
        *([f"environment = {_environment(program.environment)}"] if program.environment else []),
        "directory = /",
        f"priority = {program.priority}",
        "autostart = false",
        "autorestart = true",
        f"startsecs = {program.start_seconds}",
        f"startretries = {program.start_retries}",
        f"stopsignal = {program.stop_signal}",
        f"stopwaitsecs = {program.stop_seconds}",
        "killasgroup = true",
        "redirect_stderr = true",
        f"stdout_logfile = {_quoted(str(logs / f'{program.name}.log'))}",
        "stdout_logfile_maxbytes = 10MB",
        "stdout_logfile_backups = 3",
        "",
    ]


def _limit(kind: int, wanted: int) -> int:
    """As much as we want or may have: supervisord refuses to start where it cannot raise a limit."""
    hard = resource.getrlimit(kind)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def render(programs: Sequence[Program], *, folder: Path, logs: Path, identifier: str, as_root: bool) -> str:
    """The process manager's configuration file."""
    lines = [
        "; Written by `airspace up` at every start: changes here are lost.",
        "[supervisord]",
        f"identifier = {identifier}",
        *(["user = root"] if as_root else []),
        f"logfile = {_quoted(str(logs / 'supervisord.log'))}",
        "logfile_maxbytes = 10MB",
        "logfile_backups = 3",
        f"pidfile = {_quoted(str(folder / 'supervisord.pid'))}",
        f"childlogdir = {_quoted(str(logs))}",
        "directory = /",
        "umask = 027",
        f"minfds = {_limit(resource.RLIMIT_NOFILE, 16384)}",
        f"minprocs = {_limit(resource.RLIMIT_NPROC, 200)}",
        "",
        "[unix_http_server]",
        f"file = {_quoted(str(folder / 's.sock'))}",
        "chmod = 0600",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        "",
    ]
    for program in programs:
        lines += _program_section(program, logs)
    return "\n".join(lines)
