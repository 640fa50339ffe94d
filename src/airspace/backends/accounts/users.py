"""System users of this machine, through the distribution's own tools."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from airspace.model.errors import AirspaceError

_ATTEMPTS = 5
_SEARCH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


class AccountError(AirspaceError):
    """A Unix user could not be made, removed or used."""


@dataclass(frozen=True)
class Account:
    """A Unix user with its primary group."""

    name: str
    uid: int
    gid: int


def me() -> Account:
    """The calling user (by number where it has no name, as in some containers)."""
    uid, gid = os.getuid(), os.getgid()
    try:
        return Account(pwd.getpwuid(uid).pw_name, uid, gid)
    except KeyError:
        return Account(str(uid), uid, gid)


def find(name: str) -> Account | None:
    """The user of that name, if there is one."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, entry.pw_uid, entry.pw_gid)


def create(name: str) -> Account:
    """Make a system user with a group of its own, no password, no login, no home; fine if it exists."""
    for attempt in range(_ATTEMPTS):
        if found := find(name):
            return found
        try:
            return _add(name)
        except AccountError:
            # Another home's useradd holds the lock, or that of an `up` that was killed was still at work.
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.3)
    raise AssertionError


def create_numbered(name: str, uid: int, comment: str) -> Account:
    """Make a user with this number for both itself and its group; fine if it exists so.

    :raises AccountError: the name or the number is somebody else's
    """
    found = find(name)
    if found is None:
        for attempt in range(_ATTEMPTS):
            try:
                _tool("useradd", *_numbers(name, uid), "--no-create-home", "--no-log-init", "--home-dir",
                      "/nonexistent", "--shell", _nologin(), "--comment", f"Airspace team {comment}", name)  # fmt: skip
                break
            except AccountError:  # another home's useradd holds the lock
                if find(name) is not None:
                    break
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.3)
        found = find(name)
    if found is None or (found.uid, found.gid) != (uid, uid):
        raise AccountError(f"user {name} is not number {uid}", fix=f"getent passwd {name}")
    return found


def describe(name: str, comment: str) -> None:
    """Say of a user made by :func:`create_numbered` whose it is now; fine if there is none."""
    wanted = f"Airspace team {comment}"
    with contextlib.suppress(KeyError):
        if pwd.getpwnam(name).pw_gecos != wanted:
            _tool("usermod", "--comment", wanted, name)


def _numbers(name: str, number: int) -> tuple[str, ...]:
    """What gives a new user this number, and its group, which an earlier, cut-off call may have made, the same."""
    try:
        group: tuple[str, ...] = ("--gid", str(grp.getgrnam(name).gr_gid))
    except KeyError:
        group = ("--user-group", "--key", f"GID_MIN={number}")
    return ("--uid", str(number), "--key", f"UID_MAX={number}", "--key", f"GID_MAX={number}", *group)


def is_taken(number: int) -> bool:
    """Whether a user or a group has this number."""
    for look in (pwd.getpwuid, grp.getgrgid):
        with contextlib.suppress(KeyError):
            look(number)
            return True
    return False


def _add(name: str) -> Account:
    _tool("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
          "--shell", _nologin(), "--comment", "Airspace", name)  # fmt: skip
    made = find(name)
    if made is None:
        raise AccountError(f"useradd made user {name}, but it cannot be found", fix="getent passwd " + name)
    return made


def delete(name: str) -> None:
    """Remove a user made by :func:`create` or :func:`create_numbered`; fine if there is none."""
    if find(name) is not None:
        _tool("userdel", name)
    with contextlib.suppress(KeyError):
        grp.getgrnam(name)
        _tool("groupdel", name)


def _nologin() -> str:
    return next((path for path in ("/usr/sbin/nologin", "/sbin/nologin") if Path(path).exists()), "/bin/false")


def _tool(name: str, *arguments: str) -> None:
    path = shutil.which(name, path=_SEARCH)
    if path is None:
        raise AccountError(f"{name} is not installed", fix="apt-get install passwd")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False, env={"PATH": _SEARCH})
    if done.returncode:
        raise AccountError(f"{name} failed: {done.stderr.strip()}", fix=f"as root: {name} {' '.join(arguments)}")
