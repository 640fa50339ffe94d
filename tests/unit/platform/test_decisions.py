"""The pure parts: states, teams, program files, views, URLs."""

from __future__ import annotations

import shlex
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from airspace.backends.accounts import AccountError
from airspace.backends.accounts.view import script
from airspace.backends.postgres import PostgresError, asynchronous, certificates, normalise, redacted
from airspace.backends.processes import ProgramState, Usage
from airspace.backends.processes.program import Program, render
from airspace.model.errors import AirspaceError
from airspace.platform import health
from airspace.platform.components import COMPONENTS, postgres
from airspace.platform.control import clean_environment
from airspace.platform.doctor import recent_ends
from airspace.platform.health import judge
from airspace.platform.teamwork import team_of, team_statuses

PARTS = {part.name: part for part in COMPONENTS}


def program(state: str, started: float = 1000.0) -> ProgramState:
    return ProgramState("x", state, 7, started, 0, "")


def report(part: str, heartbeat: float, status: str = "healthy") -> dict[str, dict[str, str]]:
    stamp = datetime.fromtimestamp(heartbeat, timezone.utc).isoformat().replace("+00:00", "Z")
    return {"metadatabase": {"status": "healthy"}, part: {"status": status, f"latest_{part}_heartbeat": stamp}}


def test_a_living_process_is_well_only_when_heard_of_since_it_started() -> None:
    scheduler = PARTS["scheduler"]
    assert judge(scheduler, program("RUNNING"), report("scheduler", 1001), True) == health.RUNNING
    assert judge(scheduler, program("STARTING"), report("scheduler", 1001), True) == health.RUNNING
    assert judge(scheduler, program("STARTING"), report("scheduler", 999), True) == health.STARTING
    assert judge(scheduler, program("RUNNING"), report("scheduler", 999), True) == health.UNRESPONSIVE
    assert judge(scheduler, program("RUNNING"), report("scheduler", 1001, "unhealthy"), True) == health.UNRESPONSIVE
    assert judge(scheduler, program("RUNNING"), None, True) == health.UNRESPONSIVE
    assert judge(scheduler, program("RUNNING"), {"scheduler": {}}, True) == health.UNRESPONSIVE


@pytest.mark.parametrize(
    ("word", "state"),
    [("BACKOFF", "crash-looping"), ("FATAL", "failed"), ("EXITED", "stopped"), ("STOPPED", "stopped")],
)
def test_what_is_not_alive_shows_as_such(word: str, state: str) -> None:
    assert judge(PARTS["scheduler"], program(word), report("scheduler", 2000), True) == state
    assert judge(PARTS["scheduler"], None, None, True) == "stopped"


def test_the_database_and_the_fetcher_are_judged_by_what_they_have() -> None:
    database = postgres([])
    assert judge(database, program("RUNNING"), None, True) == health.RUNNING
    assert judge(database, program("RUNNING"), None, False) == health.UNRESPONSIVE
    assert judge(PARTS["fetcher"], program("STARTING"), None, True) == health.STARTING
    assert judge(PARTS["api-server"], program("RUNNING"), report("scheduler", 0), True) == health.RUNNING


def told(environment: dict[str, str], title: str, uid: int = 500) -> str | None:
    return team_of(environment, title, uid, owners={1001: "finance", 1002: "sales"}, believed={0, 500})


def test_a_process_of_ours_tells_its_team_by_environment_or_title() -> None:
    assert told({"AIRSPACE_TEAM": "finance"}, "python") == "finance"
    assert told({}, "airspace task: finance etl.load[3]") == "finance"
    assert told({}, "airspace parse: finance a/b.py", uid=0) == "finance"
    assert told({}, "sh -c airspace task: finance etl.load") is None
    assert told({}, "python -m airspace.airflow.run scheduler") is None


def test_code_of_a_team_cannot_pass_for_another_team() -> None:
    assert told({"AIRSPACE_TEAM": "finance"}, "airspace task: finance etl.load", uid=1002) == "sales"
    assert told({}, "python -m airspace.airflow.run scheduler", uid=1001) == "finance"
    assert told({"AIRSPACE_TEAM": "finance"}, "airspace task: finance etl.load", uid=1003) is None


def test_teams_are_idle_running_or_stopped() -> None:
    used = [Usage(1, 1, 2**20, None), Usage(2, 1, 3 * 2**20, "a")]
    assert [(t.name, t.state, t.processes, t.rss_mb) for t in team_statuses(["a", "b"], used, ready=True)] == [
        ("a", "running", 1, 3.0),
        ("b", "idle", 0, 0.0),
    ]
    assert team_statuses(["b"], [], ready=False)[0].state == "stopped"


def test_supervisord_reads_back_the_command_that_was_meant(tmp_path: Path) -> None:
    command = ("/bin/sh", "-c", "echo 100% 'a b' && exit 0", "with space")
    made = Program("odd", command, environment={"A": "/x y/%z"})
    config = tmp_path / "supervisord.conf"
    config.write_text(render([made], folder=tmp_path, logs=tmp_path, identifier="i", as_root=False))
    options = ServerOptions()
    options.realize(["-c", str(config)])
    (group,) = options.process_group_configs
    (read,) = group.process_configs
    assert tuple(shlex.split(read.command)) == command
    assert read.environment == {"A": "/x y/%z"}
    assert read.autorestart
    assert not read.autostart


def test_what_would_be_a_comment_in_that_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AirspaceError, match="cannot be told"):
        render([Program("x", ("a ;b",))], folder=tmp_path, logs=tmp_path, identifier="i", as_root=False)


def test_a_view_holds_only_what_is_needed() -> None:
    made = script([Path("/root")], [Path("/root/a/b"), Path("/root/a/b/c"), Path("/usr"), Path("/opt/x")])
    assert "mount --rbind /root/a/b /mnt/a/b" in made
    assert "/root/a/b/c" not in made
    assert made.count("mount --rbind") == 1
    assert made.endswith('exec "$@"')
    subprocess.run(["/bin/sh", "-n", "-c", made], check=True)


def test_a_view_is_built_beside_what_matters_and_quotes_paths() -> None:
    made = script([Path("/root")], [Path("/mnt/disk/home"), Path("/root/with space")])
    assert "'/root/with space' '/media/with space'" in made


def test_a_needed_folder_that_is_itself_closed_is_told() -> None:
    with pytest.raises(AccountError, match="only be entered by its owner"):
        script([Path("/root/x")], [Path("/root/x")])


@pytest.mark.parametrize(
    "url",
    ["", "mysql://u@h/db", "postgresql://h", "postgresql+pg8000://h/db", "sqlite:////tmp/x.db", "postgresql://h:x/db"],
)
def test_urls_that_are_no_postgresql_database_are_refused(url: str) -> None:
    with pytest.raises(PostgresError) as refused:
        normalise(url)
    assert "airspace up --database" in (refused.value.fix or "")


def test_a_database_url_for_both_drivers() -> None:
    url = normalise("postgres://u:p%24w@h:5433/db?sslmode=require&application_name=x")
    assert url == "postgresql+psycopg2://u:p%24w@h:5433/db?sslmode=require&application_name=x"
    assert asynchronous(url) == "postgresql+asyncpg://u:p%24w@h:5433/db?ssl=require"
    assert redacted(url) == "postgresql://u@h:5433/db"
    assert "$" not in normalise("postgresql://u:a$HOME@h/db")
    trusted = normalise("postgresql://u@h/db?sslmode=verify-full&sslrootcert=/etc/ca.pem")
    assert asynchronous(trusted).endswith("/db?ssl=verify-full")
    assert (certificates(trusted), certificates(None)) == ({"PGSSLROOTCERT": "/etc/ca.pem"}, {})


def test_nothing_of_the_callers_reaches_a_component() -> None:
    made = clean_environment({"AWS_SECRET_ACCESS_KEY": "s", "TZ": "UTC", "PYTHONPATH": "/evil"}, {"A": "b"})
    assert made["TZ"] == "UTC"
    assert made["A"] == "b"
    assert not {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} & set(made)


def test_recent_ends_are_counted_from_the_managers_log(tmp_path: Path) -> None:
    log = tmp_path / "supervisord.log"
    stamp = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    log.write_text(
        f"{stamp},123 INFO exited: scheduler (exit status 1; not expected)\n"
        f"{stamp},124 WARN exited: scheduler (terminated by SIGKILL; not expected)\n"
        "2001-01-01 00:00:00,000 INFO exited: triggerer (exit status 1; not expected)\n"
    )
    assert recent_ends(log, time.time() - 60) == {"scheduler": 2}
    assert recent_ends(tmp_path / "none", 0) == {}
