"""What tasks used is known a moment after they ended, by try, and nobody but the task's own team can touch it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.runtime.home import Home, wait_for

pytestmark = pytest.mark.integration

DAG = """
    import os, signal, subprocess, sys, time
    from datetime import timedelta
    from airflow.sdk import DAG, task
    with DAG("weighed", schedule="@once", is_paused_upon_creation=False):
        @task
        def small():
            pass
        @task
        def large():
            held = b"x" * (150 << 20)
            time.sleep(0.2)
        @task
        def burns():
            until = time.process_time() + 0.7
            while time.process_time() < until:
                pass
        @task
        def within():
            subprocess.run([sys.executable, "-S", "-c", "held = b'x' * (150 << 20)"], check=True)
        @task
        def killed():
            held = b"x" * (150 << 20)
            os.kill(os.getpid(), signal.SIGKILL)
        @task(retries=1, retry_delay=timedelta(0))
        def again(ti=None):
            if ti.try_number == 1:
                raise ValueError
        @task
        def unseen():
            def at_work(process):  # a task's, or one that has ended and was not told of yet
                try:
                    with open(f"/proc/{process}/cmdline") as file:
                        title = file.read()
                except OSError:
                    return False
                return not title or title.startswith("airspace task:")
            others = lambda: [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
            while any(at_work(process) for process in others()):
                time.sleep(0.05)
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(0.5)
        [small(), large(), burns(), within(), killed(), again()] >> unseen.override(trigger_rule="all_done")()
"""


def used(running: Home) -> dict[tuple[str, int], Any]:
    """(Task, try) → what is known of it."""
    tries = " UNION ALL ".join(
        f"SELECT {key} AS key, task_id, try_number FROM {table} WHERE dag_id = 'weighed'"  # noqa: S608
        for table, key in (("task_instance", "id"), ("task_instance_history", "task_instance_id"))
    )
    ask = f"SELECT task_id, try_number, cpu, wall, memory FROM ({tries}) t JOIN airspace_task_use u ON task_instance = key"  # noqa: S608, E501
    with running.engine.connect() as connection:
        return {(row.task_id, row.try_number): row for row in connection.execute(text(ask))}


def test_what_each_try_used_is_known(running: Home) -> None:
    running.add_team("weighed", slots=16)
    running.write_dag("weighed", "weighed.py", DAG)
    wait_for(lambda: running.states("weighed").get("unseen") in ("success", "failed"), 60)
    measured = {(name, 1) for name in ("small", "large", "burns", "within", "killed", "again")} | {("again", 2)}
    wait_for(lambda: measured <= set(used(running)))
    found = used(running)
    small = found["small", 1].memory
    assert 20 * 1024 < small < 200 * 1024
    for name in ("large", "killed"):
        assert small + 140 * 1024 <= found[name, 1].memory < small + 180 * 1024, name
    assert 150 * 1024 <= found["within", 1].memory < 200 * 1024, "the child that it waited for was the largest"
    assert found["burns", 1].cpu >= 700
    assert found["burns", 1].wall >= 700
    assert found["large", 1].cpu < found["large", 1].wall
    assert ("unseen", 1) not in found, "its zygote died before it: nobody saw how it ended"
