"""What a result was measured on: without it a number says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from airspace.backends.postgres import binaries

ROOT = Path(__file__).resolve().parent.parent


def describe() -> dict[str, Any]:
    """Machine, versions and date."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
            "cores": len(os.sched_getaffinity(0)),
            "ram_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
            "kernel": platform.release(),
            "system": _system(),
            "as_root": os.getuid() == 0,
        },
        "versions": {
            "airspace": version("airspace"),
            "commit": _commit(),
            "airflow": version("apache-airflow-core"),
            "python": platform.python_version(),
            "postgresql": _first_line([str(binaries() / "postgres"), "--version"]).removeprefix("postgres "),
        },
    }


def load() -> float:
    """The load average of the last minute: a result taken on a busy machine shows it."""
    return os.getloadavg()[0]


def cpu_model(cpuinfo: str) -> str:
    """The processor's name out of ``/proc/cpuinfo`` (absent on some architectures)."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _commit() -> str:
    # Results written by an earlier benchmark of the same run are no change of what is measured.
    changed = _first_line(["git", "-C", str(ROOT), "status", "--porcelain", "--", "src", "requirements.lock"])
    return _first_line(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]) + ("+changes" if changed else "")


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout.strip().splitlines() or [""])[0]
