"""The Dags that every side runs: the same text, but for their names."""

from __future__ import annotations

from pathlib import Path

TASKS = 40

_TINY = '''"""One task that does nothing."""

from airflow.sdk import DAG, task

with DAG("{dag_id}", schedule=None, is_paused_upon_creation=False):

    @task
    def nothing():
        return None

    nothing()
'''

_TASKS = '''"""Forty tasks that do nothing: one after the other, and all at once."""

from airflow.sdk import DAG, task


@task
def nothing(number):
    return number


with DAG("chain{count}", schedule=None, is_paused_upon_creation=False, max_active_tasks={count}):
    before = None
    for number in range({count}):
        step = nothing.override(task_id=f"step_{{number}}")(number)
        if before is not None:
            before >> step
        before = step

with DAG("parallel{count}", schedule=None, is_paused_upon_creation=False, max_active_tasks={count}):
    for number in range({count}):
        nothing.override(task_id=f"step_{{number}}")(number)
'''


_CROWD = '''"""A hundred tasks that do nothing, all at once."""

from airflow.sdk import DAG, task

with DAG("{dag_id}", schedule=None, is_paused_upon_creation=False, max_active_tasks={count}):
    for number in range({count}):

        @task(task_id=f"step_{{number}}")
        def nothing():
            return None

        nothing()
'''
CROWD = 100  # tasks of each team


def crowd_id(team: str) -> str:
    """The name of a team's Dag of a hundred tasks."""
    return f"crowd_{team}"


def write_crowd(folder: Path, team: str) -> None:
    """Write a team's Dag of a hundred tasks."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{crowd_id(team)}.py").write_text(_CROWD.format(dag_id=crowd_id(team), count=CROWD))


_SLEEP = '''"""Tasks that sleep until they are stopped."""

import time

from airflow.sdk import DAG, task

with DAG("{dag_id}", schedule=None, is_paused_upon_creation=False, max_active_tasks={count}):
    for number in range({count}):

        @task(task_id=f"sleep_{{number}}", retries=0)
        def sleep():
            time.sleep(600)

        sleep()
'''


def sleep_id(team: str, count: int) -> str:
    """The name of a team's Dag of so many sleeping tasks."""
    return f"sleep{count}_{team}"


def write_sleep(folder: Path, team: str, count: int) -> None:
    """Write it."""
    folder.mkdir(parents=True, exist_ok=True)
    name = sleep_id(team, count)
    (folder / f"{name}.py").write_text(_SLEEP.format(dag_id=name, count=count))


_DEFERRING = '''"""Fifty tasks that wait for a file that never comes, and one whose trigger fires at once."""

import time

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.timezone import utcnow
from airflow.triggers.base import StartTriggerArgs


class Waits(BaseOperator):
    start_trigger_args = StartTriggerArgs(
        trigger_cls="airflow.providers.standard.triggers.file.FileTrigger",
        trigger_kwargs={{"filepath": "/tmp/never-there", "poke_interval": 5.0}},
        next_method="resume",
    )
    start_from_trigger = True

    def resume(self, context, event=None):
        return None


class Defers(BaseOperator):
    def execute(self, context):
        self.defer(trigger=DateTimeTrigger(utcnow()), method_name="resume", kwargs={{"at": time.time()}})

    def resume(self, context, at, event=None):
        return time.time() - at


with DAG("held_{team}", schedule=None, is_paused_upon_creation=False, max_active_tasks={count}):
    for number in range({count}):
        Waits(task_id=f"step_{{number}}")

with DAG("defers_{team}", schedule=None, is_paused_upon_creation=False):
    Defers(task_id="defers")
'''
HELD = 50  # of each team


def write_deferring(folder: Path, team: str) -> None:
    """Write a team's ``held_`` and ``defers_`` Dags."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"deferring_{team}.py").write_text(_DEFERRING.format(team=team, count=HELD))


def tiny_id(team: str) -> str:
    """The name of a team's Dag of one task; Dag names are unique in a deployment."""
    return f"tiny_{team}"


def write_tiny(folder: Path, team: str) -> str:
    """Write a team's Dag of one task; returns its name."""
    folder.mkdir(parents=True, exist_ok=True)
    dag_id = tiny_id(team)
    (folder / f"{dag_id}.py").write_text(_TINY.format(dag_id=dag_id))
    return dag_id


def write_tasks(folder: Path) -> tuple[str, str]:
    """Write the chain and the parallel Dag; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "many_tasks.py").write_text(_TASKS.format(count=TASKS))
    return f"chain{TASKS}", f"parallel{TASKS}"
