"""One look at one source, or a question whether several can be reached: JSON on stdin, JSON on stdout.

``python -m airspace.backends.remotes look|reach``. Whoever started it ends it when it takes too long.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from airspace.backends.remotes.git import Git
from airspace.backends.remotes.job import Job, RemoteError, Seen
from airspace.backends.remotes.object_store import ObjectStore
from airspace.backends.remotes.trees import Trees

REACH_SECONDS = 5.0
_FILE_BYTES = 1 << 30
_MEMORY_BYTES = 4 << 30


def look(job: Job) -> Seen:
    """Look at a source and keep what is new."""
    if job.sole:
        for left in Path(job.home).glob(".look-*"):
            shutil.rmtree(left, ignore_errors=True)
    seen = _done(job, fetch=True)
    if job.sole and seen.error is None:
        Trees(Path(job.home)).keep_only(seen.trees.values())
    return seen


def reach(job: Job) -> Seen:
    """Whether a source can be looked at."""
    return _done(job, fetch=False)


def reach_all(documents: list[str]) -> list[Any]:
    """All at once, and none longer than a few seconds: somebody waits for the answer."""
    answers: list[Seen | None] = [None] * len(documents)

    def ask(number: int) -> None:
        answers[number] = reach(Job.load(documents[number]))

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(len(documents))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + REACH_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = Seen(error=("it does not answer within some seconds", "look at the server, or correct the URL"))
    return [json.loads((answer or late).dump()) for answer in answers]


def _done(job: Job, *, fetch: bool) -> Seen:
    home = job.home if fetch else None
    with tempfile.TemporaryDirectory(prefix=".look-", dir=home, ignore_cleanup_errors=True) as scratch:
        source = Git(job, Path(scratch)) if job.kind == "git" else ObjectStore(job)
        try:
            return source.look() if fetch else source.reach()
        except RemoteError as error:
            return Seen(error=(error.message, error.fix))
        except FileNotFoundError as error:
            if error.filename != "git":
                raise
            return Seen(error=("git is not installed", "apt-get install git"))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            # The door: what happened is told by its kind, since its text may quote what the other side sent.
            reason = error.strerror if isinstance(error, OSError) else None
            return Seen(error=(f"it cannot be fetched: {reason or type(error).__name__}", "airspace team fetch NAME"))


def _bounded() -> None:
    """What git may use: a repository can be made to take any amount."""
    limits = {
        resource.RLIMIT_FSIZE: _FILE_BYTES,
        resource.RLIMIT_AS: _MEMORY_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, amount in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (amount, amount))


def main(arguments: list[str]) -> int:
    """Do it."""
    with contextlib.suppress(PermissionError):  # whoever started it may have done so
        os.setsid()
    _bounded()
    text = sys.stdin.read()
    if arguments == ["look"]:
        sys.stdout.write(look(Job.load(text)).dump() + "\n")
    elif arguments == ["reach"]:
        answer = {"seen": reach_all(json.loads(text)["jobs"])}
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stderr.write("usage: python -m airspace.backends.remotes look|reach\n")
        return 2
    sys.stdout.flush()
    # A git that still waits for a silent server is no reason to stay, nor may it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
