"""Tasks that notice when they run twice at once, and leave a mark when they are done."""

from __future__ import annotations

import fcntl
import os
import time
from datetime import timedelta

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, task

from airspace.sdk import storage, team

COUNT = 67

with DAG(f"{team()}_chaos", schedule=None, is_paused_upon_creation=False, max_active_tasks=16):

    @task(retries=60, retry_delay=timedelta(seconds=1), max_retry_delay=timedelta(seconds=2))
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
            (folder / f"{number}.done").touch()
        if number % 10 == 9:
            from airflow.sdk.exceptions import AirflowFailException

            raise AirflowFailException("as it should")

    work.expand(number=list(range(COUNT)))
    for seconds in (2, 6, 10, 14):
        TimeDeltaSensor(
            task_id=f"wait_{seconds}",
            delta=timedelta(seconds=seconds),
            deferrable=True,
            retries=60,
            retry_delay=timedelta(seconds=1),
        )
