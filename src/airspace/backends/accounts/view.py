"""A view of the file system in which the platform's user can reach what it needs.

The interpreter, the checkout or the home may lie below a folder that only its owner may enter (``/root``). Opening that
folder would be a change to something that is not ours. Instead a program is started in a mount namespace of its own,
in which the closed folder is an empty one that holds only what is needed, at the same paths. util-linux does this by
``exec`` alone, so the program stays the very process that the manager started and signals.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from airspace.backends.accounts.users import AccountError

_STAGES = ("/mnt", "/media", "/srv", "/opt", "/var/tmp", "/tmp")  # noqa: S108 - only mounted over, in private


def _within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _outermost(paths: Iterable[Path]) -> list[Path]:
    ordered = sorted(set(paths))
    return [path for path in ordered if not any(parent in ordered for parent in path.parents)]


def _stage(closed: Sequence[Path], needed: Sequence[Path]) -> Path:
    """A folder to build on that is neither above nor below anything that matters."""
    for name in _STAGES:
        stage = Path(name)
        if stage.is_dir() and not any(_within(p, stage) or _within(stage, p) for p in (*closed, *needed)):
            return stage
    raise AccountError("no folder to build a view on", fix="mkdir /mnt")


def script(closed: Sequence[Path], needed: Iterable[Path]) -> str:
    """One line of shell that replaces each closed folder by an open one with only the needed paths in it."""
    paths = _outermost(needed)
    stage = _stage(closed, paths)
    quoted = shlex.quote(str(stage))
    # /proc/self/fd is not needed: everything is bound before the closed folder disappears below the new one.
    steps = ["old=$(umask)", "umask 022"]
    for folder in closed:
        steps.append(f"mount -t tmpfs -o mode=0755,size=1m airspace {quoted}")
        for path in paths:
            if _within(path, folder):
                if path == folder:
                    raise AccountError(
                        f"{path} can only be entered by its owner", fix=f"use another folder, or: chmod o+x {path}"
                    )
                target = shlex.quote(str(stage / path.relative_to(folder)))
                steps += [f"mkdir -p {target}", f"mount --rbind {shlex.quote(str(path))} {target}"]
        steps.append(f"mount --move {quoted} {shlex.quote(str(folder))}")
    return " && ".join([*steps, "umask $old", 'exec "$@"'])


def view_prefix(closed: Sequence[Path], needed: Iterable[Path]) -> tuple[str, ...]:
    """The command prefix that gives this view; empty when nothing is closed. Needs root."""
    if not closed:
        return ()
    unshare = shutil.which("unshare")
    if unshare is None or shutil.which("mount") is None:
        raise AccountError(
            f"the platform's user cannot pass {closed[0]}, and unshare and mount are not installed",
            fix="apt-get install util-linux mount",
        )
    enter = (unshare, "--mount", "--propagation", "private", "--")
    if subprocess.run([*enter, "/bin/true"], capture_output=True, check=False).returncode:
        raise AccountError(
            f"the platform's user cannot pass {closed[0]}, and this machine does not let root make a mount namespace",
            fix="install below a folder that every user may enter, such as /opt, and set AIRSPACE_HOME likewise",
        )
    return (*enter, "/bin/sh", "-c", script(closed, needed), "airspace-view")
