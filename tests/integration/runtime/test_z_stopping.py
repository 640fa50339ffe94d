"""What held in all of this folder's tests, and every component stops when it is told to: nothing runs afterwards."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.runtime.home import Home, wait_for
from tests.integration.runtime.test_live import SLEEPERS
from tests.integration.runtime.triggers import ended

pytestmark = pytest.mark.integration

Record = Callable[[str, object], None]


# A Dag file that writes down every process that runs it, and each kind of work that is in it.
WITNESS = """
    import os
    from airflow.sdk import DAG, BaseOperator, task
    from airflow.triggers.base import BaseTrigger, TriggerEvent

    def note(context=None):
        with open("/proc/self/cmdline") as title, open("{seen}", "a") as seen:
            seen.write(os.readlink("/proc/self/ns/mnt") + " " + title.read().split(chr(0))[0] + chr(10))

    class Noting(BaseTrigger):
        def serialize(self):
            return "witness.Noting", {{}}
        async def run(self):
            note()
            yield TriggerEvent(None)

    class Waits(BaseOperator):
        def execute(self, context):
            self.defer(trigger=Noting(), method_name="resume")
        def resume(self, context, event=None):
            raise ValueError("so that the Dag calls back")

    note()
    with DAG("{team}_seen", schedule="@once", is_paused_upon_creation=False, on_failure_callback=note):
        @task
        def works():
            note()
        works() >> Waits(task_id="waits")
"""
KINDS = {"parse", "task", "triggers", "callback"}


def test_no_process_outside_of_sandboxes_ever_ran_a_file_of_a_teams(teams: Home) -> None:
    team, seen = "witness", teams.layout.storage / "witness" / "seen"
    teams.add_team(team)
    teams.write_dag(team, "witness.py", WITNESS.format(team=team, seen=seen))

    def rows() -> set[tuple[str, str]]:
        """Mount namespace and title of every process that ran it."""
        lines = seen.read_text().splitlines() if seen.exists() else []
        return {(place, title) for place, _, title in (line.partition(" ") for line in lines)}

    def kinds() -> set[str]:
        return {title.removeprefix("airspace ").partition(": ")[0] for _, title in rows()}

    assert ended(teams, f"{team}_seen") == {"works": "success", "waits": "failed"}
    wait_for(lambda: kinds() >= KINDS)
    assert kinds() <= KINDS | {"zygote"}  # which reads a file for several tasks
    assert all(title.partition(": ")[2].startswith(team) for _, title in rows())
    pids = ["self", *(process.pid for process in teams.processes.values())]
    outside = {str(Path(f"/proc/{pid}/ns/mnt").readlink()) for pid in pids}
    assert not {place for place, _ in rows()} & outside
    # And of all files that any test of this folder wrote: what is started without a sandbox says what it runs.
    started, ran = teams.watched()
    components = {"api-server", "scheduler", "dag-processor", "triggerer", "sandbox", "airspace.sandbox.relay"}
    assert started >= components
    assert ran == ""
    # The control: both would see it.
    file = teams.layout.bundles / team / "witness.py"
    subprocess.run([sys.executable, str(file)], env=teams.env, check=True, capture_output=True)
    assert str(file) in teams.watched()[1]
    assert outside & {place for place, _ in rows()}


def test_every_component_stops_quickly(running: Home, record_property: Record) -> None:
    running.add_team("stopping", pools={"wide": 4})
    running.write_dag("stopping", "sleepers.py", SLEEPERS.format(team="stopping", seconds=60, count=2, retries=0))
    wait_for(lambda: list(running.states("stopping_sleepers").values()).count("running") == 2)
    running.write_dag("stopping", "endless.py", "import time  # airflow dag\nwhile True: time.sleep(1)\n")
    time.sleep(1)
    for name in ("dag-processor", "scheduler", "api-server", "spawner"):
        seconds = running.stop(name)
        record_property(f"{name} stopped", round(seconds, 2))
        assert seconds < 30  # one that does not listen is killed later
        if name == "scheduler":  # its tasks stored what became of them
            assert set(running.states("stopping_sleepers").values()) == {"failed"}
    wait_for(lambda: not running.titles(), 30)  # nothing is left behind
