"""Triggers in their team's sandbox: everything that defers resumes, and a hostile one harms nobody but its own team."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from airspace.platform import bells
from tests.integration.runtime.home import Home, wait_for

pytestmark = pytest.mark.integration

Record = Callable[[str, object], None]

# A module of the team's own, beside its Dag files: the class of its triggers.
OWN = '''
import asyncio, os, sys, time
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

class Own(BaseTrigger):
    def __init__(self, act, **more):
        super().__init__()
        self.act, self.more = act, more

    def serialize(self):
        return "own_triggers.Own", {"act": self.act, **self.more}

    async def run(self):
        yield await getattr(self, self.act)()

    async def on_kill(self):
        print("killed", flush=True)
        open(os.path.join(os.environ["AIRSPACE_STORAGE"], os.environ["AIRSPACE_TEAM"], "killed"), "w").close()

    async def wait(self):
        await asyncio.sleep(self.more.get("seconds", 0.3))
        self.log.info("waited")
        return TriggerEvent("waited")

    async def for_ever(self):
        self.log.info("waits for ever")
        await asyncio.sleep(10_000)

    async def success(self):
        return TaskSuccessEvent(xcoms={"from_trigger": 7})

    async def names(self):
        from airflow.sdk import Variable
        from airflow.sdk.bases.hook import BaseHook
        connection = await asyncio.to_thread(BaseHook.get_connection, "warehouse")
        Variable.set("written", "by a trigger")
        self.log.info("the secret is %s", connection.host)
        from airflow.sdk.execution_time.comms import GetVariableKeys
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS
        keys = (await SUPERVISOR_COMMS.asend(GetVariableKeys())).keys
        found = [connection.host, Variable.get("threshold"), Variable.get("written"), *keys]
        Variable.delete("written")
        return TriggerEvent([*found, Variable.get("written", default="gone")])

    async def environment(self):
        return TriggerEvent({"uid": os.getuid(), "names": sorted(os.environ), "processes": [
            open(f"/proc/{pid}/cmdline").read().split("\\0")[0] for pid in os.listdir("/proc") if pid.isdigit()]})

    async def bad(self):
        raise ValueError("as it should")

    async def huge(self):
        return TriggerEvent("x" * 3_000_000)

    async def blocks(self):
        time.sleep(10_000)

    async def dies(self):
        os._exit(3)

    async def bombs(self):
        while True:
            with __import__("contextlib").suppress(OSError):
                if os.fork() == 0:
                    time.sleep(1000)

    async def raw(self):
        """Bytes in the place of a message."""
        writer = __import__("airflow.sdk.execution_time.task_runner", fromlist=["x"]).SUPERVISOR_COMMS._async_writer
        for _ in range(self.more.get("times", 1)):
            writer.write(bytes.fromhex(self.more["bytes"]))
            await writer.drain()
        await asyncio.sleep(10_000)

    async def chatters(self):
        while True:
            self.log.info("x" * 100_000)
            await asyncio.sleep(0)

    async def asks(self):
        """Questions without a pause, as fast as they are answered; and then about what is not its own."""
        from airflow.sdk.execution_time import comms
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS
        while True:
            await asyncio.gather(*[SUPERVISOR_COMMS.asend(comms.GetVariable(key="threshold")) for _ in range(50)])

    async def told(self):
        """What it is told about each of these."""
        from airflow.sdk.execution_time import comms
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS
        said = []
        for kind, fields in self.more["messages"]:
            try:
                answer = await SUPERVISOR_COMMS.asend(getattr(comms, kind)(**fields))
                said.append(repr(answer))
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}"[:500])
        return TriggerEvent(said)

    async def forges(self):
        """Events, failures, ends and log lines in the name of another trigger."""
        from airflow.jobs.triggerer_job_runner import messages
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS
        for other in self.more["others"]:
            self.log.info("forged line", trigger_id=other)
            await SUPERVISOR_COMMS.asend(messages.TriggerStateChanges(
                events=[(other, TriggerEvent("forged"), None)], failures=[(other, ["forged"])], finished=[other]))
        return TriggerEvent("forged")
'''

DAG = """
    from datetime import timedelta
    import os
    from airflow.sdk import DAG, BaseOperator, Variable, task
    from own_triggers import Own

    class Defers(BaseOperator):
        def __init__(self, act, more=None, **kwargs):
            super().__init__(**kwargs)
            self.act, self.more = act, more or {}
        def execute(self, context):
            self.defer(trigger=Own(self.act, **self.more), method_name="resume")
        def resume(self, context, event=None):
            print("resumed with", repr(event))
            return event

    with DAG("{dag_id}", schedule=None, is_paused_upon_creation=False, max_active_tasks=64) as dag:
{tasks}
"""

STANDARD = """
        from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
        from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
        from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
        from airflow.providers.standard.sensors.filesystem import FileSensor
        from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
        from airflow.triggers.base import StartTriggerArgs

        class FromTrigger(BaseOperator):
            template_fields = ("delta",)
            start_trigger_args = StartTriggerArgs(
                trigger_cls="own_triggers.Own", trigger_kwargs={"act": "wait"}, next_method="resume")
            start_from_trigger = True
            def __init__(self, delta=None, **kwargs):
                self.delta = delta
                super().__init__(**kwargs)
            def resume(self, context, event=None):
                return event

        TimeDeltaSensor(task_id="delta", delta=timedelta(seconds=0.1), deferrable=True)
        DateTimeSensorAsync(task_id="date", target_time="2001-01-01T00:00:00+00:00")
        FileSensor(task_id="file", filepath=os.environ["AIRSPACE_STORAGE"] + "/one/there", deferrable=True,
                   poke_interval=0.2, fs_conn_id="warehouse")
        TriggerDagRunOperator(
            task_id="child", trigger_dag_id="one_child", trigger_run_id="r1", wait_for_completion=True,
            deferrable=True, poke_interval=1, logical_date="2026-01-01T00:00:00+00:00")
        ExternalTaskSensor(
            task_id="external", external_dag_id="one_child", external_task_id="work", deferrable=True,
            execution_date_fn=lambda *a, **k: __import__("pendulum").datetime(2026, 1, 1), timeout=30,
            poll_interval=0.5)
        FromTrigger(task_id="from_trigger")
        for act in ("wait", "names", "environment", "success", "bad", "huge"):
            Defers(task_id=act, act=act)
"""

CHILD = """
    from airflow.sdk import DAG, task
    with DAG("one_child", schedule=None, is_paused_upon_creation=False):
        @task
        def work():
            pass
        work()
"""


def tasks(*lines: str) -> str:
    return "\n".join("        " + line for line in lines)


def write(home: Home, team: str, dag_id: str, body: str) -> None:
    import textwrap

    head = textwrap.dedent(DAG.split("{tasks}")[0]).replace("{dag_id}", dag_id)
    home.write_dag(team, f"{dag_id}.py", head + textwrap.indent(textwrap.dedent(body), "    "))

    def known() -> bool:
        assert f"{dag_id}.py" not in home.import_errors(team), home.import_errors(team)
        return bool(home.rows("SELECT 1 FROM dag WHERE dag_id=:d AND NOT is_stale", d=dag_id))

    wait_for(known, 30)


def results(home: Home, dag_id: str) -> dict[str, object]:
    found = home.rows("SELECT task_id, value FROM xcom WHERE dag_id=:d AND key='return_value'", d=dag_id)
    return {row.task_id: row.value for row in found}


def deferred(home: Home, dag_id: str, count: int = 1) -> None:
    wait_for(lambda: list(home.states(dag_id).values()).count("deferred") >= count, 30)


@pytest.fixture(scope="module")
def teams(running: Home) -> Iterator[Home]:
    """Two teams with triggers of their own, and one triggerer."""
    running.start("triggerer")
    wait_for(lambda: (running.layout.run / bells.TRIGGERS).exists(), 60)
    for team in ("one", "two"):
        running.add_team(team, slots=16, variables={"threshold": f"of-{team}"})
        running.add_connection(team, "warehouse", f"host-of-{team}")
        running.write_dag(team, "own_triggers.py", OWN, ring=False)
    yield running
    running.stop("triggerer")


def test_whatever_defers_resumes(teams: Home, record_property: Record) -> None:
    (teams.layout.storage / "one" / "there").write_text("x")
    teams.write_dag("one", "child.py", CHILD)
    write(teams, "one", "one_all", STANDARD)
    teams.trigger("one_all")

    def done() -> dict[str, str | None]:
        found = teams.states("one_all")
        return found if found and all(state in ("success", "failed") for state in found.values()) else {}

    states = wait_for(done, 90)
    failed = {task for task, state in states.items() if state != "success"}
    for task in failed - {"bad", "huge"}:
        print(teams.task_log("one_all", task)[-4000:])
    assert failed == {"bad", "huge"}
    assert "as it should" in teams.task_log("one_all", "bad")
    assert "its event takes 3,000,0" in teams.task_log("one_all", "huge")
    said = results(teams, "one_all")
    assert said["wait"] == said["from_trigger"] == "waited"
    assert said["names"] == ["host-of-one", "of-one", "by a trigger", "threshold", "written", "gone"]
    assert said["success"] is None
    assert "the secret is ***" in teams.task_log("one_all", "names") or "host-of-one" in teams.task_log(
        "one_all", "names"
    )
    inside = said["environment"]
    assert isinstance(inside, dict)
    assert not [name for name in inside["names"] if "SQL_ALCHEMY" in name or name in ("AIRSPACE_HOME", "AIRSPACE_RUN")]
    assert "airspace triggers: one" in inside["processes"]
    assert not [title for title in inside["processes"] if "two" in title or "triggerer" in title]
    assert "waited" in teams.task_log("one_all", "wait")
    print(teams.log("triggerer").read_text()[-3000:])
    # A team without triggers has no process for them.
    wait_for(lambda: not [title for title in teams.titles() if title.startswith("airspace triggers")], 15)
