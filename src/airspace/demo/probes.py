"""Dag files lent to the teams while the demo runs: an asset without consent, and a Dag in each team that listens to it.

The files are text, not modules: they are for Airflow to import, not for us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from airspace.demo.story import DE, PROBE_FILES

_SOURCE = "probe_dags"


def put(folders: Mapping[str, Path]) -> None:
    """Put the probes into the teams' Dag folders."""
    for team, folder in folders.items():
        for name in PROBE_FILES if team == DE else PROBE_FILES[:1]:
            text = (files("airspace.demo") / _SOURCE / f"{name}.txt").read_text(encoding="utf-8")
            (folder / f"airspace_probe_{name}").write_text(text, encoding="utf-8")


def take_back(folders: Mapping[str, Path]) -> None:
    """Remove them again; their Dags go with them."""
    for folder in folders.values():
        for name in PROBE_FILES:
            (folder / f"airspace_probe_{name}").unlink(missing_ok=True)


@contextmanager
def lent(folders: Mapping[str, Path]) -> Iterator[None]:
    """The probes, for as long as the block takes."""
    put(folders)
    try:
        yield
    finally:
        take_back(folders)
