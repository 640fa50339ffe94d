"""Dags and triggers for the tests of triggers, and what these ask of a home."""

from __future__ import annotations

import json
import textwrap
from datetime import datetime

import psutil

from tests.integration.runtime.home import Home, wait_for

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

    async def file(self):
        """Wait until all has been killed that is to be."""
        path = os.path.join(os.environ["AIRSPACE_STORAGE"], os.environ["AIRSPACE_TEAM"], "go")
        while not os.path.exists(path):
            await asyncio.sleep(0.2)
        return TriggerEvent("gone on")

    async def flag(self):
        """A file of the team's own, which what watches the asset removes."""
        open(os.path.join(os.environ["AIRSPACE_STORAGE"], os.environ["AIRSPACE_TEAM"], "flag"), "w").close()
        return TriggerEvent("put up")

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
        with __import__("contextlib").suppress(OSError):
            await asyncio.get_running_loop().getaddrinfo("in-a-trigger.example", 1)
        processes = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with __import__("contextlib").suppress(OSError):  # the team's tasks come and go beside it
                processes.append(open(f"/proc/{pid}/cmdline").read().split("\\0")[0])
        return TriggerEvent({"uid": os.getuid(), "names": sorted(os.environ), "processes": processes})

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
            execution_date_fn=lambda *a, **k: __import__("pendulum").datetime(2026, 1, 1), timeout=240,
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


WATCHES = """
    import os
    from airflow.providers.standard.triggers.file import FileDeleteTrigger
    from airflow.sdk import Asset, AssetWatcher, DAG, task
    flag = os.environ["AIRSPACE_STORAGE"] + "/one/flag"
    watcher = AssetWatcher(name="flag", trigger=FileDeleteTrigger(filepath=flag, poke_interval=0.1))
    with DAG("one_hears", schedule=[Asset("one_flag", watchers=[watcher])], is_paused_upon_creation=False):
        @task
        def hear():
            pass
        hear()
"""

# What the scheduler does when a deadline is missed.
MISS = """
import sys
from airflow.models import DagRun
from airflow.models.deadline import Deadline
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.utils import timezone
from airflow.utils.session import create_session
from sqlalchemy import select
with create_session() as session:
    run = session.scalars(select(DagRun).where(DagRun.dag_id == sys.argv[1]).limit(1)).one()
    callback = AsyncCallback("own_triggers.missed", kwargs={"told": "x"})
    deadline = Deadline(timezone.utcnow(), callback, run.id, None)
    session.add(deadline)
    session.flush()
    deadline.handle_miss(session)
"""
CALLED = """
async def missed(told, context):
    return [os.environ["AIRSPACE_TEAM"], told, context["dag_run"]["dag_id"]]
"""


def defers(act: str, more: dict[str, object] | None = None, task_id: str | None = None) -> str:
    return f"Defers(task_id={task_id or act!r}, act={act!r}, more={more or {}!r})\n"


def write(home: Home, team: str, dag_id: str, body: str) -> None:
    head = textwrap.dedent(DAG.split("{tasks}")[0]).replace("{dag_id}", dag_id)
    home.write_dag(team, f"{dag_id}.py", head + textwrap.indent(textwrap.dedent(body), "    "))

    def known() -> bool:
        assert f"{dag_id}.py" not in home.import_errors(team), home.import_errors(team)
        return bool(home.rows("SELECT 1 FROM dag WHERE dag_id=:d AND NOT is_stale", d=dag_id))

    wait_for(known)


def start(home: Home, dags: dict[str, str]) -> None:
    """Write these Dags (id → body, the team before the first underscore) and run each once."""
    for dag_id, body in dags.items():
        write(home, dag_id.partition("_")[0], dag_id, body)
    for dag_id in dags:
        home.trigger(dag_id)


def ended(home: Home, dag_id: str, seconds: float = 120) -> dict[str, str | None]:
    def done() -> dict[str, str | None]:
        found = home.states(dag_id)
        return found if found and all(state in ("success", "failed") for state in found.values()) else {}

    return wait_for(done, seconds)


def results(home: Home, dag_id: str, key: str = "return_value") -> dict[str, object]:
    found = home.rows("SELECT task_id, value FROM xcom WHERE dag_id=:d AND key=:k", d=dag_id, k=key)
    return {row.task_id: row.value for row in found}


def deferred(home: Home, dag_id: str, count: int = 1) -> None:
    """Wait until so many of its tasks are, and their triggers run."""

    def runs() -> bool:
        found = home.rows("SELECT task_id FROM task_instance WHERE dag_id=:d AND state='deferred'", d=dag_id)
        return len(found) >= count and all(" starting" in home.task_log(dag_id, row.task_id) for row in found)

    wait_for(runs)


def runners(team: str) -> list[str]:
    """The titles of the runners of teams whose names begin so."""
    titles = [(each.info["cmdline"] or [""])[0] for each in psutil.process_iter(["cmdline"])]
    return [title for title in titles if title.startswith(f"airspace triggers: {team}")]


def process(title: str) -> psutil.Process:
    def find() -> list[psutil.Process]:
        return [each for each in psutil.process_iter(["cmdline"]) if (each.info["cmdline"] or [""])[0] == title]

    return wait_for(find)[0]


def waited_for(home: Home, dag_id: str, task_id: str) -> float:
    """From its deferral to its going on, as its log says."""
    home.await_log(dag_id, task_id, "Pausing task as DEFERRED", "resumed with")
    lines = [json.loads(line) for line in home.task_log(dag_id, task_id).splitlines()]
    at = {line["event"]: datetime.fromisoformat(line["timestamp"].replace("Z", "+00:00")) for line in lines}
    begun = next(time for event, time in at.items() if event.startswith("Pausing task as DEFERRED"))
    resumed = next(time for event, time in at.items() if event.startswith("resumed with"))
    return (resumed - begun).total_seconds()
