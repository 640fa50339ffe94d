"""Moves a Dag in one process that is killed before and after every step, and begun again."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airspace.backends.sources.mirror import Mirror
from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform.moving import HomeCarrier
from airspace.platform.places import settle
from airspace.sandbox.spec import TeamPlace
from airspace.teams import moves, moving
from airspace.teams.moves import Transfer
from airspace.teams.moving import Options
from tests.integration.teams.removal_child import InProcess


class Moving(InProcess):
    """As for removals; and what settles places, fetches and reads Dag files, without their processes."""

    def settle(self, places: Sequence[TeamPlace]) -> None:
        settle(self.layout, "0a0a0a", places, None, walls=True)

    def ring(self, bundle: str) -> None:
        """What the fetcher and the Dag processor do when it is rung."""
        from airflow import settings
        from sqlalchemy import text

        Mirror(self.layout.dags / bundle, self.layout.bundles / bundle, None).update()
        with settings.get_session()() as session, session.begin():
            for row in session.execute(
                text("SELECT dag_id, relative_fileloc FROM dag WHERE bundle_name=:b"), {"b": bundle}
            ):
                there = (self.layout.bundles / bundle / row.relative_fileloc).exists()
                held = text("SELECT 1 FROM airspace_dag_hold WHERE dag_id=:d AND NOT moved")
                if not there or session.execute(held, {"d": row.dag_id}).first() is None:
                    session.execute(
                        text("UPDATE dag SET is_stale=:s, last_parsed_time=clock_timestamp() WHERE dag_id=:d"),
                        {"s": not there, "d": row.dag_id},
                    )


ROWS = """
INSERT INTO dag (dag_id, bundle_name, relative_fileloc, fileloc, is_paused, is_stale, has_import_errors,
 exceeds_max_non_backfill, max_active_runs, max_active_tasks, max_consecutive_failed_dag_runs,
 has_task_concurrency_limits, asset_expression, timetable_type, partition_mapper_info)
 SELECT d, 'old', f, 'x', false, false, false, false, 5, 1, 0, false, '{"any": []}', 'x', '[]'
 FROM (VALUES ('goes', 'sub/goes.py'), ('goes_too', 'sub/goes.py'), ('stays', 'stays.py')) v(d, f);
INSERT INTO dag_version (id, version_number, dag_id, bundle_name, created_at, last_updated)
 SELECT gen_random_uuid(), 1, dag_id, 'old', now(), now() FROM dag;
INSERT INTO dag_run (dag_id, run_id, run_type, state, run_after, clear_number)
 SELECT d, r, 'manual', r, now(), 0 FROM (VALUES ('goes'), ('stays')) v(d), (VALUES ('success'), ('queued')) w(r);
INSERT INTO task_instance (id, task_id, dag_id, run_id, map_index, pool, pool_slots, try_number, max_tries, queue,
 priority_weight, custom_operator_name, span_status, state, dag_version_id)
 SELECT gen_random_uuid(), t, r.dag_id, r.run_id, -1, p, 1, 0, 0, 'q', 1, '', 'x',
 CASE WHEN r.run_id = 'success' THEN 'success' END, v.id
 FROM dag_run r JOIN dag_version v USING (dag_id), (VALUES ('own', 'old'), ('gpu', 'old.gpu')) w(t, p);
INSERT INTO asset (name, uri, "group", extra, created_at, updated_at)
 VALUES ('numbers', 'numbers', 'asset', '{}', now(), now());
INSERT INTO task_outlet_asset_reference (asset_id, dag_id, task_id, created_at, updated_at)
 SELECT id, 'goes', 'own', now(), now() FROM asset;
"""


def attempt(layout: HomeLayout, dying: tuple[int, bool] | None, calls: int = -1) -> int:
    """In a fork, which dies before or after a step; how it ended."""
    pid = os.fork()
    if pid == 0:
        steps = list(moving.STEPS)
        if dying is not None:
            number, after = dying
            name, act = steps[number]

            def killing(work: Any) -> None:
                if after:
                    act(work)
                os.kill(os.getpid(), signal.SIGKILL)

            steps[number] = (name, killing)
        moving.STEPS = tuple(steps)
        moving.HEARD_SECONDS = moving.FORGOTTEN_SECONDS = 0.0
        wanted = Transfer("old", "new", ["goes", "goes_too"], time.time())
        carrier = HomeCarrier(layout, layout.run)
        try:
            done = moving.transfer(Moving(layout, calls), carrier, wanted, Options(None, ("helper.py",)))
        except AirspaceError as error:
            sys.stderr.write(f"{error}\n")
            os._exit(1)
        sys.stdout.write(json.dumps(done.as_dict()))
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def main() -> None:
    """``moving_child HOME``."""
    from airflow import settings
    from airflow.models import import_all_models
    from sqlalchemy import text

    import_all_models()  # once, before the forks
    layout = HomeLayout(Path(sys.argv[1]))
    with settings.get_session()() as session, session.begin():
        for statement in ROWS.split(";\n"):
            if statement.strip():
                session.execute(text(statement))
    settings.engine.dispose()
    Moving(layout, -1).ring("old")
    settings.engine.dispose()
    ends = [attempt(layout, None, calls) for calls in (2, 3)]
    (begun,) = moves.begun(layout)
    for number in range(len(begun.done), len(moving.STEPS)):
        ends += [attempt(layout, (number, after)) for after in (False, True)]
    assert ends == [-signal.SIGKILL] * len(ends), ends
    sys.exit(attempt(layout, None))


if __name__ == "__main__":
    main()
