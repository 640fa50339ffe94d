"""Local users, roles and tokens through the admin worker."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from airspace.access.passwords import verify_password
from airspace.backends.tables import UserStore
from airspace.model.roles import PlatformRole, Role
from tests.integration.teams.conftest import Desk

pytestmark = pytest.mark.integration


def in_airflow(desk: Desk, script: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", script], env=desk.control.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.rpartition("@@")[2])


def test_users_come_with_a_password_and_a_role(desk: Desk) -> None:
    made = desk.admin("add-user", {"name": "ada"})
    given = desk.admin("add-user", {"name": "dora", "password": "correct horse", "platform_role": "support"})
    store = UserStore(desk.engine)
    assert verify_password(made["password"], store.password_hash("ada"))
    assert given == {"name": "dora", "password": "correct horse"}
    principal = store.principal("dora")
    assert principal is not None
    assert (principal.platform_role, principal.support_role) == (PlatformRole.SUPPORT, Role.OPERATOR)
    desk.admin("set-role", {"name": "dora", "platform_role": "auditor"})
    desk.admin("set-password", {"name": "ada", "password": "another horse"})
    assert verify_password("another horse", store.password_hash("ada"))
    with desk.engine.begin() as connection:
        connection.execute(text("INSERT INTO airspace_member VALUES ('ops', 'ada', 'lead')"))
    ada, dora = desk.admin("list-users")["users"]
    assert (ada["name"], ada["teams"]) == ("ada", [{"team": "ops", "role": "lead"}])
    assert (dora["platform_role"], dora["support_role"], dora["disabled"]) == ("auditor", None, False)


REFUSED = [
    ("add_user", {"name": "ada"}, "already"),
    ("add_user", {"name": "Ada"}, "already a user ada"),
    ("add_user", {"name": "no good"}, "no user name"),
    ("add_user", {"name": "ben", "password": "short"}, "at least"),
    ("add_user", {"name": "ben", "support_role": "lead"}, "goes with"),
    ("add_user", {"name": "ben", "platform_role": "king"}, "no such role"),
    ("set_password", {"name": "ben"}, "there is no user ben"),
    ("set_role", {"name": "ben"}, "there is no user ben"),
    ("token", {"name": "ben"}, "there is no user ben"),
    ("token", {"name": "ada", "expires_in": 10**9}, "366 days"),
]


def test_refusals_say_why_and_how(desk: Desk) -> None:
    UserStore(desk.engine).add("ada", None)
    # All in one process: importing Airflow takes seconds.
    script = (
        "import json\nfrom airspace.airflow.teams import users\nfrom airspace.model.errors import AirspaceError\n"
        "said = []\n"
        f"for name, payload in {[(name, payload) for name, payload, _ in REFUSED]!r}:\n"
        "  try:\n"
        "    said.append([str(getattr(users, name)(payload)), ''])\n"
        "  except AirspaceError as error:\n"
        "    said.append([error.message, error.fix])\n"
        "print('@@' + json.dumps(said))\n"
    )
    for (message, fix), (name, payload, expected) in zip(in_airflow(desk, script), REFUSED, strict=True):
        assert expected in message, (name, payload)
        assert fix


def test_a_token_is_the_auth_manager_s_own_and_dies_with_the_user(desk: Desk) -> None:
    desk.admin("add-user", {"name": "ada", "platform_role": "admin"})
    answer = desk.admin("token", {"name": "ada", "expires_in": 3600})
    ends = datetime.fromisoformat(answer["expires"]) - datetime.now(timezone.utc)
    assert timedelta(minutes=59) < ends <= timedelta(hours=1)
    script = (
        "import asyncio, json\nfrom airflow.api_fastapi.app import init_auth_manager\nmanager = init_auth_manager()\n"
        "async def ask():\n"
        "  try:\n"
        f"    user = await manager.get_user_from_token({answer['token']!r})\n"
        "    return [user.get_id(), user.principal.platform_role]\n"
        "  except Exception as error:\n"
        "    return type(error).__name__\n"
        "print('@@' + json.dumps(asyncio.run(ask())))\n"
    )
    assert in_airflow(desk, script) == ["ada", "admin"]
    UserStore(desk.engine).set_disabled("ada", True)
    assert in_airflow(desk, script) == "ExpiredSignatureError"


def test_the_worker_answers_on_stdout_only(desk: Desk, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "airspace.airflow.admin"]
    noise = {"env": desk.control.env, "capture_output": True, "text": True, "check": False}
    done = subprocess.run([*command, "list-users"], input="not json", **noise)
    assert (done.returncode, json.loads(done.stdout)["error"]["message"]) == (1, "stdin is not JSON")
    assert subprocess.run([*command, "nonsense"], input="{}", **noise).returncode == 2
    bare = {**noise, "env": {key: value for key, value in desk.control.env.items() if key != "AIRFLOW_HOME"}}
    assert "AIRFLOW_HOME" in subprocess.run([*command, "list-users"], input="{}", **bare).stdout
    config = Path(desk.control.env["AIRFLOW_HOME"]) / "airflow.cfg"
    config.write_text(config.read_text().replace("postgresql+psycopg2://airspace:", "postgresql+psycopg2://nobody:"))
    done = subprocess.run([*command, "list-users"], input="{}", **noise)
    assert done.returncode == 1
    password = desk.engine.url.password
    assert password
    assert password not in done.stdout + done.stderr
