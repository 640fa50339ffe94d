"""Tasks of one file share one reading of it, and nobody can tell but by the clock."""

from __future__ import annotations

import psutil
import pytest

from tests.integration.runtime.home import Home, wait_for

pytestmark = pytest.mark.integration

MANY = """
    from airflow.sdk import DAG, Variable, task
    import nest_helper
    {top}
    with DAG("{dag_id}", schedule="@once", is_paused_upon_creation=False, max_active_tasks=4):
        for number in range(12):
            @task(task_id=f"step_{{number}}")
            def step():
                print("version", nest_helper.VERSION, "asked", {asked})
            step()
"""


def logged(running: Home, dag_id: str, words: str) -> int:
    return sum(words in running.task_log(dag_id, f"step_{number}") for number in range(12))


def processes(team: str) -> int:
    """Zygotes of a team, nests among them."""
    titles = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return sum(title.startswith(f"airspace zygote: {team}") for title in titles)


def done(running: Home, dag_id: str) -> bool:
    return list(running.states(dag_id).values()).count("success") == 12


def test_tasks_of_a_file_share_a_reading_until_it_changes(running: Home) -> None:
    running.add_team("nesting", variables={"asked": "by name"})
    running.write_dag("nesting", "nest_helper.py", "VERSION = 'one'\n")
    running.write_dag("nesting", "many.py", MANY.format(dag_id="nesting_one", top="", asked=None))
    most = 0

    def watched() -> bool:
        nonlocal most
        most = max(most, processes("nesting"))
        return done(running, "nesting_one")

    wait_for(watched)
    assert most >= 2, "there was no nest"
    wait_for(lambda: logged(running, "nesting_one", "version one") == 12)
    # What it imports changes: the next tasks have it at once, though the file itself is as it was.
    running.write_dag("nesting", "nest_helper.py", "VERSION = 'two'\n")
    running.write_dag("nesting", "more.py", MANY.format(dag_id="nesting_two", top="", asked=None))
    wait_for(lambda: done(running, "nesting_two"))
    wait_for(lambda: logged(running, "nesting_two", "version two") == 12)
    wait_for(lambda: processes("nesting") <= 1)


def test_a_file_that_asks_is_read_by_each_task(running: Home) -> None:
    running.add_team("asking", variables={"asked": "by name"})
    running.write_dag("asking", "nest_helper.py", "VERSION = 'one'\n")
    top = "ASKED = Variable.get('asked', default='nothing')"
    running.write_dag("asking", "many.py", MANY.format(dag_id="asking_one", top=top, asked="ASKED"))
    wait_for(lambda: done(running, "asking_one"))
    wait_for(lambda: logged(running, "asking_one", "asked by name") == 12)
