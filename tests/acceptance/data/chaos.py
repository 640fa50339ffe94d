"""Tasks that notice when they run twice at once, and leave a mark when they are done: the last ones not before calm."""

from __future__ import annotations

import fcntl
import os
import time
from datetime import timedelta

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.providers.standard.triggers.file import FileTrigger
from airflow.sdk import DAG, BaseOperator, task

from airspace.sdk import storage, team

COUNT = 67
LASTING = 4
CALM = storage() / "calm"
AGAIN = {"retries": 60, "retry_delay": timedelta(seconds=1), "max_retry_delay": timedelta(seconds=2)}


class WaitsForCalm(BaseOperator):
    def execute(self, context):
        self.defer(trigger=FileTrigger(str(CALM), poke_interval=0.5), method_name="resume")

    def resume(self, context, event=None):
        pass


with DAG(f"{team()}_chaos", schedule=None, is_paused_upon_creation=False, max_active_tasks=16):

    @task(**AGAIN)
    def work(number):
        folder = storage() / "chaos"
        folder.mkdir(exist_ok=True)
        with open(folder / f"{number}.lock", "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                (folder / f"{number}.twice").touch()
            file.write(f"{os.getpid()}\n")
            file.flush()
            time.sleep(0.3 + number % 7 / 5)
            while number >= COUNT - LASTING and not CALM.exists():
                time.sleep(0.1)
            (folder / f"{number}.done").touch()
        if number % 10 == 9:
            from airflow.sdk.exceptions import AirflowFailException

            raise AirflowFailException("as it should")

    work.expand(number=list(range(COUNT)))
    # First of all, so that there is a runner of triggers as long as it storms.
    WaitsForCalm(task_id="wait_calm", priority_weight=9, **AGAIN)
    for seconds in (2, 6, 10, 14):
        delta = timedelta(seconds=seconds)
        TimeDeltaSensor(task_id=f"wait_{seconds}", delta=delta, deferrable=True, **AGAIN)
