"""The command line as far as it goes without a running platform."""

from __future__ import annotations

import importlib
import io
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command, get_group
from typer.testing import CliRunner

import airspace.cli.demo
from airspace.cli import users
from airspace.cli.changes import SIGNS
from airspace.cli.main import app
from airspace.model.change import ChangeAction
from airspace.model.errors import InvalidInputError
from airspace.teams.files import InvalidFilesError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRSPACE_HOME", str(tmp_path / "home"))
    (tmp_path / "teams").mkdir()
    return tmp_path / "teams"


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_problems_are_one_json_document_and_exit_code_1(folder: Path, command: str) -> None:
    (folder / "ops.yaml").write_text("name: ops\nslotss: 1\n[bold]: x\n")
    (folder / "dev.yaml").write_text("name: dev\nmembers: {ada: '[/]'}\n")
    result = CliRunner().invoke(app, [command, str(folder), "--json"])
    assert isinstance(result.exception, InvalidFilesError)
    found = json.loads(result.stdout)["problems"]
    assert {"file", "line", "column", "key", "rule", "message", "fix"} == set(found[0])
    assert f"{folder}/dev.yaml:2:16: error: this is no role [bad-role]" in result.stderr


def test_the_whole_command_prints_like_a_compiler(folder: Path) -> None:
    (folder / "ops.yaml").write_text("name: ops\nslotss: 1\n'[bold]': x\n")
    done = subprocess.run(
        [sys.executable, "-c", "from airspace.cli.main import main; main()", "apply", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "AIRSPACE_HOME": str(folder.parent / "home")},
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"{folder}/ops.yaml:2:1: error: unknown key slotss [unknown-key]" in done.stderr
    assert "fix: did you mean slots?" in done.stderr
    assert "unknown key [bold]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_good_folder_without_a_platform_says_what_to_do(folder: Path) -> None:
    (folder / "ops.yaml").write_text("name: ops\n")
    result = CliRunner().invoke(app, ["apply", str(folder)])
    assert result.exception is not None
    assert "airspace up" in str(result.exception)
    assert not (folder.parent / "home").exists()


def test_no_such_folder_is_wrong_usage(folder: Path) -> None:
    assert CliRunner().invoke(app, ["apply", str(folder / "nowhere")]).exit_code == 2


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "status",
        "down",
        "destroy",
        "doctor",
        "demo",
        "apply",
        "plan",
        "token",
        "user add",
        "user list",
        "user passwd",
        "user role",
        "team list",
        "team show",
        "team add",
        "team adopt",
        "team rename",
        "member add",
        "member remove",
        "drift",
        "watch",
    ],
)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"airspace {command}" in " ".join(result.stdout.split())
    assert "Example" in result.stdout


def test_the_schema_is_json() -> None:
    result = CliRunner().invoke(app, ["team", "schema"])
    assert json.loads(result.stdout)["title"] == "Airspace team file"


def test_every_action_has_a_sign() -> None:
    assert set(SIGNS) == set(ChangeAction)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("8h", 28800), ("2d", 172800)])
def test_durations(text: str, seconds: int) -> None:
    assert users.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "1w", "1.5h", "٣d1"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        users.parse_duration(text)


@pytest.mark.parametrize(
    ("written", "read"), [(b"correct horse\nsecond", "correct horse"), (b"", None), (b"\n", None), (b"tail", "tail")]
)
def test_passwords_come_from_a_pipe(monkeypatch: pytest.MonkeyPatch, written: bytes, read: str | None) -> None:
    source, sink = os.pipe()
    os.write(sink, written)
    os.close(sink)
    with io.open(source, encoding="utf-8") as stdin:  # noqa: UP020 - a descriptor
        monkeypatch.setattr(sys, "stdin", stdin)
        assert users.read_password(wait=False) == read


def test_a_silent_pipe_is_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    source, sink = os.pipe()
    monkeypatch.setattr(users, "PIPE_SECONDS", 0.05)
    with io.open(source, encoding="utf-8") as stdin:  # noqa: UP020 - a descriptor
        monkeypatch.setattr(sys, "stdin", stdin)
        assert users.read_password(wait=False) is None
        os.close(sink)
        with pytest.raises(InvalidInputError):
            users.read_password(wait=True)


def test_no_command_waits_for_what_only_another_one_needs() -> None:
    look = """import sys
from airspace.cli.main import app
from typer.main import get_command
def all_of(group): return [all_of(each) for each in group.commands.values() if hasattr(each, 'commands')]
all_of(get_command(app))
assert 'airspace.cli.verify' in sys.modules
print(*{'sqlalchemy', 'httpx', 'airflow'} & set(sys.modules))"""
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def _commands(group: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in group.commands:
        command = group.commands[name]
        yield (*names, name), command
        if hasattr(command, "commands"):
            yield from _commands(command, (*names, name))


def test_every_command_is_where_the_table_says_and_says_how_it_is_called() -> None:
    found = dict(_commands(get_command(app)))
    assert {("apply",), ("team", "add"), ("team", "remove"), ("dag", "transfer"), ("verify", "isolation")} <= set(found)
    assert all(command.name == names[-1] for names, command in found.items())
    assert all(command.help for command in found.values())
    registered = set()
    for module in pkgutil.iter_modules(airspace.cli.__path__, "airspace.cli."):
        for function in ("register", "register_team"):
            if hasattr(imported := importlib.import_module(module.name), function):
                own = typer.Typer()
                getattr(imported, function)(own)
                before = ("team",) if function == "register_team" else ()
                registered |= {(*before, name) for name in get_group(own).commands}
    assert registered | {("team",)} == {names for names in found if len(names) == 1 or names[0] == "team"}


def test_what_is_wrong_with_a_module_is_not_taken_for_a_typing_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airspace.cli.demo, "register", lambda _app: {}["broken"])
    with pytest.raises(KeyError, match="broken"):
        get_command(app).commands.get("demo")


def test_a_command_imports_what_it_uses() -> None:
    """Each team file of hundreds is read in well under a millisecond: a start that imports all else takes longer."""
    look = "import sys; from airspace.cli.main import app; {use}; print(*[m for m in {names} if m in sys.modules])"
    heavy = ["airspace.platform.service", "airspace.platform.doctor", "airspace.teams.removal", "psutil", "psycopg2"]
    plan = "from typer.main import get_command; get_command(app).commands['plan']"
    status = "from typer.main import get_command; get_command(app).commands['status']"
    for use, names, expected in (
        ("pass", [*heavy, "pydantic", "yaml"], ""),
        (plan, heavy, ""),
        (status, ["airspace.platform.service"], "airspace.platform.service"),
    ):
        code = look.format(use=use, names=names)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected, use
