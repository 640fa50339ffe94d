"""Triggers in their team's sandbox: everything that defers resumes, and a hostile one harms nobody but its own team."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import datetime

import psutil
import pytest
from sqlalchemy import text

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

    wait_for(known, 30)


def start(home: Home, dags: dict[str, str]) -> None:
    """Write these Dags (id → body, the team before the first underscore) and run each once."""
    for dag_id, body in dags.items():
        write(home, dag_id.partition("_")[0], dag_id, body)
    for dag_id in dags:
        home.trigger(dag_id)


def ended(home: Home, dag_id: str, seconds: float = 60) -> dict[str, str | None]:
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

    wait_for(runs, 30)


def runners(team: str) -> list[str]:
    """The titles of the runners of teams whose names begin so."""
    titles = [(each.info["cmdline"] or [""])[0] for each in psutil.process_iter(["cmdline"])]
    return [title for title in titles if title.startswith(f"airspace triggers: {team}")]


def process(title: str) -> psutil.Process:
    def find() -> list[psutil.Process]:
        return [each for each in psutil.process_iter(["cmdline"]) if (each.info["cmdline"] or [""])[0] == title]

    return wait_for(find, 20)[0]


@pytest.fixture(scope="module")
def teams(running: Home) -> Iterator[Home]:
    """Two teams with triggers of their own, and one triggerer."""
    running.start("triggerer")
    wait_for(lambda: (running.layout.run / bells.TRIGGERS).exists(), 60)
    for team in ("one", "two", "bad1", "bad2", "bad3", "bad4", "bad5", "bad6", "bad7", "gone"):
        running.add_team(team, slots=16, variables={"threshold": f"of-{team}"})
        running.add_connection(team, "warehouse", f"host-of-{team}")
        running.write_dag(team, ".airflowignore", "own_triggers.py", ring=False)
        running.write_dag(team, "own_triggers.py", OWN + CALLED, ring=False)
    yield running
    running.stop("triggerer")


def test_whatever_defers_resumes(teams: Home) -> None:
    (teams.layout.storage / "one" / "there").write_text("x")
    teams.write_dag("one", "child.py", CHILD)
    teams.write_dag("one", "watches.py", WATCHES)
    start(teams, {"one_all": STANDARD})
    states = ended(teams, "one_all", 90)
    failed = {task for task, state in states.items() if state != "success"}
    assert failed == {"bad", "huge"}, [teams.task_log("one_all", task)[-2000:] for task in failed - {"bad", "huge"}]
    assert "as it should" in teams.task_log("one_all", "bad")
    assert "its event takes 3,000,0" in teams.task_log("one_all", "huge")
    assert "waited" in teams.task_log("one_all", "wait")
    said = results(teams, "one_all")
    assert said["wait"] == said["from_trigger"] == "waited"
    assert said["names"] == ["host-of-one", "of-one", "by a trigger", "threshold", "written", "gone"]
    assert results(teams, "one_all", "from_trigger") == {"success": "7"}
    inside = said["environment"]
    assert isinstance(inside, dict)
    assert not [name for name in inside["names"] if "KEY" in name or name in ("AIRSPACE_HOME", "AIRSPACE_RUN")]
    assert "airspace triggers: one" in inside["processes"]
    assert not [title for title in inside["processes"] if "two" in title or "triggerer" in title]

    start(teams, {"one_flag": defers("flag")})
    assert ended(teams, "one_hears") == {"hear": "success"}


def test_a_missed_deadlines_callback_runs_in_its_dags_team(teams: Home) -> None:
    subprocess.run([sys.executable, "-c", MISS, "one_all"], env=teams.env, check=True, capture_output=True)
    ask = "SELECT output FROM callback WHERE state='success' AND type='triggerer'"
    said = wait_for(lambda: teams.rows(ask), 20)
    assert said[0].output == "{one,x,one_all}"


def test_a_deferred_task_resumes_at_once(teams: Home, record_property: Record) -> None:
    start(
        teams,
        {
            "two_warm": defers("for_ever"),
            "two_quick": "".join(defers("wait", {"seconds": 0}, f"w{n}") for n in range(5)),
        },
    )
    assert set(ended(teams, "two_quick").values()) == {"success"}
    waited = [_waited(teams, "two_quick", f"w{number}") for number in range(5)]
    record_property("deferred to resumed, median of 5 at once", round(sorted(waited)[2], 3))
    assert sorted(waited)[2] < 3.0
    # A deferred task that is ended by a person: its trigger is told so.
    with teams.engine.begin() as db:
        db.execute(text("UPDATE task_instance SET state='failed' WHERE dag_id='two_warm'"))
    wait_for((teams.layout.storage / "two" / "killed").exists, 15)
    # A team without triggers has no process for them.
    wait_for(lambda: not runners("two"), 20)


def _waited(home: Home, dag_id: str, task_id: str) -> float:
    """From its deferral to its going on, as its log says."""
    lines = [json.loads(line) for line in home.task_log(dag_id, task_id).splitlines()]
    at = {line["event"]: datetime.fromisoformat(line["timestamp"].replace("Z", "+00:00")) for line in lines}
    begun = next(time for event, time in at.items() if event.startswith("Pausing task as DEFERRED"))
    resumed = next(time for event, time in at.items() if event.startswith("resumed with"))
    return (resumed - begun).total_seconds()


def test_a_trigger_is_told_of_nobody_elses_things(teams: Home) -> None:
    start(teams, {"two_secret": defers("wait")})
    ended(teams, "two_secret")
    (run,) = teams.rows("SELECT run_id FROM dag_run WHERE dag_id='two_secret'")
    (ti,) = teams.rows("SELECT id FROM task_instance WHERE dag_id='two_secret'")
    dag = {"dag_id": "two_secret"}
    place = {**dag, "run_id": run.run_id, "task_id": "wait", "key": "return_value"}
    asked = [
        ("GetConnection", {"conn_id": "two.warehouse"}), ("GetVariable", {"key": "two.threshold"}),
        ("PutVariable", {"key": "two.threshold", "value": "x", "description": None}),
        ("GetXCom", place), ("SetXCom", {**place, "value": 1}), ("DeleteXCom", place),
        ("GetDagRunState", {**dag, "run_id": run.run_id}), ("GetDRCount", dag), ("GetTICount", dag),
        ("GetTaskStates", dag), ("GetPreviousTI", {**dag, "task_id": "wait"}),
        ("GetHITLDetailResponse", {"ti_id": str(ti.id)}),
        ("UpdateHITLDetail", {"ti_id": str(ti.id), "chosen_options": ["x"], "params_input": {}}),
        ("GetAssetStateStoreByName", {"name": "two_asset", "key": "x"}),
        ("SetAssetStateStoreByUri", {"uri": "two_asset", "key": "x", "value": 1}),
        ("MaskSecret", {"value": "airflow"}),
    ]  # fmt: skip
    start(teams, {"one_told": defers("told", {"messages": asked}), "two_told": defers("told", {"messages": asked})})
    assert ended(teams, "one_told") == ended(teams, "two_told") == {"told": "success"}
    told, theirs = (results(teams, dag_id)["told"] for dag_id in ("one_told", "two_told"))
    assert isinstance(told, list)
    assert isinstance(theirs, list)
    for (kind, _), answer, positive in zip(asked, told, theirs, strict=True):
        if kind in ("GetConnection", "GetVariable"):
            assert "NOT_FOUND" in answer, (kind, answer)
            assert "of-two" in positive, (kind, positive)
        elif kind == "PutVariable":  # a variable of its own, by that name
            assert teams.rows("SELECT team_name FROM variable WHERE key='one.two.threshold'")[0].team_name == "one"
        elif kind != "MaskSecret":
            assert "PERMISSION_DENIED" in answer, (kind, answer)
            asset = "Asset" in kind or "HITL" in kind  # there is none
            assert asset or "PERMISSION_DENIED" not in positive, (kind, positive)
    assert "Team one has no Dag 'two_secret', and this trigger is of team one" in told[3]


def test_a_runner_speaks_for_its_own_triggers_only(teams: Home) -> None:
    start(teams, {"two_held": defers("for_ever")})
    deferred(teams, "two_held")
    (held,) = teams.rows("SELECT trigger_id AS id FROM task_instance WHERE dag_id='two_held'")
    start(teams, {"one_forger": defers("forges", {"others": [held.id, "x", -1]})})
    ended(teams, "one_forger")
    start(teams, {"one_forger2": defers("forges", {"others": [held.id]})})
    assert ended(teams, "one_forger2") == {"forges": "success"}
    assert teams.states("two_held") == {"for_ever": "deferred"}
    assert "forged" not in teams.task_log("two_held", "for_ever")


# What a hostile trigger does, and what its task's log then says of it.
HOSTILE = {
    "bad1": (defers("raw", {"bytes": "00000005c1c1c1c1c1"}), "no message of Airflow's"),
    "bad2": (defers("raw", {"bytes": "40000000" + "00" * 100}), "may take 8: hand on"),
    "bad3": (defers("blocks"), "it said nothing for 5 s"),
    "bad4": (defers("dies"), "exit code 3"),
    "bad5": (defers("bombs"), "it said nothing for|ended by SIG"),
    "bad6": (defers("chatters"), "logged too much"),
    "bad7": (defers("asks"), ""),
}


def test_a_hostile_trigger_ends_alone_and_delays_nobody(teams: Home, record_property: Record) -> None:
    triggerer = psutil.Process(teams.processes["triggerer"].pid)
    before = triggerer.memory_info().rss
    start(teams, {f"{team}_x": body for team, (body, _) in HOSTILE.items()})
    start(teams, {"two_beside": "".join(defers("wait", {"seconds": 3}, f"w{n}") for n in range(3))})
    assert set(ended(teams, "two_beside").values()) == {"success"}
    waited = sorted(_waited(teams, "two_beside", f"w{number}") for number in range(3))
    record_property("a trigger of 3 s beside seven hostile ones", round(waited[1], 2))
    assert waited[1] < 8.0
    for team, (_, reason) in HOSTILE.items():
        ((_, task_id),) = teams.rows("SELECT 1, task_id FROM task_instance WHERE dag_id=:d", d=f"{team}_x")
        wait_for(lambda d=f"{team}_x", t=task_id, r=reason: re.search(r, teams.task_log(d, t)), 40)  # type: ignore[misc]
    # One that falls again and again fails, and says why.
    assert ended(teams, "bad4_x") == {"dies": "failed"}
    assert "That was so 5 times, so the trigger fails" in teams.task_log("bad4_x", "dies")
    assert teams.processes["triggerer"].poll() is None
    grown = (triggerer.memory_info().rss - before) / 1024**2
    record_property("triggerer grew by MB", round(grown))
    assert grown < 150
    with teams.engine.begin() as db:
        db.execute(text("UPDATE task_instance SET state='failed' WHERE dag_id LIKE 'bad%'"))
    wait_for(lambda: not runners("bad"), 60)


def test_a_trigger_of_no_team_never_runs(teams: Home) -> None:
    start(teams, {"gone_x": defers("for_ever")})
    deferred(teams, "gone_x")
    with teams.engine.begin() as db:
        db.execute(text("DELETE FROM dag_bundle_team WHERE team_name='gone'"))
    assert ended(teams, "gone_x") == {"for_ever": "failed"}


def test_whatever_is_killed_every_deferred_task_ends_in_its_true_state(teams: Home) -> None:
    body = "".join(defers("file", None, f"w{n}") for n in range(4)) + defers("bad")
    storm = ("one", "two", "bad1")
    dags = [f"{team}_storm" for team in storm]
    start(teams, dict.fromkeys(dags, body))
    for dag_id in dags:
        deferred(teams, dag_id, 4)
    process("airspace triggers: one").kill()
    process("airspace zygote: two").kill()
    old = teams.processes["triggerer"]
    old.send_signal(signal.SIGKILL)
    old.wait()
    wait_for(lambda: not any(runners(team) for team in storm), 10)
    teams.start("triggerer")
    for team in storm:
        process(f"airspace triggers: {team}")
    spawner = teams.processes["spawner"]
    spawner.send_signal(signal.SIGKILL)
    spawner.wait()
    teams.start("spawner")
    for team in storm:
        (teams.layout.storage / team / "go").touch()
    for dag_id in dags:
        states = ended(teams, dag_id, 90)
        assert states == {**{f"w{number}": "success" for number in range(4)}, "bad": "failed"}
        lines = [teams.task_log(dag_id, f"w{number}").count("resumed with") for number in range(4)]
        assert lines == [1] * 4
    wait_for(
        lambda: not teams.rows("SELECT id FROM trigger WHERE id NOT IN (SELECT trigger_id FROM asset_watcher)"), 20
    )


def test_no_process_outside_of_sandboxes_ever_ran_a_file_of_a_teams(teams: Home) -> None:
    started, ran = teams.watched()
    assert started >= {"api-server", "scheduler", "dag-processor", "triggerer", "sandbox"}
    assert ran == ""
    # The control: it would be seen.
    file = teams.layout.bundles / "one" / "own_triggers.py"
    subprocess.run([sys.executable, str(file)], env=teams.env, check=True, capture_output=True)
    assert str(file) in teams.watched()[1]
