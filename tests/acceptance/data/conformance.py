"""One Dag of everything that a task can do, with outcomes that are not a matter of chance."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import DAG, BaseOperator, Param, PokeReturnValue, get_current_context, setup, task, teardown
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

log = logging.getLogger(__name__)
QUICK = {"retries": 1, "retry_delay": timedelta(seconds=1)}


def say(context):
    print("callback:", context["task_instance"].task_id)


class Cleans(BaseOperator):
    """Runs until its time is over, and cleans up."""

    def execute(self, context):
        time.sleep(60)

    def on_kill(self):
        print("cleaned up")


class Defers(BaseOperator):
    """Waits for a moment without a process."""

    def execute(self, context):
        moment = datetime.now(tz=timezone.utc) + timedelta(seconds=1)
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name="resume", kwargs={"told": "before"})

    def resume(self, context, event, told):
        return f"{told} and after"


with DAG(
    "conformance",
    schedule=None,
    is_paused_upon_creation=False,
    params={"greeting": Param("hello", type="string")},
    render_template_as_native_obj=True,
    tags=["conformance"],
):

    @task
    def kinds():
        """XCom of many kinds."""
        ti = get_current_context()["ti"]
        ti.xcom_push("text", "ünïcode ✓")
        ti.xcom_push("number", 1.5)
        ti.xcom_push("nothing", None)
        ti.xcom_push("nested", {"a": [1, {"b": True}], "c": {"d": None}})
        ti.xcom_push("moment", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
        ti.xcom_push("decimal", Decimal("1.10"))
        ti.xcom_push("tuple", (1, "two"))
        ti.xcom_push("large", "x" * 300_000)
        return list(range(5))

    @task
    def read_kinds(numbers):
        ti = get_current_context()["ti"]
        pull = lambda key: ti.xcom_pull(task_ids="kinds", key=key)
        return [
            numbers,
            pull("text"),
            pull("number"),
            pull("nothing"),
            pull("nested"),
            str(pull("moment")),
            str(pull("decimal")),
            str(pull("tuple")),
            len(pull("large")),
            pull("not there"),
        ]

    @task(multiple_outputs=True)
    def several():
        return {"one": 1, "two": "2"}

    @task
    def square(number):
        return number * number

    @task
    def total(values):
        return sum(values)

    @task
    def pairs(left, right):
        return f"{left}{right}"

    @task.branch
    def branch():
        return "taken"

    @task
    def taken():
        return "taken"

    @task
    def not_taken():
        return "never"

    @task(trigger_rule="none_failed_min_one_success")
    def joined():
        return "joined"

    @task.short_circuit
    def closed():
        return False

    @task
    def behind():
        return "never"

    @task(**QUICK)
    def second_try():
        ti = get_current_context()["ti"]
        print("try", ti.try_number)
        if ti.try_number == 1:
            raise ValueError("not yet")
        return ti.try_number

    @task(retries=3)
    def fails_for_good():
        raise AirflowFailException("no")

    @task
    def skips():
        raise AirflowSkipException

    @task(execution_timeout=timedelta(seconds=1))
    def too_long():
        time.sleep(60)

    @task
    def exits():
        sys.exit(3)

    @task
    def vanishes():
        os.kill(os.getpid(), signal.SIGKILL)

    @task
    def leaves_quietly():
        os._exit(0)

    @task(on_success_callback=say)
    def speaks():
        print("to stdout")
        print("to stderr", file=sys.stderr)
        log.warning("to the log")
        subprocess.run(["echo", "from a program"], check=True)
        return os.getcwd() != "", "AIRFLOW_HOME" in os.environ

    @task.sensor(poke_interval=0.5, timeout=30, mode="poke")
    def pokes():
        started = get_current_context()["dag_run"].start_date
        return PokeReturnValue(
            is_done=datetime.now(tz=timezone.utc) - started > timedelta(seconds=3), xcom_value="seen"
        )

    @task.sensor(poke_interval=1, timeout=60, mode="reschedule")
    def reschedules():
        started = get_current_context()["dag_run"].start_date
        return datetime.now(tz=timezone.utc) - started > timedelta(seconds=3)

    @task.sensor(poke_interval=0.5, timeout=1, mode="poke", soft_fail=True)
    def gives_up():
        return False

    @task.external_python(python=sys.executable, expect_airflow=False, expect_pendulum=False)
    def elsewhere(number):
        import os

        return [number, os.path.basename(os.getcwd()) != ""]

    @setup
    def prepare():
        return "resource"

    @teardown
    def clean(resource):
        print("tearing down", resource)

    @task
    def uses(resource):
        raise ValueError(resource)

    numbers = kinds()
    read_kinds(numbers)
    total.override(task_id="sum_of_several")([several()["one"], 1])
    total(square.expand(number=numbers))
    pairs.expand(left=["a", "b"], right=[1, 2])
    branch() >> [taken(), not_taken()] >> joined()
    closed() >> behind()
    second_try()
    fails_for_good()
    skips()
    too_long()
    exits()
    vanishes()
    leaves_quietly()
    speaks()
    pokes()
    reschedules()
    gives_up()
    elsewhere(7)
    Cleans(task_id="cleans", execution_timeout=timedelta(seconds=1))
    Defers(task_id="defers")
    BashOperator(task_id="bash", bash_command="echo {{ params.greeting }} $WHO", env={"WHO": "world"}, append_env=True)
    BashOperator(task_id="bash_skips", bash_command="exit 99")
    BashOperator(task_id="bash_fails", bash_command="exit 3")
    made = prepare()
    torn = clean(made)
    made >> uses(made) >> torn
