"""Which servers are refused, and when a server counts as guarded."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from airspace.airflow.guard.presence import PresenceCheck, UnguardedError, refuse_unguarded


@pytest.mark.parametrize(
    "argv",
    [
        ["airflow", "api-server", "--apps", "execution"],
        ["airflow", "api-server", "--apps=execution"],
        ["airflow", "api-server", "--app", "execution"],
        ["airflow", "api-server", "-p", "1", "--apps", "execution", "--workers", "2"],
        ["airflow", "api-server", "--apps", "all", "--apps", "execution"],
        ["/opt/airflow", "api-server", "--apps", "execution,cores"],
    ],
)
def test_an_execution_only_server_is_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit, match="--apps all"):
        refuse_unguarded(argv, {})


def test_so_is_its_worker_process() -> None:
    with pytest.raises(SystemExit):
        refuse_unguarded(["uvicorn"], {"AIRFLOW_API_APPS": "execution"})


@pytest.mark.parametrize(
    "argv",
    [
        ["airflow", "api-server"],
        ["airflow", "api-server", "--apps", "all"],
        ["airflow", "api-server", "--apps", "core,execution"],
        ["airflow", "scheduler", "--apps", "execution"],
        ["airflow"],
        [],
    ],
)
def test_every_other_process_starts(argv: list[str]) -> None:
    refuse_unguarded(argv, {"AIRFLOW_API_APPS": "all"})


def test_a_server_is_asked_until_it_says_that_it_is_guarded() -> None:
    answers: Iterator[dict[str, str]] = iter([{}, {"airspace-guard": "0"}, {"Airspace-Guard": "1"}])
    check = PresenceCheck(lambda _path: httpx.Response(200, headers=next(answers)))
    for _ in range(2):
        with pytest.raises(UnguardedError, match="no guard"):
            check()
    check()
    check()  # asked no more: the answers are used up
