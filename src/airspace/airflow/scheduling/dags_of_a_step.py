"""The Dags of runs, looked up once in a step of the scheduler.

Airflow asks for a run's Dag for every ready task whose Dag limits how many of its tasks run at once, with a statement
or two each time: a team's mapped tasks that wait for each other cost every other team as much, in every loop.
"""

from __future__ import annotations

from typing import Any


class DagsOfAStep:
    """Airflow's Dag bag, of which a step asks each run's Dag once. It does not outlive the step's transaction."""

    def __init__(self, bag: Any) -> None:
        self._bag = bag
        self._found: dict[int, Any] = {}

    def get_dag_for_run(self, dag_run: Any, session: Any) -> Any:
        """The Dag of a run, as the bag has it; None if there is none."""
        if dag_run.id not in self._found:
            self._found[dag_run.id] = self._bag.get_dag_for_run(dag_run=dag_run, session=session)
        return self._found[dag_run.id]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bag, name)
