"""Renames a team in one process that is killed before and after every step, and begun again."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airspace.backends.sources.mirror import Mirror
from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform import renaming as machine
from airspace.platform.places import known, settle
from airspace.platform.renaming import HomeRenamer
from airspace.sandbox.spec import TeamPlace
from airspace.teams import folders, renames, renaming
from airspace.teams.renaming_checks import Options
from tests.integration.teams.moving_child import ROWS
from tests.integration.teams.removal_child import InProcess


class Renaming(InProcess):
    """As for removals; and what fetches and reads Dag files, without their processes."""

    def settle(self, places: Sequence[TeamPlace]) -> None:
        settle(self.layout, "0a0a0a", places, None, walls=True)

    def ring(self, bundle: str) -> None:
        """What the fetcher and the Dag processor do when it is rung. An `up` in between makes all places anew."""
        from airflow import settings
        from sqlalchemy import text

        self.settle(list(known(self.layout).values()))
        source = folders.read_sources(self.layout).get(bundle)
        if source is not None:
            Mirror(Path(source.folder), self.layout.bundles / bundle, None).update()
        with settings.get_session()() as session, session.begin():
            read = "UPDATE dag SET last_parsed_time=clock_timestamp() WHERE bundle_name=:b AND NOT EXISTS (%s)"
            held = "SELECT 1 FROM airspace_hold WHERE team=:b"
            session.execute(text(read % held), {"b": bundle})


def attempt(layout: HomeLayout, dying: tuple[int, bool] | None, calls: int = -1) -> int:
    """In a fork, which dies before or after a step; how it ended."""
    pid = os.fork()
    if pid == 0:
        steps = list(renaming.STEPS)
        if dying is not None:
            number, after = dying
            name, act = steps[number]

            def killing(work: Any) -> None:
                if after:
                    act(work)
                os.kill(os.getpid(), signal.SIGKILL)

            steps[number] = (name, killing)
        renaming.STEPS = tuple(steps)
        renaming.HEARD_SECONDS = renaming.FORGOTTEN_SECONDS = machine._FETCHER_SECONDS = 0.0
        try:
            done = renaming.rename(Renaming(layout, calls), HomeRenamer(layout), "old", "fresh", Options(None))
        except AirspaceError as error:
            sys.stderr.write(f"{error}\n")
            os._exit(1)
        sys.stdout.write(json.dumps(done.as_dict()))
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def main() -> None:
    """``renaming_child HOME``."""
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
    Renaming(layout, -1).ring("old")
    settings.engine.dispose()
    ends = [attempt(layout, None, calls) for calls in (2, 3, 4)]
    (begun,) = renames.begun(layout)
    for number in range(len(begun.done), len(renaming.STEPS)):
        ends += [attempt(layout, (number, after)) for after in (False, True)]
    assert ends == [-signal.SIGKILL] * len(ends), ends
    sys.exit(attempt(layout, None))


if __name__ == "__main__":
    main()
