"""Two throwaway teams, planted by the ordinary apply, and removed as any team is."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from airspace.backends.airflow_rest import Airflow, Session
from airspace.model.errors import AirspaceError, InvalidInputError
from airspace.platform.service import Platform
from airspace.teams.ports import WORKER
from airspace.teams.removal import Options, remove_team
from airspace.teams.service import apply, load
from airspace.verify.inside.facts import (
    ATTACKER,
    BAIT,
    CALLED,
    CONNECTION,
    DAGS,
    PARSED,
    SHARED,
    TASK,
    UNSHARED,
    UNSHARED_URI,
    VARIABLE,
    VICTIM,
    Facts,
)
from airspace.verify.inside.warehouse import SECONDS, SHOWN

RUNNER, OUTSIDER = "verify_runner", "verify_outsider"
"""Lead of both teams; lead of the attacker's alone."""

_ATTACKER_FILE = """\
name: {team}
title: "Throwaway: airspace verify (attacker)"
members: {{{runner}: lead, {outsider}: lead}}
limits: {{memory: 512M, processes: 64, scratch: 64M{cpu}}}
network: ["localhost:{trap}"]
warehouse: {{seconds: {seconds}}}
assets:
  {bait}: {{consumers: [{victim}]}}
"""

_VICTIM_FILE = """\
name: {team}
title: "Throwaway: airspace verify (victim)"
members: {{{runner}: lead}}
network: ["localhost:{reach}", "127.0.0.1:{reach}"]
connections:
  {connection}: {{type: http, host: verify.invalid, login: verify, password: {{env: {variable}}}}}
variables:
  {key}: {{env: {variable}}}
  verify_written: untouched
  verify_doomed_verify_attacker: untouched
  verify_doomed_verify_victim: untouched
assets:
  {shared}: {{consumers: [{attacker}], tables: [{table}]}}
  {unshared}: {{consumers: []}}
"""

_DAG = """\
# Written by `airspace verify isolation`, and removed by it.
from airflow.sdk import Asset, dag, get_current_context, task


@dag(dag_id="{dag_id}", schedule=None, catchup=False, tags=["airspace-verify"])
def verify():
    @task({outlets})
    def {task}():
        from airspace.verify.inside.task import main

        main(get_current_context())

    {task}()


verify()
"""
_PARSED_DAG = """\
# Written by `airspace verify isolation`, and removed by it. It never runs: what it tries, it tries while it is read.
import json

from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
from airspace.verify.inside.parsing import probe

with DAG("{dag_id}", schedule=None, description=probe({acts}, json.loads({facts}))):
    EmptyOperator(task_id="nothing")
"""
_CALLED_DAG = """\
# Written by `airspace verify isolation`, and removed by it. Its one task fails, so that its callback runs.
import json

from airflow.sdk import dag, task


def called(context):
    from airspace.verify.inside.callbacks import report

    report({acts}, json.loads({facts}))


@dag(dag_id="{dag_id}", schedule=None, tags=["airspace-verify"], on_failure_callback=called)
def verify():
    @task
    def fail():
        raise RuntimeError("as planned")

    fail()


verify()
"""
_SECRET_VARIABLE = "VERIFY_SECRET"  # noqa: S105  # a name


@contextmanager
def alone(platform: Platform) -> Iterator[None]:
    """One verify at a time on a home.

    :raises AirspaceError: another one is running
    """
    handle = os.open(
        platform.layout.root / ".verify.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AirspaceError("another airspace verify is running here", fix="wait for it") from None
        yield
    finally:
        os.close(handle)


def plant(platform: Platform, secret: str, ports: tuple[int, int], *, limited: bool) -> str:
    """Apply both teams, write their Dags, make the user; its password.

    :param ports: of this machine's loopback: what the victim may reach, and what the attacker's list names in vain
    :param limited: with the attacker's share of the processor cut, which slows it
    """
    names = {
        "runner": RUNNER,
        "outsider": OUTSIDER,
        "victim": VICTIM,
        "attacker": ATTACKER,
        "bait": BAIT,
        "shared": SHARED,
    }
    names |= {"table": SHOWN, "seconds": str(SECONDS)}
    names |= {"unshared": UNSHARED, "connection": CONNECTION, "key": VARIABLE, "variable": _SECRET_VARIABLE}
    reach, trap = ports
    cpu = ", cpu: 0.5" if limited else ""
    _apply(
        platform,
        {
            ATTACKER: _ATTACKER_FILE.format(team=ATTACKER, cpu=cpu, trap=trap, **names),
            VICTIM: _VICTIM_FILE.format(team=VICTIM, reach=reach, **names),
        },
        {_SECRET_VARIABLE: secret},
    )
    for team, dag_id in DAGS.items():
        _write(platform.layout.dags / team / f"{dag_id}.py", dag_file(team))
    return _ensure_user(platform)


def dag_file(team: str) -> str:
    """What the team's one Dag is read from."""
    outlets = {ATTACKER: "", VICTIM: f'outlets=[Asset(name="{UNSHARED}", uri="{UNSHARED_URI}")]'}
    return _DAG.format(dag_id=DAGS[team], task=TASK, outlets=outlets[team])


def plant_parsed(platform: Platform, acts: list[str], facts: Facts) -> None:
    """A Dag file of the attacker's that attacks while it is read."""
    _write(platform.layout.dags / ATTACKER / f"{PARSED}.py", parsed_dag_file(acts, facts))


def parsed_dag_file(acts: list[str], facts: Facts) -> str:
    """What does these acts while it is read."""
    return _PARSED_DAG.format(dag_id=PARSED, acts=acts, facts=repr(json.dumps(facts.as_dict())))


def plant_called(platform: Platform, acts: list[str], facts: Facts) -> None:
    """A Dag of the attacker's that attacks in its failure callback."""
    text = _CALLED_DAG.format(dag_id=CALLED, acts=acts, facts=repr(json.dumps(facts.as_dict())))
    _write(platform.layout.dags / ATTACKER / f"{CALLED}.py", text)


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o644)
    fresh.replace(path)


def take_back(platform: Platform) -> list[str]:
    """Remove both teams, as any team is removed; what is left of them, in words."""
    left = []
    for team in DAGS:
        try:
            remove_team(platform, team, Options(drain=0.0, export=False))
        except InvalidInputError:
            continue  # it was not even planted
        except AirspaceError as error:
            left.append(f"team {team}: {error.message}")
    return left


def _ensure_user(platform: Platform) -> str:
    password = secrets.token_urlsafe(24)
    users = [{"name": name, "password": password, "platform_role": None} for name in (RUNNER, OUTSIDER)]
    platform.run_control(WORKER, ["ensure-users"], {"users": users})
    return password


def _apply(platform: Platform, texts: Mapping[str, str], secret: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix="airspace-verify-") as folder:
        for team, text in texts.items():
            Path(folder, f"{team}.yaml").write_text(text, encoding="utf-8")
        apply(load(Path(folder), platform.layout, secret), platform)


def sign_in(airflow: Airflow, password: str, user: str = RUNNER) -> Session:
    """A session of a throwaway user."""
    return airflow.sign_in(user, password)
