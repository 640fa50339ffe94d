"""Callbacks, e-mails and deadlines: each runs in its team's sandbox, tells its author, and is not lost."""

from __future__ import annotations

import email
import json
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from tests.integration.runtime.home import FILE_SECONDS, Home, wait_for

pytestmark = pytest.mark.integration

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def calling(running: Home) -> Home:
    """Two teams with callbacks, each with a folder that its sandbox may write to."""
    for team in ("caller", "neighbour"):
        running.add_team(team, slots=4, variables={"threshold": f"{team}'s"})
        running.add_connection(team, "warehouse", f"host-of-{team}")
    return running


def place(home: Home, team: str) -> Path:
    """Where the team's callbacks leave what they saw."""
    return home.layout.storage / team / "published"


def seen(home: Home, team: str, name: str, seconds: float = 150) -> str:
    file = place(home, team) / name
    return wait_for(lambda: file.read_text() if file.exists() else "", seconds)


def told(home: Home, dag_id: str, event: str = "airspace callback failed") -> str:
    ask = "SELECT extra FROM log WHERE event=:e AND dag_id=:d ORDER BY id DESC"
    return str(wait_for(lambda: home.rows(ask, e=event, d=dag_id), 150)[0].extra)


def ask_for(home: Home, bundle: str, request: dict[str, object] | None) -> None:
    """A request as the scheduler writes it; nothing for a row that nobody can read."""
    kind = "DagCallbackRequest"
    asked = {"req_class": kind, "req_data": json.dumps({"type": kind, "bundle_version": None, **(request or {})})}
    data = {"__type": "dict", "__var": asked} if request else asked
    with home.engine.begin() as db:
        db.execute(
            text(
                "INSERT INTO callback (id, type, fetch_method, data, bundle_name, priority_weight, created_at)"
                " VALUES (:i, 'dag_processor', 'dag_attribute', :d, :b, 1, now())"
            ),
            {"i": uuid.uuid4(), "d": json.dumps(data), "b": bundle},
        )


REFUSED = "network: {host} is not on the list of team caller"
DAG = """
    import json, os, socket, sys
    from pathlib import Path
    from airflow.sdk import DAG, Variable, task
    from airflow.sdk.bases.hook import BaseHook
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetTaskStates, GetTICount, GetXCom

    PLACE = Path("{place}")

    def told(call):
        try:
            return str(call())
        except Exception as error:
            return f"{{type(error).__name__}}: {{getattr(error, 'error', error)}}"

    def of_the_dag(context):
        Variable.set("written", context["run_id"])
        Variable.set("doomed", "x")
        Variable.delete("doomed")
        send = task_runner.SUPERVISOR_COMMS.send
        xcom = dict(run_id=context["run_id"], task_id="work", key="return_value")
        found = {{
            "environment": dict(os.environ), "reason": context["reason"], "pids": os.listdir("/proc"),
            "variable": Variable.get("threshold"), "host": BaseHook.get_connection("warehouse").host,
            "keys": sorted(Variable.keys()), "xcom": told(lambda: send(GetXCom(dag_id="{team}_fails", **xcom)).value),
            "states": told(lambda: send(GetTaskStates(dag_id="{team}_fails"))),
            "other_variable": told(lambda: Variable.get("neighbour.threshold")),
            "other_write": told(lambda: Variable.set("neighbour.threshold", "x")),
            "other_host": told(lambda: BaseHook.get_connection("neighbour.warehouse").host),
            "other_count": told(lambda: send(GetTICount(dag_id="neighbour_dag"))),
            "other_xcom": told(lambda: send(GetXCom(dag_id="neighbour_dag", **xcom))),
            "unlisted": told(lambda: socket.gethostbyname("in-a-callback.example")),
        }}
        print("printed by the callback")
        (PLACE / "dag.part").write_text(json.dumps(found))
        (PLACE / "dag.part").rename(PLACE / "dag")

    with DAG("{team}_fails", schedule="@once", is_paused_upon_creation=False, on_failure_callback=of_the_dag):
        @task
        def work():
            return "a value"
        @task
        def fail():
            raise ValueError
        work() >> fail()
"""

OTHERS = """
    from airflow.sdk import DAG, task
    with DAG("neighbour_dag", schedule=None):
        @task
        def work():
            return "theirs"
        work()
"""


def test_a_dags_callback_runs_in_its_sandbox_and_asks_for_its_own_alone(calling: Home) -> None:
    calling.write_dag("neighbour", "theirs.py", OTHERS)
    wait_for(lambda: calling.rows("SELECT 1 FROM dag WHERE dag_id='neighbour_dag'"))
    calling.write_dag("caller", "fails.py", DAG.format(place=place(calling, "caller"), team="caller"))
    found = json.loads(seen(calling, "caller", "dag", 150))  # the first task of this folder
    assert found["reason"] == "task_failure"
    assert (found["variable"], found["host"], found["xcom"]) == ("caller's", "host-of-caller", "a value")
    assert found["keys"] == ["threshold", "written"]
    assert "fail" in found["states"]
    for name in ("other_variable", "other_host", "other_count", "other_xcom"):
        assert "Error" in found[name] or "Exception" in found[name], name
        assert "theirs" not in found[name], name
    assert found["environment"]["AIRSPACE_TEAM"] == "caller"
    assert not {"AIRSPACE_HOME", "AIRSPACE_RUN"} & set(found["environment"])
    assert "postgres" not in json.dumps(found["environment"])
    assert len([name for name in found["pids"] if name.isdecimal()]) < 10
    rows = {row.key: row.val for row in calling.rows("SELECT key, val FROM variable WHERE key LIKE '%.%'")}
    assert rows["neighbour.threshold"] == "neighbour's"
    assert "caller.written" in rows
    # What "neighbour.threshold" means to this team is a variable of its own.
    assert "caller.neighbour.threshold" in rows
    # Its words are in the log of the run's last task.
    calling.await_log("caller_fails", "fail", "printed by the callback", REFUSED.format(host="in-a-callback.example"))
    wait_for(lambda: not calling.rows("SELECT 1 FROM callback WHERE bundle_name='caller'"))


# A task that runs a mail server for its team, two whose supervisors are killed, of which one has a try left, and one
# that is tried again and then skips itself.
MAIL = """
    import socketserver, threading, time
    from datetime import timedelta
    from functools import partial
    from pathlib import Path
    from airflow.sdk import DAG, task
    from airflow.sdk.exceptions import AirflowSkipException

    PLACE = Path("{place}")

    class Mail(socketserver.StreamRequestHandler):
        def handle(self):
            said, text = [], None
            self.wfile.write(b"220 here\\r\\n")
            while line := self.rfile.readline().decode():
                said.append(line)
                if text is not None and line == ".\\r\\n":
                    text = None
                    (to,) = [each for each in said if each.upper().startswith("RCPT")]
                    (PLACE / "part").write_text("".join(said))
                    (PLACE / "part").rename(PLACE / ("mail-" + to.partition("<")[2].partition("@")[0]))
                    self.wfile.write(b"250 taken\\r\\n")
                elif text is not None:
                    continue
                elif line.upper().startswith("DATA"):
                    text = ""
                    self.wfile.write(b"354 go on\\r\\n")
                elif line.upper().startswith("QUIT"):
                    return self.wfile.write(b"221 bye\\r\\n")
                else:
                    self.wfile.write(b"250 fine\\r\\n")

    def of_the_task(context, kind):
        ti = context["task_instance"]
        with open("/proc/self/cmdline") as title, (PLACE / ti.task_id).open("a") as file:
            words = " ".join(title.read().split(chr(0))[0].split()[:3])
            file.write(f"{{kind}} {{ti.try_number}} {{context['run_id'][:9]}} {{words}}" + chr(10))

    kinds = ("execute", "retry", "skipped", "failure")
    on = {{f"on_{{kind}}_callback": partial(of_the_task, kind=kind) for kind in kinds}}
    died = {{name: each for name, each in on.items() if "execute" not in name}}
    mailed = {{"email_on_failure": True, "email_on_retry": True}}

    with DAG("caller_mails", schedule="@once", is_paused_upon_creation=False):
        @task(sla=timedelta(seconds=1))  # which Airflow 3 has no more, and says so
        def serve():
            with socketserver.TCPServer(("127.0.0.1", 2525), Mail) as server:
                threading.Thread(target=server.serve_forever, daemon=True).start()
                (PLACE / "serving").touch()
                until = time.monotonic() + 200
                while time.monotonic() < until and len(list(PLACE.glob("mail-*"))) < 2:
                    time.sleep(0.1)

        @task(email="who@cares.example", **mailed, **died)
        def dies():
            (PLACE / "dying").touch()
            time.sleep(200)

        @task(email="later@cares.example", retries=1, retry_delay=timedelta(hours=1), **mailed, **died)
        def falls():
            (PLACE / "falling").touch()
            time.sleep(200)

        @task(retries=1, retry_delay=timedelta(0), **on)
        def again(ti=None):
            if ti.try_number == 1:
                raise ValueError("as it should")
            raise AirflowSkipException

        serve()
        dies()
        falls()
        again()
"""


def kill_supervisor(home: Home, task_id: str) -> None:
    (ti,) = home.rows("SELECT id FROM task_instance WHERE dag_id='caller_mails' AND task_id=:t", t=task_id)
    supervisor = next(
        process
        for process in psutil.process_iter(["cmdline"])
        if f"airspace supervisor: caller {ti.id}" in " ".join(process.info["cmdline"] or ())
    )
    supervisor.kill()


def test_a_tasks_callbacks_run_in_its_sandbox_and_its_mail_is_sent_by_its_team(calling: Home) -> None:
    with calling.engine.begin() as db:
        db.execute(
            text(
                "INSERT INTO connection (conn_id, conn_type, host, port, extra, is_encrypted, is_extra_encrypted,"
                " team_name) VALUES ('caller.smtp_default', 'smtp', '127.0.0.1', 2525, :e, false, false, 'caller')"
            ),
            {"e": json.dumps({"from_email": "airflow@caller.example", "disable_ssl": True, "disable_tls": True})},
        )
    calling.write_dag("caller", "mails.py", MAIL.format(place=place(calling, "caller")))
    folder = place(calling, "caller")
    for name in ("serving", "dying", "falling"):
        wait_for((folder / name).exists)
    kill_supervisor(calling, "dies")
    kill_supervisor(calling, "falls")
    # Of one that died, whoever watched the sandbox asks for it; of one that says itself how it went, its own process.
    for task_id, kind in (("dies", "failure"), ("falls", "retry")):
        assert seen(calling, "caller", task_id) == f"{kind} 1 scheduled airspace callback: caller\n"
    notes = [f"{kind} scheduled airspace task: caller" for kind in ("execute 1", "retry 1", "execute 2", "skipped 2")]
    wait_for(lambda: calling.states("caller_mails").get("again") == "skipped")
    wait_for(lambda: (folder / "again").read_text().splitlines() == notes)
    for to, tries, task_id, kind in (("who", 1, "dies", "failure"), ("later", 2, "falls", "retry")):
        mail = seen(calling, "caller", f"mail-{to}")
        assert f"RCPT TO:<{to}@cares.example>" in mail.replace("to:", "TO:").replace("rcpt", "RCPT")
        message = email.message_from_string(mail[mail.index("Content-Type:") :].replace("\r", ""))
        words = "".join(str(part.get_payload(decode=True)) for part in message.walk()) + str(message["Subject"])
        assert "caller_mails" in words
        assert f"Try 1 out of {tries}" in words
        assert calling.env["AIRSPACE_HOME"] not in words
        calling.await_log("caller_mails", task_id, "Executing Task callback", f"Sending {kind} email")
    states = calling.states("caller_mails")
    assert (states["dies"], states["falls"]) == ("failed", "up_for_retry")
    assert not calling.rows("SELECT 1 FROM log WHERE event='airspace callback failed' AND dag_id='caller_mails'")


SLOW = """
    import os, time
    from pathlib import Path
    from airflow.sdk import DAG

    PLACE = Path("{place}")

    def of_the_dag(context):
        run = context["run_id"][:40]
        with (PLACE / f"{{run}}.began").open("a") as file:
            file.write(f"{{os.getpid()}}\\n")
        if "raise" in run:
            raise ValueError("it did not work" + chr(0))
        while not (PLACE / f"{{run}}.go").exists():
            time.sleep(0.05)
        (PLACE / f"{{run}}.done").touch()

    dag = DAG("{team}_slow", schedule=None, on_failure_callback=of_the_dag)
"""


def slow(home: Home, team: str) -> None:
    """A Dag of the team's whose callbacks last until they are let go."""
    if not home.rows("SELECT 1 FROM dag WHERE dag_id=:d", d=f"{team}_slow"):
        place(home, team).chmod(0o777)
        home.write_dag(team, "slow.py", SLOW.format(place=place(home, team), team=team))
        wait_for(lambda: home.rows("SELECT 1 FROM dag WHERE dag_id=:d", d=f"{team}_slow"))


def request(team: str, run: str, **more: object) -> dict[str, object]:
    return {"filepath": "slow.py", "bundle_name": team, "dag_id": f"{team}_slow", "run_id": run, "msg": "x", **more}


def callback_processes(team: str) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if " ".join(process.info["cmdline"] or ()).startswith(f"airspace callback: {team} ")
    ]


def began(home: Home, team: str, run: str) -> int:
    file = place(home, team) / f"{run}.began"
    return len(file.read_text().split()) if file.exists() else 0


def let_go(home: Home, team: str, *runs: str) -> None:
    for run in runs:
        (place(home, team) / f"{run}.go").touch()


def test_one_teams_callbacks_hold_up_nobody_else(calling: Home, record_property: Record) -> None:
    for team in ("caller", "neighbour"):
        slow(calling, team)
    for number in range(6):
        ask_for(calling, "neighbour", request("neighbour", f"hang{number}"))
    wait_for(lambda: len(callback_processes("neighbour")) == 2, 150)
    let_go(calling, "caller", "quick")
    started = time.monotonic()
    ask_for(calling, "caller", request("caller", "quick"))
    calling.write_dag("caller", "fresh.py", "from airflow.sdk import DAG\ndag = DAG('caller_fresh', schedule=None)\n")
    wait_for(lambda: calling.rows("SELECT 1 FROM dag WHERE dag_id='caller_fresh'"))
    wait_for(lambda: (place(calling, "caller") / "quick.done").exists())
    record_property("a callback and an edit beside hanging ones", round(time.monotonic() - started, 2))
    assert time.monotonic() - started < 5
    assert len(callback_processes("neighbour")) <= 2
    let_go(calling, "neighbour", *(f"hang{number}" for number in range(6)))
    wait_for(lambda: not calling.rows("SELECT 1 FROM callback WHERE bundle_name='neighbour'"))


def test_what_goes_wrong_is_told_in_the_event_log(calling: Home) -> None:
    slow(calling, "caller")
    # A name that is no file's: there is no log of such a run.
    last = {"id": str(uuid.uuid4()), "task_id": "t", "dag_id": "caller_slow", "run_id": "raise" + "x" * 245}
    last |= {"try_number": 1, "dag_version_id": str(uuid.uuid4())}
    ask_for(calling, "caller", request("caller", last["run_id"], context_from_server={"last_ti": last}))
    assert "it did not work" in told(calling, "caller_slow")
    ask_for(calling, "caller", request("caller", "endless"))
    said = wait_for(lambda: "longer" in (last := told(calling, "caller_slow")) and last)
    assert f"longer than {FILE_SECONDS} seconds" in said
    wait_for(lambda: not callback_processes("caller"))


def test_a_forged_request_reaches_no_other_team(calling: Home) -> None:
    for team in ("caller", "neighbour"):
        slow(calling, team)
    let_go(calling, "caller", "forged")
    let_go(calling, "neighbour", "forged")
    forged = {
        "their Dag": ("caller", {**request("caller", "forged"), "dag_id": "neighbour_slow"}),
        "their bundle": ("caller", {**request("neighbour", "forged"), "dag_id": "caller_slow"}),
        "their row": ("neighbour", request("caller", "forged")),
        "a path": ("caller", request("caller", "../../forged")),
        "what is none": ("caller", {"bundle_name": "caller"}),
        "what no decoder reads": ("caller", None),
        "huge": ("caller", request("caller", "forged", msg="x" * 3_000_000)),
    }
    for bundle, asked in forged.values():
        ask_for(calling, bundle, asked)
    wait_for(lambda: not calling.rows("SELECT 1 FROM callback WHERE bundle_name IN ('caller', 'neighbour')"), 150)
    assert not began(calling, "caller", "forged")
    assert not began(calling, "neighbour", "forged")
    rows = calling.rows("SELECT dag_id, extra FROM log WHERE event='airspace refused' AND extra LIKE 'A callback of%'")
    assert len(rows) == len(forged)
    assert {row.dag_id for row in rows} == {None, "caller_slow"}  # the path is of its own Dag
    ask_for(calling, "caller", request("caller", "forged"))  # as its own, it runs
    wait_for(lambda: began(calling, "caller", "forged") == 1, 150)


def test_a_killed_callback_is_told_and_not_run_again(calling: Home) -> None:
    slow(calling, "caller")
    ask_for(calling, "caller", request("caller", "killed"))
    wait_for(lambda: began(calling, "caller", "killed"), 150)
    callback_processes("caller")[0].kill()
    assert "SIGKILL" in wait_for(lambda: "SIGKILL" in (last := told(calling, "caller_slow")) and last)
    assert not calling.rows("SELECT 1 FROM callback WHERE bundle_name='caller'")
    assert began(calling, "caller", "killed") == 1


def test_a_killed_dag_processor_loses_no_callback_and_repeats_none_that_ended(calling: Home) -> None:
    slow(calling, "caller")
    runs = [f"kept{number}" for number in range(4)]
    let_go(calling, "caller", "kept0")
    ask_for(calling, "caller", request("caller", "kept0"))
    wait_for(lambda: not calling.rows("SELECT 1 FROM callback WHERE bundle_name='caller'"))
    for run in runs[1:]:
        ask_for(calling, "caller", request("caller", run))
    wait_for(lambda: sum(began(calling, "caller", run) for run in runs[1:]) == 2)
    processor = calling.processes.pop("dag-processor")
    os.kill(processor.pid, signal.SIGKILL)
    processor.wait()
    wait_for(lambda: not callback_processes("caller"))
    let_go(calling, "caller", *runs)
    calling.start("dag-processor")
    wait_for(lambda: all((place(calling, "caller") / f"{run}.done").exists() for run in runs), 150)
    assert sorted(began(calling, "caller", run) for run in runs) == [1, 1, 2, 2]
    wait_for(lambda: not calling.rows("SELECT 1 FROM callback WHERE bundle_name='caller'"))
    calling.ring("caller")


LATE = """
    import json, os, socket, time
    from datetime import timedelta
    from pathlib import Path
    from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, SyncCallback, Variable, task
    from airflow.sdk.bases.hook import BaseHook

    PLACE = Path("{place}")

    def late(to, context):
        try:
            other = BaseHook.get_connection("neighbour.warehouse").host
        except Exception as error:
            other = type(error).__name__
        try:
            socket.gethostbyname("past-a-deadline.example")
        except OSError:
            pass
        found = {{
            "to": to, "run": context["dag_run"]["dag_run_id"], "variable": Variable.get("threshold"), "other": other,
            "host": BaseHook.get_connection("warehouse").host, "environment": sorted(os.environ),
            "keys": sorted(Variable.keys()),
        }}
        print("printed by the deadline")
        (PLACE / "late.part").write_text(json.dumps(found))
        (PLACE / "late.part").rename(PLACE / "late")

    def fails(context):
        raise ValueError("it did not work" + chr(0))

    def hangs(context):
        with (PLACE / "hanging").open("a") as file:
            file.write("began ")
        time.sleep(60)

    async def awaited(context):
        pass

    def alert(callback):
        return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, timedelta(seconds=1), callback)

    alerts = [SyncCallback(late, {{"to": "us"}}), SyncCallback(fails), SyncCallback(hangs), AsyncCallback(awaited)]
    with DAG(
        "caller_late", schedule="@once", is_paused_upon_creation=False, deadline=[alert(each) for each in alerts]
    ):
        @task
        def work():
            time.sleep(3)
        work()
"""


def callback_states(home: Home) -> dict[str, str]:
    ask = "SELECT data->'__var'->>'path' AS path, state FROM callback WHERE type IN ('executor', 'triggerer')"
    return {row.path.rpartition(".")[2]: row.state for row in home.rows(ask) if row.path}


def test_a_missed_deadline_calls_back_in_the_sandbox_and_a_killed_one_is_told(calling: Home) -> None:
    calling.write_dag("caller", "late.py", LATE.format(place=place(calling, "caller")))
    found = json.loads(seen(calling, "caller", "late"))
    assert (found["to"], found["variable"], found["host"]) == ("us", "caller's", "host-of-caller")
    assert found["other"] == "AirflowNotFoundException"
    assert "threshold" in found["keys"]
    assert "AIRSPACE_HOME" not in found["environment"]
    wait_for(lambda: callback_states(calling).get("late") == "success")
    wait_for(lambda: callback_states(calling).get("fails") == "failed")
    assert "it did not work" in told(calling, "caller_late")
    log = "".join(file.read_text() for file in calling.layout.logs.rglob("executor_callbacks/caller_late/*/*"))
    assert "printed by the deadline" in log
    assert REFUSED.format(host="past-a-deadline.example") in log
    # An asynchronous one is a trigger of its team's.
    (row,) = calling.rows("SELECT team_name FROM trigger WHERE classpath LIKE '%CallbackTrigger'")
    assert row.team_name == "caller"
    # The scheduler dies: what runs goes on, is known to the next one, and is not begun again.
    seen(calling, "caller", "hanging")
    starts = lambda: calling.log("scheduler").read_text().count("Starting the scheduler")  # noqa: E731
    before = starts()
    scheduler = calling.processes.pop("scheduler")
    scheduler.kill()
    scheduler.wait()
    calling.start("scheduler")
    wait_for(lambda: starts() > before, 60)
    time.sleep(2)
    assert callback_states(calling)["hangs"] == "running"
    supervisor = next(
        process
        for process in psutil.process_iter(["cmdline"])
        if "airspace supervisor: caller hangs" in " ".join(process.info["cmdline"] or ())
    )
    supervisor.kill()
    wait_for(lambda: callback_states(calling)["hangs"] == "failed")
    wait_for(lambda: not callback_processes("caller"))
    assert (place(calling, "caller") / "hanging").read_text() == "began "


def enqueue_test(home: Home, connection: str, team: str | None, **fields: object) -> str:
    """A connection test as the API server queues it, and its id."""
    row = str(uuid.uuid4())
    known = {"conn_type": "smtp", "host": "127.0.0.1", "port": 2526, "login": None, **fields}
    with home.engine.begin() as db:
        db.execute(
            text(
                "INSERT INTO connection_test_request (id, token, connection_id, state, created_at, updated_at,"
                " conn_type, host, port, login, password, extra, is_encrypted, is_extra_encrypted, team_name)"
                " VALUES (:i, :i, :c, 'pending', now(), now(), :conn_type, :host, :port, :login, :password, :extra,"
                " false, false, :t)"
            ),
            {"i": row, "c": connection, "t": team, "password": None, "extra": None, **known},
        )
    return row


def outcome_of(home: Home, row: str) -> tuple[str, str]:
    ask = "SELECT state, result_message FROM connection_test_request WHERE id=:i AND state IN ('success', 'failed')"
    (found,) = wait_for(lambda: home.rows(ask, i=row))
    return found.state, found.result_message


def test_a_connection_is_tested_in_its_teams_sandbox_and_no_other(calling: Home) -> None:
    extra = json.dumps({"disable_ssl": True, "disable_tls": True, "timeout": 2, "retry_limit": 1})
    # The platform's own loopback has a listener there; the sandbox's has none.
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        state, message = outcome_of(
            calling, enqueue_test(calling, "caller.mail", "caller", port=port, extra=extra, password="very-secret")
        )
        outside.settimeout(0)
        with pytest.raises(BlockingIOError):
            outside.accept()
    assert state == "failed"
    assert "refused" in message
    assert "very-secret" not in message
    # Where the network's list does not lead, the message says what is missing on it.
    unlisted = enqueue_test(calling, "caller.mail", "caller", host="mail.unlisted.example", extra=extra)
    state, message = outcome_of(calling, unlisted)
    assert state == "failed"
    assert "mail.unlisted.example is not on the list of team caller; add it" in message
    # The mask that the UI sends back stands for the stored secret, if that goes where it belongs.
    with calling.engine.begin() as db:
        db.execute(
            text(
                "INSERT INTO connection (conn_id, conn_type, host, port, password, is_encrypted, is_extra_encrypted,"
                " team_name) VALUES ('caller.stored', 'smtp', '127.0.0.1', 2526, 'kept', false, false, 'caller')"
            )
        )
    same = enqueue_test(calling, "caller.stored", "caller", extra=extra, password="***")
    assert outcome_of(calling, same)[0] == "failed"
    other = enqueue_test(calling, "caller.stored", "caller", extra=extra, password="***", port=2529)
    assert outcome_of(calling, other)[0] == "failed"
    ask = "SELECT password FROM connection_test_request WHERE id=:i"
    assert (calling.rows(ask, i=same)[0].password == "***", calling.rows(ask, i=other)[0].password) == (False, "***")
    for name, team, why in (
        ("neighbour.warehouse", "caller", "is not team caller's"),
        ("smtp_default", None, "without a team"),
        ("caller.mail", "nobody", "is not team nobody's"),
    ):
        state, message = outcome_of(calling, enqueue_test(calling, name, team))
        assert state == "failed"
        assert why in message, name
    assert not [title for title in calling.titles() if "connection test" in title]


def test_a_connection_test_whose_supervisor_is_killed_is_told(calling: Home) -> None:
    with calling.engine.begin() as db:
        db.execute(text("DELETE FROM connection_test_request"))
    # A server that accepts and says nothing, in the team's own sandbox.
    calling.write_dag(
        "caller",
        "silent.py",
        f"""
        import socket, time
        from pathlib import Path
        from airflow.sdk import DAG, task
        with DAG("caller_silent", schedule="@once", is_paused_upon_creation=False):
            @task
            def serve():
                with socket.create_server(("127.0.0.1", 2527)):
                    Path("{place(calling, "caller")}/silent").touch()
                    time.sleep(25)
            serve()
        """,
    )
    wait_for((place(calling, "caller") / "silent").exists)
    extra = json.dumps({"disable_ssl": True, "disable_tls": True, "timeout": 60})
    row = enqueue_test(calling, "caller.mail", "caller", port=2527, extra=extra)
    wait_for(lambda: calling.rows("SELECT 1 FROM connection_test_request WHERE id=:i AND state='running'", i=row))
    wait_for(lambda: [title for title in calling.titles() if title.startswith("airspace connection test: caller")])
    supervisor = next(
        process
        for process in psutil.process_iter(["cmdline"])
        if "airspace supervisor: caller connection-test caller.mail" in " ".join(process.info["cmdline"] or ())
    )
    supervisor.kill()
    state, message = outcome_of(calling, row)
    assert state == "failed"
    assert "SIGKILL" in message
    wait_for(lambda: not [title for title in calling.titles() if title.startswith("airspace connection test: ")])
