"""A team that means harm, beside one that does not notice: parsing, names, assets, and the scheduler's fairness."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable

import psutil
import pytest
from sqlalchemy import text

from tests.integration.runtime.home import Home, wait_for

pytestmark = pytest.mark.integration

Record = Callable[[str, object], None]

# What a hostile file does with its way to the Dag processor. Each is a file of its own.
WIRE = {
    "huge": ("link.sendall((2**30).to_bytes(4, 'big') + b'x' * 1000)", "takes 1024 MB"),
    "garbage": ("link.sendall((5).to_bytes(4, 'big') + b'\\xc1\\xc1\\xc1\\xc1\\xc1')", "no message of Airflow's"),
    "deep": ("link.sendall((50_000).to_bytes(4, 'big') + b'\\x91' * 50_000)", "no message of Airflow's"),
    "wide": ("link.sendall((900_000).to_bytes(4, 'big') + b'\\x90' * 900_000)", "lists and mappings"),
    "deaf": (
        "ask = comms._RequestFrame(id=1, body={'type': 'GetVariable', 'key': 'k'}).as_bytes()\n"
        "for _ in range(1500):\n    link.sendall(ask)",
        "more than 1000 things|longer than 8 seconds",
    ),
    "loud": ("print('x' * 6_000_000)", "printed too much|longer than 8 seconds"),
    "logs": (
        "for descriptor in range(3, 100):\n"
        "    with contextlib.suppress(OSError):\n        os.write(descriptor, b'[1]\\n{\"level\": []}\\n')",
        "no message of Airflow's|takes 1459 MB",  # whichever of its streams is read first: "[1]" is a length, too
    ),
}
HOSTILE = """
import contextlib, os, time  # airflow dag
from airflow.sdk.execution_time import comms, task_runner
link = task_runner.SUPERVISOR_COMMS.socket
{act}
time.sleep(3)
"""

FORGED = """
import airflow  # dag
from airflow.dag_processing.processor import DagFileParsingResult
from airflow.sdk.execution_time import task_runner
from airflow.serialization.serialized_objects import LazyDeserializedDAG

task = {{"task_id": "t", "task_type": "X", "_task_module": "x", "template_fields": [], "ui_color": "#fff"}}
dag = {{
    "dag_id": "{dag_id}", "fileloc": "{home}/airflow/airflow.cfg", "relative_fileloc": "../../airflow/airflow.cfg",
    "tasks": [{{"__type": "operator", "__var": task}}],
    "timetable": {{"__type": "airflow.timetables.simple.NullTimetable", "__var": {{}}}}, "timezone": "UTC",
    **{more},
}}
result = DagFileParsingResult(
    fileloc="/x", serialized_dags=[LazyDeserializedDAG(data={{"__version": 3, "dag": dag}})],
    import_errors={{"good.py": "told about another file"}},
    warnings=[{{"dag_id": "peaceful", "warning_type": "x", "message": "y"}}],
)
task_runner.SUPERVISOR_COMMS.send(result)
import os
os._exit(0)
"""

PEACEFUL = """
    from airflow.sdk import DAG, task
    with DAG("{dag_id}", schedule="@once", is_paused_upon_creation=False, tags=["{tag}"]):
        @task
        def work():
            print("worked")
        work()
"""


@pytest.fixture(scope="module")
def two(running: Home) -> Home:
    """A hostile team and a peaceful one."""
    running.add_team("hostile", slots=4, pools={"own": 1})
    running.add_team("peace", slots=4, pools={"theirs": 2})
    running.write_dag("peace", "good.py", PEACEFUL.format(dag_id="peaceful", tag="first"))
    wait_for(lambda: running.states("peaceful") == {"work": "success"}, 60)
    return running


def error_of(home: Home, team: str, file: str) -> str:
    return wait_for(lambda: home.import_errors(team).get(file, ""))


def known(home: Home, dag_id: str) -> None:
    wait_for(lambda: home.rows("SELECT 1 FROM dag WHERE dag_id=:d AND NOT is_stale", d=dag_id))


def _niceness(title: str) -> list[int]:
    """How nice the processes with such a title are."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "".join(process.cmdline()[:1]).startswith(title):
                found.append(process.nice())
    return sorted(found)


def clear(home: Home, team: str) -> None:
    """Take the team's files away."""
    for file in (home.layout.bundles / team).glob("*.py"):
        file.unlink()
    home.ring(team)


def test_whatever_comes_up_from_parsing_ends_its_file_alone(two: Home, record_property: Record) -> None:
    processor = psutil.Process(two.processes["dag-processor"].pid)
    before = processor.memory_info().rss
    for name, (act, _) in WIRE.items():
        two.write_dag("hostile", f"{name}.py", HOSTILE.format(act=act), ring=False)
    two.ring("hostile")
    began = time.monotonic()
    two.write_dag("peace", "good.py", PEACEFUL.format(dag_id="peaceful", tag="second"))
    wait_for(lambda: two.rows("SELECT 1 FROM dag_tag WHERE dag_id='peaceful' AND name='second'"))
    record_property("edit seen beside hostile files", round(time.monotonic() - began, 2))
    for name, (_, why) in WIRE.items():
        assert re.search(why, error_of(two, "hostile", f"{name}.py")), name
    assert two.processes["dag-processor"].poll() is None
    grown = (processor.memory_info().rss - before) / 1024**2
    record_property("Dag processor grew by MB", round(grown))
    assert grown < 150
    clear(two, "hostile")


def test_a_forged_result_never_reaches_the_database(two: Home) -> None:
    forged = {
        "class_path": '{"timetable": {"__type": "subprocess.Popen", "__var": {}}}',
        "method": '{"task_dict": {}}',
        "connection": '{"default_args": {"__type": "connection", "__var": {}}}',
        "unloadable": '{"timetable": {"__type": "airflow.timetables.interval.CronDataIntervalTimetable", "__var": {}}}',
    }
    for name, more in forged.items():
        source = FORGED.format(dag_id=f"forged_{name}", home=two.layout.root, more=more)
        two.write_dag("hostile", f"{name}.py", source, ring=False)
    good = FORGED.format(dag_id="forged_good", home=two.layout.root, more="{}")
    two.write_dag("hostile", "control.py", good)
    for name, rule in zip(forged, ("schedule-class", "unknown-field", "object", "not-loadable"), strict=True):
        assert f"[{rule}]" in error_of(two, "hostile", f"{name}.py"), name
    known_as = wait_for(lambda: two.rows("SELECT fileloc, relative_fileloc FROM dag WHERE dag_id='forged_good'"))
    assert tuple(known_as[0]) == (str(two.layout.bundles / "hostile" / "control.py"), "control.py")
    stored = {row.dag_id for row in two.rows("SELECT dag_id FROM serialized_dag WHERE dag_id LIKE 'forged%'")}
    assert stored == {"forged_good"}
    assert not two.import_errors("peace")
    assert not two.rows("SELECT 1 FROM dag_warning WHERE dag_id='peaceful'")
    clear(two, "hostile")


def test_a_file_may_ask_for_its_own_secrets_and_for_nothing_else(two: Home) -> None:
    for name, call in {
        "states": "GetTaskStates(dag_id='peaceful')",
        "xcom": "GetXCom(key='return_value', dag_id='peaceful', run_id='x', task_id='work')",
    }.items():
        two.write_dag(
            "hostile",
            f"{name}.py",
            f"""
            from airflow.sdk.execution_time import task_runner  # dag
            from airflow.sdk.execution_time.comms import GetTaskStates, GetXCom
            raise RuntimeError(f"answer: {{task_runner.SUPERVISOR_COMMS.send({call})}}")
            """,
        )
        assert "not available while a Dag file is read" in error_of(two, "hostile", f"{name}.py"), name
    clear(two, "hostile")


def test_no_setting_leaves_the_team_and_its_author_is_told(two: Home) -> None:
    source = """
        from airflow.sdk import DAG, task
        with DAG("{name}", schedule="@once", is_paused_upon_creation=False):
            @task({setting})
            def work():
                print("worked")
            work()
    """
    refused = {
        "executor": ("executor='LocalExecutor'", "executor"),
        "queue": ("queue='kubernetes'", "queue"),
        "pool": ("pool='peace'", "pool"),
        "pool_by_its_long_name": ("pool='peace.theirs'", "pool"),
        "pool_of_all": ("pool='no_such'", "pool"),
        "slots": ("pool='own', pool_slots=2", "pool-slots"),
        "user": ("run_as_user='root'", "run-as-user"),
    }
    for name, (setting, _) in refused.items():
        two.write_dag("hostile", f"{name}.py", source.format(name=f"hostile_{name}", setting=setting), ring=False)
    two.write_dag("hostile", "greedy.py", source.format(name="hostile_greedy", setting="priority_weight=10**6"))
    for name, (_, rule) in refused.items():
        # Airflow itself looks at the executor, in the process that an author can bend.
        assert re.search(rf"\[{rule}\]|not available for team", error_of(two, "hostile", f"{name}.py")), name
    wait_for(lambda: two.states("hostile_greedy") == {"work": "success"})
    ask = "SELECT pool, priority_weight, executor, queue FROM task_instance WHERE dag_id='hostile_greedy'"
    assert tuple(two.rows(ask)[0]) == ("hostile", 100, None, "default")
    clear(two, "hostile")


def test_a_thief_of_names_loses_that_dag_alone(two: Home) -> None:
    """One file, three Dags: another team's id, a deadline that asks for another place, and a good one."""
    two.write_dag(
        "hostile",
        "three.py",
        """
        from datetime import timedelta
        from airflow.sdk import DAG, DeadlineAlert, DeadlineReference, SyncCallback, task
        def called(**context):
            pass
        away = SyncCallback(called, executor="LocalExecutor")
        late = DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, timedelta(seconds=1), away)
        for dag_id, deadline in (("peaceful", None), ("hostile_late", late), ("hostile_good", None)):
            with DAG(dag_id, schedule="@once", is_paused_upon_creation=False, deadline=deadline) as dag:
                @task
                def work():
                    print("worked")
                work()
            globals()[dag_id] = dag
        """,
    )
    error = error_of(two, "hostile", "three.py")
    assert "The Dag id 'peaceful' is already in use" in error
    assert "[deadline]" in error
    wait_for(lambda: two.states("hostile_good") == {"work": "success"})
    (row,) = two.rows("SELECT bundle_name, is_stale FROM dag WHERE dag_id='peaceful'")
    assert tuple(row) == ("peace", False)
    assert not two.rows("SELECT 1 FROM dag WHERE dag_id='hostile_late'")
    clear(two, "hostile")


def test_nobody_locks_another_out_by_naming_their_asset(two: Home) -> None:
    use = """
        from airflow.sdk import DAG, Asset, task
        with DAG("{dag_id}", schedule={schedule}, is_paused_upon_creation=False):
            @task(outlets={outlets})
            def work():
                pass
            work()
    """
    # Before the owner has produced anything, somebody makes its name known, with a URI of their own.
    squat = use.format(dag_id="hostile_squats", schedule='Asset("gold", uri="s3://mine/gold")', outlets=[])
    two.write_dag("hostile", "squat.py", squat)
    known(two, "hostile_squats")
    two.grant("peace", "gold", ["hostile"])  # the owner's file names it
    gold = 'Asset("gold", uri="s3://peace/gold", extra={"true": 1})'
    two.write_dag("peace", "gold.py", use.format(dag_id="peace_gold", schedule='"@once"', outlets=f"[{gold}]"))
    wait_for(lambda: two.states("peace_gold") == {"work": "success"})
    active = [tuple(row) for row in two.rows("SELECT name, uri FROM asset_active WHERE name='gold'")]
    assert active == [("gold", "s3://peace/gold")]
    # What squats is read again, which its consent may have had done too early.
    two.write_dag("hostile", "squat.py", squat + "    # again\n", ring=False)
    # Now that it is there: neither its name nor its URI can be produced, renamed or described by another team.
    steal = use.format(dag_id="hostile_steals", schedule=None, outlets=f"[{gold}]")
    two.write_dag("hostile", "steal.py", steal, ring=False)
    alias = use.format(dag_id="hostile_alias", schedule='Asset("silver", uri="s3://peace/gold")', outlets=[])
    two.write_dag("hostile", "alias.py", alias, ring=False)
    lie = use.format(dag_id="hostile_lies", schedule=gold.replace("1", "0"), outlets=[])
    two.write_dag("hostile", "lie.py", lie)
    assert "[asset-owner]" in error_of(two, "hostile", "steal.py")
    assert "[asset-uri]" in error_of(two, "hostile", "alias.py")
    assert "[asset-uri]" in error_of(two, "hostile", "squat.py")
    known(two, "hostile_lies")
    (row,) = two.rows("SELECT extra FROM asset WHERE name='gold' AND uri='s3://peace/gold'")
    assert row.extra == {"true": 1}
    assert not two.import_errors("peace")
    clear(two, "hostile")


def test_a_thousand_slow_files_delay_nobody(two: Home, record_property: Record) -> None:
    for number in range(1000):
        two.write_dag("hostile", f"slow{number}.py", "import time  # airflow dag\ntime.sleep(2)\n", ring=False)
    two.ring("hostile")
    busy = "airspace parse: hostile slow"
    wait_for(lambda: any(title.startswith(busy) for title in two.titles()), 60)
    began = time.monotonic()
    two.write_dag("peace", "good.py", PEACEFUL.format(dag_id="peaceful", tag="third"))
    wait_for(lambda: two.rows("SELECT 1 FROM dag_tag WHERE dag_id='peaceful' AND name='third'"))
    seconds = time.monotonic() - began
    record_property("edit seen beside 1,000 slow files", round(seconds, 2))
    assert seconds < 20  # all of them take minutes
    assert sum(title.startswith(busy) for title in two.titles()) <= 3
    clear(two, "hostile")
    wait_for(lambda: not any(title.startswith(busy) for title in two.titles()))


def test_a_large_run_has_a_lane_of_its_own(two: Home) -> None:
    two.write_dag(
        "hostile",
        "large.py",
        """
        from airflow.providers.standard.operators.empty import EmptyOperator
        from airflow.sdk import DAG, task
        with DAG("hostile_large", schedule="@once", is_paused_upon_creation=False):
            @task
            def first():
                pass
            first() >> [EmptyOperator(task_id=f"empty_{number}") for number in range(400)]
        """,
    )
    lane = "airspace scheduler: large runs"
    wait_for(lambda: any(title.startswith(lane) for title in two.titles()))
    state = "SELECT 1 FROM dag_run WHERE dag_id='hostile_large' AND state='success'"
    wait_for(lambda: two.rows(state), 60)
    clear(two, "hostile")


def test_what_is_multiplied_beyond_all_bounds_fails_at_once(two: Home) -> None:
    two.write_dag(
        "hostile",
        "product.py",
        """
        from airflow.sdk import DAG, task
        with DAG("hostile_product", schedule="@once", is_paused_upon_creation=False):
            @task
            def many():
                return list(range(900))
            @task
            def work(a, b):
                pass
            work.expand(a=many(), b=many.override(task_id="as_many")())
        """,
    )
    wait_for(lambda: two.states("hostile_product").get("work") == "failed", 60)
    (row,) = two.rows("SELECT extra FROM log WHERE event='airspace refused' AND task_id='work'")
    assert "mapped over more than 1024 values" in row.extra
    (count,) = two.rows("SELECT count(*) AS n FROM task_instance WHERE dag_id='hostile_product'")
    assert count.n == 3
    clear(two, "hostile")


def test_a_task_that_does_not_listen_is_ended_by_its_supervisor(two: Home, record_property: Record) -> None:
    """And one that listens slowly to a large answer is not."""
    for key, value in (("large", "x" * 3_000_000), ("some", "x" * 200_000)):
        two.add_variable("hostile", key, value)
    two.write_dag(
        "hostile",
        "deaf.py",
        """
        import time
        from airflow.sdk import DAG, task
        from airflow.sdk.execution_time import comms, task_runner
        def deaf(**body):
            ask = comms._RequestFrame(id=1, body=body).as_bytes()
            while True:
                task_runner.SUPERVISOR_COMMS.socket.sendall(ask)
        with DAG("hostile_deaf", schedule="@once", is_paused_upon_creation=False):
            @task
            def asks():
                deaf(type="GetVariable", key="some")
            @task
            def logs():
                deaf(type="ResendLoggingFD")
            @task
            def slow():
                link = task_runner.SUPERVISOR_COMMS.socket
                link.sendall(comms._RequestFrame(id=1, body={"type": "GetVariable", "key": "large"}).as_bytes())
                time.sleep(2)
                assert len(task_runner.SUPERVISOR_COMMS._read_frame().body["value"]) == 3_000_000
            asks(), logs(), slow()
        """,
    )
    began = time.monotonic()
    wait_for(lambda: two.states("hostile_deaf") == {"asks": "failed", "logs": "failed", "slow": "success"})
    record_property("a task that does not listen is ended after", round(time.monotonic() - began, 1))
    two.await_log("hostile_deaf", "asks", "does not read the answers")
    two.await_log("hostile_deaf", "logs", "more streams for its log")
    clear(two, "hostile")


def test_a_backlog_of_the_highest_priority_holds_up_its_own_team_only(two: Home, record_property: Record) -> None:
    two.write_dag(
        "hostile",
        "backlog.py",
        """
        import os, time
        from airflow.sdk import DAG, task
        with DAG("hostile_backlog", schedule="@once", is_paused_upon_creation=False, max_active_tasks=256):
            @task(priority_weight=10**6)
            def work(number):
                until = time.monotonic() + 120
                while time.monotonic() < until and not os.path.exists(os.environ["AIRSPACE_STORAGE"] + "/hostile/go"):
                    time.sleep(0.2)
            work.expand(number=list(range(1000)))
        """,
    )
    count = "SELECT count(*) AS n FROM task_instance WHERE dag_id='hostile_backlog' AND state=:state"
    wait_for(lambda: two.rows(count, state="running")[0].n == 4, 60)
    # Those that are many step back for others.
    usual = os.nice(0)  # of everything here
    wait_for(lambda: _niceness("airspace task: hostile hostile_backlog") == [min(19, usual + n) for n in range(4)])
    began = time.monotonic()
    two.write_dag("peace", "beside.py", PEACEFUL.format(dag_id="peace_beside", tag="beside"))
    wait_for(lambda: two.states("peace_beside") == {"work": "success"})
    record_property("a run beside 1,000 waiting tasks", round(time.monotonic() - began, 2))
    assert two.rows(count, state="running")[0].n <= 4, "its slots, whatever it says"
    assert two.rows(count, state="success")[0].n < 100, "it is still at it"
    clear(two, "hostile")
    with two.engine.begin() as db:  # what waits would be begun all the same, and is no load for the tests after this
        db.execute(text("UPDATE dag SET is_paused = true WHERE dag_id = 'hostile_backlog'"))
    (two.layout.storage / "hostile" / "go").touch()
    at_work = "SELECT 1 FROM task_instance WHERE dag_id = 'hostile_backlog' AND state IN ('queued', 'running')"
    wait_for(lambda: not two.rows(at_work), 90)
