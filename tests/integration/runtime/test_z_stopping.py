"""Every component stops when it is told to. The last of this folder's tests: nothing runs any more afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.integration.runtime.home import Home, wait_for
from tests.integration.runtime.test_live import SLEEPERS

pytestmark = pytest.mark.integration

Record = Callable[[str, object], None]


def test_every_component_stops_quickly(running: Home, record_property: Record) -> None:
    running.add_team("stopping", pools={"wide": 4})
    running.write_dag("stopping", "sleepers.py", SLEEPERS.format(team="stopping", seconds=60, count=2, retries=0))
    wait_for(lambda: list(running.states("stopping_sleepers").values()).count("running") == 2)
    running.write_dag("stopping", "endless.py", "import time  # airflow dag\nwhile True: time.sleep(1)\n")
    time.sleep(1)
    for name in ("dag-processor", "scheduler", "api-server", "spawner"):
        seconds = running.stop(name)
        record_property(f"{name} stopped", round(seconds, 2))
        assert seconds < 30  # one that does not listen is killed later
        if name == "scheduler":  # its tasks stored what became of them
            assert set(running.states("stopping_sleepers").values()) == {"failed"}
    wait_for(lambda: not running.titles(), 30)  # nothing is left behind
