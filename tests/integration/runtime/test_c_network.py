"""What the network refuses a team is where its authors look."""

from __future__ import annotations

import pytest

from tests.integration.runtime.home import Home, wait_for

pytestmark = pytest.mark.integration

LINE = 'network: {host} is not on the list of team offline; add it with its port to "network" in the team file'
ASKS = """
    import socket
    from airflow.sdk import DAG, task

    def ask(host):
        try:
            socket.create_connection((host, 5432), 5)
        except socket.gaierror as error:
            print("it says", error.strerror)

    ask("while-parsing.example")
    with DAG("offline_asks", schedule="@once", is_paused_upon_creation=False):
        @task
        def asks():
            ask("in-a-task.example")
        asks()
"""


def test_a_refusal_is_in_the_log_of_the_task_and_of_the_file(running: Home) -> None:
    running.add_team("offline")
    running.write_dag("offline", "asks.py", ASKS)
    wait_for(lambda: running.states("offline_asks").get("asks") == "success")
    running.await_log("offline_asks", "asks", "it says Name or service not known")
    line = LINE.format(host="in-a-task.example")
    wait_for(lambda: line in running.task_log("offline_asks", "asks").replace('\\"', '"'))
    files = [path.read_text() for path in running.layout.logs.rglob("*asks.py*.log")]
    assert any(LINE.format(host="while-parsing.example") in text.replace('\\"', '"') for text in files), files
