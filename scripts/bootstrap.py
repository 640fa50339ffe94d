#!/usr/bin/env python3
"""Sets a checkout up: environment from the lock, system packages where it may. Standard library only, Python >= 3.10.

    python3 scripts/bootstrap.py demo     what `make demo` needs
    python3 scripts/bootstrap.py test     that and what the tests need
    python3 scripts/bootstrap.py snowflake    that and Snowflake's connector, with a server for its tests (300 MB)

System packages (bubblewrap and libseccomp2 for sandboxes; a browser for the tests) are installed where root runs this
on a machine with apt. Anybody else is told which one is missing, and the command that installs it.

Doing it again costs a fraction of a second: a stamp in the environment says what it was made from.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BOOT = ROOT / ".boot"
UV = "uv>=0.7,<1"
LOCKS = {"demo": "requirements.lock", "test": "requirements-dev.lock"}
# What some tests run against wants other versions of what Airflow needs: each in an environment of its own.
# Purpose → folder, lock, what is lost without it.
ASIDE = {
    "test": (BOOT / "store", "tests/integration/sources/store-requirements.lock", "the object store"),
    "snowflake": (BOOT / "snowflake", "tests/integration/network/snowflake-requirements.lock", "Snowflake's connector"),
}

# command or library looked for, Debian package, what does not work without it
_WALLS = [
    ("bwrap", "bubblewrap", "sandboxes, so nothing starts unless you say `airspace up --isolation none`"),
    ("libseccomp.so.2", "libseccomp2", "sandboxes, so nothing starts unless you say `airspace up --isolation none`"),
]
SYSTEM: dict[str, list[tuple[str, str, str]]] = {
    "demo": _WALLS,
    "test": [*_WALLS, ("chromium", "chromium", "browser tests (they are skipped)")],
}


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def fail(message: str, fix: str) -> None:
    say(f"error: {message}\n  fix: {fix}")
    raise SystemExit(1)


def reachable_by_all(path: Path) -> bool:
    """Whether every user may enter each folder on the way to ``path`` (links resolved)."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def interpreter() -> str:
    """The Python to build on: ``$PYTHON``, else this one; for root rather the system's if this one is private."""
    if named := os.environ.get("PYTHON"):
        return named
    here = Path(sys.executable)
    system = Path("/usr/bin/python3")
    if os.getuid() == 0 and not reachable_by_all(here) and usable(system):
        return str(system)
    return str(here)


def usable(python: Path) -> bool:
    """Whether ``python`` is new enough and complete."""
    probe = "import sys, ssl, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))"
    return python.exists() and subprocess.run([python, "-c", probe], check=False, capture_output=True).returncode == 0


def environ() -> dict[str, str]:
    """Ours, with uv and Node told to trust what this machine trusts (perhaps a company's), where it has a store."""
    store = Path("/etc/ssl/certs/ca-certificates.crt")
    trusting = {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1", "NODE_EXTRA_CA_CERTS": str(store)}
    return {**trusting, **os.environ} if store.exists() else dict(os.environ)


def run(*command: str | Path, quiet: bool = False) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=environ(),
        check=False,
        stdout=subprocess.DEVNULL if quiet else None,
    )
    if done.returncode:
        fail(
            f"`{' '.join(map(str, command[:4]))} …` ended with {done.returncode}",
            "read the lines above; then run this again",
        )


def apt(packages: list[str]) -> bool:
    """Install Debian packages where that is possible without asking anybody: as root, with apt."""
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        return False
    say(f"installing {', '.join(packages)} …")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        if subprocess.run(command, env=env, check=False, stdout=subprocess.DEVNULL).returncode:
            return False
    return True


def installed(name: str) -> bool:
    """Whether the machine has this command or this shared library."""
    if ".so." not in name:
        return shutil.which(name) is not None
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def system_packages(purpose: str) -> None:
    """Install what is missing, or say what it is, what then does not work, and the command.

    Only root installs. An ordinary user is told, and goes on: who wants sandboxes has an administrator install the
    packages, and the kernel has to allow user namespaces (``airspace doctor`` tells).
    """
    missing = [entry for entry in SYSTEM[purpose] if not installed(entry[0])]
    if not missing or apt([package for _, package, _ in missing]):
        return
    for name, package, lost in missing:
        say(f"missing: {name} — without it this does not work: {lost}\n  fix: sudo apt-get install -y {package}")


def fits(uv: str) -> bool:
    """Whether an installed uv is one that we know: as ``UV`` says."""
    told = subprocess.run([uv, "--version"], check=False, capture_output=True, text=True).stdout.split()
    numbers = told[1].split(".")[:2] if len(told) > 1 else []
    return (
        len(numbers) == 2 and all(part.isdecimal() for part in numbers) and (0, 7) <= tuple(map(int, numbers)) < (1, 0)
    )


def boot_uv(python: str) -> Path:
    """uv, from a small environment of its own (pip is only used to fetch it)."""
    if (found := shutil.which("uv")) and fits(found):
        return Path(found)
    uv = BOOT / "bin" / "uv"
    if not uv.exists():
        shutil.rmtree(BOOT, ignore_errors=True)
        if subprocess.run([python, "-c", "import ensurepip"], check=False, capture_output=True).returncode and not apt(
            ["python3-venv"]
        ):
            fail("this Python cannot make virtual environments", "sudo apt-get install -y python3-venv")
        run(python, "-m", "venv", BOOT)
        run(BOOT / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV)
    return uv


def environment(purpose: str, python: str) -> None:
    """``.venv`` exactly from the lock, with the project itself in it."""
    lock = ROOT / LOCKS[purpose]
    wanted = hashlib.sha256(lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + python.encode()).hexdigest()
    stamp = VENV / f".stamp-{purpose}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    uv = boot_uv(python)
    say(f"setting up .venv from {lock.name} …")
    # An environment whose interpreter is gone or another one is made anew, never repaired.
    made_from = VENV / ".interpreter"
    if not (VENV / "bin" / "python").exists() or not made_from.exists() or made_from.read_text() != python:
        shutil.rmtree(VENV, ignore_errors=True)
        run(uv, "venv", "--quiet", "--python", python, VENV)
        made_from.write_text(python)
    target = ("--python", VENV / "bin" / "python")
    run(uv, "pip", "install", "--quiet", "--compile-bytecode", "--require-hashes", *target, "-r", lock)
    run(uv, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", *target, "--editable", ROOT)
    stamp.write_text(wanted)


def aside(purpose: str, python: str) -> None:
    """What some tests run against. Who cannot have it is told, and goes on: those tests are skipped."""
    folder, name, what = ASIDE[purpose]
    lock = ROOT / name
    wanted = hashlib.sha256(lock.read_bytes() + python.encode()).hexdigest()
    stamp = folder / ".stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    uv = boot_uv(python)
    say(f"setting up {what} of the tests from {lock.name} …")
    shutil.rmtree(folder, ignore_errors=True)
    target = ("--python", str(folder / "bin" / "python"))
    for command in (
        ["venv", "--quiet", "--python", python, str(folder)],
        ["pip", "install", "--quiet", "--require-hashes", *target, "-r", str(lock)],
    ):
        if subprocess.run([str(uv), *command], cwd=ROOT, env=environ(), check=False).returncode:
            say(f"missing: {what} — without it these do not work: its tests (they are skipped)")
            return
    stamp.write_text(wanted)


def main() -> None:
    if sys.version_info < (3, 10):
        fail(
            f"Python {sys.version.split()[0]} is too old (3.10 or newer is needed)",
            "sudo apt-get install -y python3 python3-venv",
        )
    purpose = sys.argv[1] if len(sys.argv) == 2 else ""
    if purpose not in {*LOCKS, *ASIDE}:
        fail(f"usage: bootstrap.py {'|'.join({**LOCKS, **ASIDE})}", "make demo, or make test")
    python = interpreter()
    main_one = purpose if purpose in LOCKS else "test"
    system_packages(main_one)
    environment(main_one, python)
    if purpose in ASIDE:
        aside(purpose, python)


if __name__ == "__main__":
    main()
