"""The platform does not work where the guard is not: checked where a server starts, and before a task is handed over.

Airflow loads plugins, and with them the guard, only into a server that serves ``core``; one that serves just the
Execution API would run without a word. Light on imports: this is read by every one of Airflow's processes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

HEADER, VALUE = "airspace-guard", "1"
_APPS = "AIRFLOW_API_APPS"  # what Airflow's command hands its server's processes


class UnguardedError(Exception):
    """The API server does not say that the guard is in it."""


def refuse_unguarded(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """End a process that would serve the Execution API without the guard.

    :raises SystemExit: it would
    """
    asked = [environ.get(_APPS, "")]
    if "api-server" in argv[1:2]:
        parser = argparse.ArgumentParser(add_help=False)
        parser.add_argument("--apps", default="")
        asked.append(parser.parse_known_args(list(argv[2:]))[0].apps)
    for apps in asked:
        if apps and not {"all", "core"} & set(apps.split(",")):
            raise SystemExit(
                f"airspace: an API server of only {apps!r} is refused: Airflow loads the guard on the Execution API"
                " only beside `core`. Start it with --apps all."
            )


class PresenceCheck:
    """Asks a server once whether the guard is in it, and again until it says so."""

    def __init__(self, get: Callable[[str], Any]) -> None:
        self._get = get
        self._present = False

    def __call__(self) -> None:
        """Return if the server is guarded.

        :raises UnguardedError: it is not
        """
        if not self._present:
            self._present = self._get("health").headers.get(HEADER) == VALUE
        if not self._present:
            raise UnguardedError(
                "the API server has no guard on its Execution API, so no task is given to it."
                " `airspace down && airspace up` starts one that has"
            )
