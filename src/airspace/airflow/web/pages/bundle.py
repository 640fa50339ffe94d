"""The script that draws our pages, as ``scripts/front_end.py`` built it from ``ui/``."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from airflow.configuration import conf

FOLDER = Path(__file__).parent.parent / "static"
_SCRIPT = FOLDER / "airspace.js"
_STAMP = FOLDER / "built"  # the hash of the sources it was built from


def is_built() -> bool:
    """Whether there are pages at all: a checkout in which nothing was built serves Airflow's own only."""
    return _SCRIPT.is_file()


def address(name: str = _SCRIPT.name) -> str:
    """Where it is, the same from every view, so that a browser gets it once; another build is another address."""
    build = _STAMP.read_text()[:16] if _STAMP.is_file() else "0"
    return f"{below_root('/airspace/static/')}{name}?v={build}"


def below_root(path: str) -> str:
    """An address below the API server's own, outside of any view."""
    return f"{urlsplit(conf.get('api', 'base_url', fallback='')).path.rstrip('/')}{path}"
