"""A running Airflow: teams come, tasks run where they belong, and nothing of one team's disturbs another."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest
from sqlalchemy import text

from tests.integration.runtime.home import FILE_SECONDS, Home, wait_for

pytestmark = pytest.mark.integration

Record = Callable[[str, object], None]

HELLO = """
    import os
    from airflow.sdk import DAG, Variable, task
    with DAG("{team}_hello", schedule="@once", is_paused_upon_creation=False, description=Variable.get("threshold")):
        @task
        def hello():
            from airflow.sdk.bases.hook import BaseHook
            from setproctitle import getproctitle
            print("threshold", Variable.get("threshold"), "host", BaseHook.get_connection("warehouse").host)
            print("title", getproctitle())
            print("environment", sorted(os.environ), os.environ["AIRSPACE_TEAM"], os.environ["AIRSPACE_STORAGE"])
        hello()
"""

SLEEPERS = """
    import os, time
    from airflow.sdk import DAG, task
    with DAG("{team}_sleepers", schedule="@once", is_paused_upon_creation=False):
        @task(pool="wide", retries={retries})
        def sleep(number):
            print("began")
            until = time.monotonic() + {seconds}
            while time.monotonic() < until and not os.path.exists(os.environ["AIRSPACE_STORAGE"] + "/{team}/go"):
                time.sleep(0.1)
        sleep.expand(number=list(range({count})))
"""

ENDLESS = """
    import time  # airflow dag
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass
"""


def finished(running: Home, dag_id: str, count: int = 1, seconds: float = 120) -> dict[str, str | None]:
    """The states of a Dag's tasks, once that many are in a final one."""

    def states() -> dict[str, str | None]:
        found = running.states(dag_id)
        done = {key: state for key, state in found.items() if state in ("success", "failed", "upstream_failed")}
        return found if len(done) >= count else {}

    return wait_for(states, seconds)


def test_a_team_is_onboarded_live(running: Home, record_property: Record) -> None:
    for number, team in enumerate(("first_team", "second_team")):
        started = time.monotonic()
        running.add_team(team, variables={"threshold": f"{number}.5"})
        running.add_connection(team, "warehouse", f"host-of-{team}")
        running.write_dag(team, "hello.py", HELLO.format(team=team))
        states = finished(running, f"{team}_hello")
        record_property(f"onboarding {team}", round(time.monotonic() - started, 2))
        assert states == {"hello": "success"}, running.task_log(f"{team}_hello", "hello")
    running.await_log("second_team_hello", "hello", "threshold 1.5 host host-of-second_team")
    running.await_log("second_team_hello", "hello", "title airspace task: second_team second_team_hello.hello")
    running.await_log("second_team_hello", "hello", f"second_team {running.layout.storage}")
    assert "AIRSPACE_HOME" not in running.task_log("second_team_hello", "hello")
    assert "jwt" not in running.task_log("second_team_hello", "hello").lower()
    ask = "SELECT dag_id, description FROM dag WHERE bundle_name IN ('first_team', 'second_team')"
    descriptions = {row.dag_id: row.description for row in running.rows(ask)}
    assert descriptions == {"first_team_hello": "0.5", "second_team_hello": "1.5"}


def test_an_edit_is_seen_at_once(running: Home, record_property: Record) -> None:
    started = time.monotonic()
    source = HELLO.format(team="first_team").replace('Variable.get("threshold"))', '"edited")')
    running.write_dag("first_team", "hello.py", source)
    wait_for(lambda: running.rows("SELECT 1 FROM dag WHERE dag_id='first_team_hello' AND description='edited'"))
    record_property("edit seen", round(time.monotonic() - started, 2))
    assert time.monotonic() - started < 5


def test_a_changed_helper_is_seen_too(running: Home) -> None:
    running.write_dag("first_team", "texts.py", 'TEXT = "one"\n', ring=False)
    running.write_dag(
        "first_team",
        "helped.py",
        """
        from airflow.sdk import DAG
        from texts import TEXT
        dag = DAG("first_team_helped", schedule=None, description=TEXT)
        """,
    )
    ask = "SELECT 1 FROM dag WHERE dag_id='first_team_helped' AND description=:d"
    wait_for(lambda: running.rows(ask, d="one"))
    running.write_dag("first_team", "texts.py", 'TEXT = "two"\n')
    wait_for(lambda: running.rows(ask, d="two"))


def test_pools_have_short_names_and_slots_are_the_teams(running: Home) -> None:
    running.add_team("slotted", slots=3, pools={"wide": 2})
    running.write_dag("slotted", "sleepers.py", SLEEPERS.format(team="slotted", seconds=4, count=5, retries=0))
    wait_for(lambda: len(running.rows("SELECT 1 FROM task_instance WHERE dag_id='slotted_sleepers'")) == 5)
    # Another team is not kept waiting meanwhile.
    running.add_team("quick", variables={"threshold": "1"})
    running.add_connection("quick", "warehouse", "here")
    running.write_dag("quick", "hello.py", HELLO.format(team="quick"))
    finished(running, "quick_hello")
    # A slot is free when an end is stored, its process gone a moment later. One that has no slot would sleep for four.
    at_work = lambda: [title for title in running.titles() if title.startswith("airspace task: slotted ")]  # noqa: E731
    wait_for(lambda: len(at_work()) <= 2, 3)
    finished(running, "slotted_sleepers", 5)
    rows = running.rows("SELECT pool, state, start_date, end_date FROM task_instance WHERE dag_id='slotted_sleepers'")
    assert {(row.pool, row.state) for row in rows} == {("slotted.wide", "success")}
    at_once = max(sum(a.start_date <= b.start_date < a.end_date for a in rows) for b in rows)
    assert at_once == 2
    (row,) = running.rows("SELECT pool FROM task_instance WHERE dag_id='quick_hello'")
    assert row.pool == "quick"


def test_a_pool_that_the_team_does_not_have_is_an_import_error(running: Home) -> None:
    running.write_dag("quick", "pool.py", SLEEPERS.format(team="quick", seconds=0, count=1, retries=0))
    errors = wait_for(lambda: running.import_errors("quick"))
    assert "'wide'" in errors["pool.py"]
    assert "pools" in errors["pool.py"]


def test_a_stolen_dag_id_stays_its_owners(running: Home) -> None:
    running.write_dag("quick", "thief.py", HELLO.format(team="first_team"))
    errors = wait_for(lambda: "thief.py" in running.import_errors("quick") and running.import_errors("quick"))
    assert "'first_team_hello' is already in use" in errors["thief.py"]
    (row,) = running.rows("SELECT bundle_name, relative_fileloc FROM dag WHERE dag_id='first_team_hello'")
    assert tuple(row) == ("first_team", "hello.py")
    assert not running.import_errors("first_team")


def test_assets_reach_only_whom_their_owner_named(running: Home) -> None:
    """What the Dags themselves say about access is overwritten; a changed consent takes effect live."""
    running.add_team("owner", grants={"profiles": ["friend"]})
    running.add_team("friend")
    running.add_team("stranger")
    for team in ("friend", "stranger"):
        running.write_dag(
            team,
            "hear.py",
            f"""
            from airflow.sdk import DAG, Asset, AssetAccessControl
            said = AssetAccessControl(producer_teams=["owner"])
            with DAG("{team}_hears", schedule=Asset("profiles", access_control=said), is_paused_upon_creation=False):
                pass
            """,
        )
    running.write_dag(
        "owner",
        "produce.py",
        """
        from airflow.sdk import DAG, Asset, AssetAccessControl, task
        said = AssetAccessControl(consumer_teams=["stranger"])
        for number in (1, 2):
            with DAG(f"owner_{number}", schedule="@once", is_paused_upon_creation=number == 2) as dag:
                @task(outlets=[Asset("profiles", access_control=said)])
                def publish():
                    pass
                publish()
            globals()[dag.dag_id] = dag
        """,
        ring=False,
    )
    heard = "SELECT count(*) AS n FROM dag_run WHERE dag_id=:d"
    wait_for(lambda: len(running.rows("SELECT 1 FROM dag WHERE dag_id IN ('friend_hears', 'stranger_hears')")) == 2)
    running.ring("owner")
    assert finished(running, "owner_1") == {"publish": "success"}
    wait_for(lambda: running.rows(heard, d="friend_hears")[0].n == 1)
    running.grant("owner", "profiles", ["stranger"])
    allowed = "SELECT allow_producer_teams AS teams FROM dag_schedule_asset_reference WHERE dag_id=:d"
    wait_for(lambda: running.rows(allowed, d="stranger_hears")[0].teams == ["owner"])
    wait_for(lambda: running.rows(allowed, d="friend_hears")[0].teams == [])
    assert running.rows(heard, d="stranger_hears")[0].n == 0
    with running.engine.begin() as db:
        db.execute(text("UPDATE dag SET is_paused=false WHERE dag_id='owner_2'"))
    assert finished(running, "owner_2") == {"publish": "success"}
    wait_for(lambda: running.rows(heard, d="stranger_hears")[0].n == 1)
    assert running.rows(heard, d="friend_hears")[0].n == 1


def test_a_file_that_takes_for_ever_is_its_teams_error_alone(running: Home, record_property: Record) -> None:
    running.add_team("endless")
    for number in range(6):
        running.write_dag("endless", f"endless{number}.py", ENDLESS)
    running.write_dag("endless", "crash.py", "import os  # airflow dag\nos._exit(3)\n")
    time.sleep(0.5)
    started = time.monotonic()
    running.add_team("patient", variables={"threshold": "1"})
    running.add_connection("patient", "warehouse", "here")
    running.write_dag("patient", "hello.py", HELLO.format(team="patient"))
    assert finished(running, "patient_hello") == {"hello": "success"}
    record_property("beside endless files", round(time.monotonic() - started, 2))
    errors = wait_for(lambda: len(running.import_errors("endless")) == 7 and running.import_errors("endless"), 90)
    # It was read before the first of the others was given up, which would have made room for it.
    given_up = "SELECT min(timestamp) AS at FROM import_error WHERE filename LIKE 'endless%'"
    read = "SELECT last_parsed_time AS at FROM dag WHERE dag_id='patient_hello'"
    assert running.rows(read)[0].at < running.rows(given_up)[0].at
    assert f"longer than {FILE_SECONDS} seconds" in errors["endless0.py"]
    assert "exit code 3" in errors["crash.py"]
    for name in errors:
        (running.layout.bundles / "endless" / name).unlink()
    running.ring("endless")
    wait_for(lambda: not running.import_errors("endless"))


def test_a_file_whose_reading_was_killed_is_read_again_and_its_dag_stays(running: Home) -> None:
    running.add_team("struck")
    dag = "from airflow.sdk import DAG\ndag = DAG('struck_dag', schedule=None, tags=['{}'])\n"
    running.write_dag("struck", "dag.py", dag.format("one"))
    tagged = "SELECT 1 FROM dag_tag t JOIN dag d USING (dag_id) WHERE dag_id='struck_dag' AND name=:n AND NOT is_stale"
    wait_for(lambda: running.rows(tagged, n="one"))
    waits = (
        "import os, time\nwhile not os.path.exists(os.environ['AIRSPACE_STORAGE'] + '/struck/go'): time.sleep(0.05)\n"
    )
    running.write_dag("struck", "dag.py", waits + dag.format("two"))
    task_process("airspace parse: struck dag.py").kill()
    task_process("airspace parse: struck dag.py")  # it is read again
    assert running.rows(tagged, n="one"), "it is still in service"
    assert not running.import_errors("struck")
    (running.layout.storage / "struck" / "go").touch()
    wait_for(lambda: running.rows(tagged, n="two"))
    assert not running.import_errors("struck")
    # One that is killed each time is told.
    running.write_dag("struck", "own.py", "import os, signal  # airflow dag\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert "SIGKILL" in wait_for(lambda: running.import_errors("struck").get("own.py"))


def test_a_broken_registry_entry_stops_nobody_else(running: Home) -> None:
    running.add_team("broken", native=False)  # Airflow knows no such team
    running.add_team("unbroken", variables={"threshold": "1"})
    running.add_connection("unbroken", "warehouse", "here")
    running.write_dag("unbroken", "hello.py", HELLO.format(team="unbroken"))
    assert finished(running, "unbroken_hello") == {"hello": "success"}
    with running.engine.begin() as db:
        db.execute(text("DELETE FROM airspace_team WHERE name='broken'"))


def task_process(title: str) -> psutil.Process:
    """The process whose title begins so."""

    def found() -> psutil.Process | None:
        running = psutil.process_iter(["cmdline"])
        return next((p for p in running if " ".join(p.info["cmdline"] or ()).startswith(title)), None)

    return wait_for(found)


def supervisor_of(running: Home, dag_id: str, map_index: int) -> psutil.Process:
    """The process that supervises a running task; it says so in its title."""

    def find() -> psutil.Process | None:
        asked = "SELECT id FROM task_instance WHERE dag_id=:d AND map_index=:m"
        (row,) = running.rows(asked, d=dag_id, m=map_index)
        for process in psutil.process_iter(["cmdline"]):
            title = " ".join(process.info["cmdline"] or ())
            if title.startswith("airspace supervisor: ") and title.rstrip().endswith(str(row.id)):
                return process
        return None

    return wait_for(find)


def test_a_killed_supervisor_is_a_failed_task(running: Home) -> None:
    running.add_team("unlucky", pools={"wide": 4})
    running.write_dag("unlucky", "sleepers.py", SLEEPERS.format(team="unlucky", seconds=60, count=1, retries=0))
    running.await_log("unlucky_sleepers", "sleep", "began")
    supervisor = supervisor_of(running, "unlucky_sleepers", 0)
    child = task_process("airspace task: unlucky ")
    supervisor.kill()
    assert finished(running, "unlucky_sleepers") == {"sleep[0]": "failed"}
    running.await_log("unlucky_sleepers", "sleep", "the process that supervised it was ended by SIGKILL")
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_task_that_is_marked_failed_is_ended_after_its_on_kill(running: Home) -> None:
    running.add_team("marked")
    running.write_dag(
        "marked",
        "long.py",
        """
        import os, time
        from airflow.sdk import DAG, BaseOperator
        class Long(BaseOperator):
            def execute(self, context):
                print("began", flush=True)
                time.sleep(600)
            def on_kill(self):
                open(os.environ["AIRSPACE_STORAGE"] + "/marked/killed", "w").close()
        with DAG("marked_long", schedule="@once", is_paused_upon_creation=False):
            Long(task_id="long", retries=2)
        """,
    )
    running.await_log("marked_long", "long", "began")
    child = task_process("airspace task: marked ")
    with running.engine.begin() as db:
        db.execute(text("UPDATE task_instance SET state='failed' WHERE dag_id='marked_long'"))
    wait_for((running.layout.storage / "marked" / "killed").exists)
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    wait_for(lambda: not running.rows("SELECT 1 FROM dag_run WHERE dag_id='marked_long' AND state != 'failed'"))
    assert running.states("marked_long") == {"long": "failed"}


def test_a_workload_of_no_team_never_runs(running: Home) -> None:
    running.add_team("orphaned")
    running.write_dag(
        "orphaned",
        "two.py",
        """
        import os, time
        from airflow.sdk import DAG, task
        with DAG("orphaned_two", schedule="@once", is_paused_upon_creation=False):
            @task
            def one():
                while not os.path.exists(os.environ["AIRSPACE_STORAGE"] + "/orphaned/go"):
                    time.sleep(0.1)
            @task
            def two():
                print("never")
            one() >> two()
        """,
    )
    wait_for(lambda: running.states("orphaned_two").get("one") == "running")
    processor = running.processes["dag-processor"]
    os.kill(processor.pid, signal.SIGSTOP)  # it would take the Dag out of service, and the scheduler would not begin
    try:
        with running.engine.begin() as db:
            db.execute(text("DELETE FROM airspace_team WHERE name='orphaned'"))
        time.sleep(4)  # whoever keeps a list of the teams reads it every two seconds
        (running.layout.storage / "orphaned" / "go").touch()
        assert finished(running, "orphaned_two", 2) == {"one": "success", "two": "failed"}
    finally:
        os.kill(processor.pid, signal.SIGCONT)
    running.await_log("orphaned_two", "two", "belongs to no team")
    assert "never" not in running.task_log("orphaned_two", "two")
    # The scheduler writes what executors want in the event log in its next loop.
    told = "SELECT extra FROM log WHERE event='airspace refused' AND dag_id='orphaned_two'"
    (row,) = wait_for(lambda: running.rows(told))
    assert "airspace apply" in row.extra


def test_tasks_outlive_a_killed_scheduler_and_run_once(running: Home) -> None:
    running.add_team("lasting", pools={"wide": 4})
    running.write_dag("lasting", "sleepers.py", SLEEPERS.format(team="lasting", seconds=90, count=2, retries=2))
    wait_for(lambda: list(running.states("lasting_sleepers").values()).count("running") == 2)
    wait_for(lambda: running.task_log("lasting_sleepers", "sleep").count("began") == 2)
    supervisor = supervisor_of(running, "lasting_sleepers", 1)
    scheduler = running.processes.pop("scheduler")
    scheduler.kill()
    scheduler.wait()
    supervisor.kill()  # of the one task; the other's lives on
    running.start("scheduler")
    wait_for(lambda: running.states("lasting_sleepers")["sleep[1]"] == "up_for_retry")
    assert running.states("lasting_sleepers")["sleep[0]"] == "running"
    (running.layout.storage / "lasting" / "go").touch()
    wait_for(lambda: running.states("lasting_sleepers")["sleep[0]"] == "success")
    (row,) = running.rows("SELECT try_number FROM task_instance WHERE dag_id='lasting_sleepers' AND map_index=0")
    assert row.try_number == 1
