"""The fetcher: ``python -m airspace.platform.fetcher``. It keeps every team's bundle a copy of the team's folder.

It alone may read the teams' folders (as root, when the platform was started by root) and it alone writes the bundles.
It imports nothing that it does not need: it is small, and there is little in it that could go wrong with root's
rights.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import select
import shutil
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from airspace.backends.sources import Exhausted, Inotify, Mirror, Outcome, Owner
from airspace.model.home import HomeLayout, home_root
from airspace.platform import bells

log = logging.getLogger("airspace.fetcher")

SETTLE = 0.05  # after a change: editors write a file in several steps
RESCAN = 60.0  # without a change: what the kernel did not tell
POLL = 2.0  # where the kernel cannot tell
STATUS = "sources-status.json"
_BUNDLE = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass
class Source:
    """One team's folder."""

    mirror: Mirror
    due: float = 0.0
    busy: bool = False
    gone: bool = False
    watched: bool = True
    asked: bool = False
    outcome: Outcome | None = None
    folders: frozenset[Path] = field(default_factory=frozenset)


class Fetcher:
    """Watches ``sources.json`` and every folder in it; each folder is copied in a thread of its own when it changed."""

    def __init__(self, layout: HomeLayout, run: Path) -> None:
        self._layout = layout
        self._run = run
        self._owner = control_owner(run)
        self._sources: dict[str, Source] = {}
        self._by_folder: dict[Path, str] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._finished: list[tuple[str, Source, Outcome]] = []
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping = False
        self._inotify = _inotify()

    def stop(self) -> None:
        """End the loop; safe in a signal handler."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Until stopped."""
        if not self._layout.bundles.is_dir():
            self._layout.bundles.mkdir(mode=0o755)
            if self._owner is not None:
                os.chown(self._layout.bundles, self._owner.uid, self._owner.gid)
        if self._inotify is not None:
            self._inotify.add(self._layout.root)  # sources.json is replaced, not written
        while not self._stopping:
            self._read_sources()
            self._start_due()
            self._wait()
            self._take_in()

    # --- what to fetch -----------------------------------------------------------------------------------------------

    def _read_sources(self) -> None:
        """Follow ``sources.json``. One that cannot be read changes nothing."""
        try:
            found = self._layout.sources.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return
            document = json.loads(self._layout.sources.read_text(encoding="utf-8"))
            wanted = {name: Path(entry["folder"]) for name, entry in document["bundles"].items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("%s cannot be read, the sources stay as they are: %s", self._layout.sources, error)
            return
        self._stamp = stamp
        for name in set(self._sources) - set(wanted):
            self._drop(name)
        for name, folder in wanted.items():
            self._want(name, folder)

    def _want(self, name: str, folder: Path) -> None:
        if not _BUNDLE.fullmatch(name) or not folder.is_absolute():
            log.error("%r from %s is not a bundle, it is left out", name, folder)
            return
        source = self._sources.get(name)
        if source is not None and source.mirror.source == folder:
            return
        if source is not None:
            source.gone = True
            self._watch(name, source, frozenset())
        self._sources[name] = Source(Mirror(folder, self._layout.bundles / name, self._owner))

    def _drop(self, name: str) -> None:
        """A team without a source: its copy goes."""
        source = self._sources.pop(name)
        source.gone = True
        self._watch(name, source, frozenset())
        if not source.busy:
            shutil.rmtree(self._layout.bundles / name, ignore_errors=True)
        bells.ring(bells.DOORBELL, name, self._run)

    # --- fetching
    # ------------------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        now = time.monotonic()
        for name, source in self._sources.items():
            if not source.busy and source.due <= now:
                source.busy, source.asked = True, False
                threading.Thread(target=self._fetch, args=(name, source), name=name, daemon=True).start()

    def _fetch(self, name: str, source: Source) -> None:
        """In a thread of its own: a folder on a network that hangs keeps nobody else waiting."""
        started = time.monotonic()
        try:
            outcome = source.mirror.update()
        except OSError as error:
            log.warning("%s: %s", name, error)
            outcome = Outcome(False, False, 0, 0, source.folders, {".": error.strerror or str(error)})
        took = time.monotonic() - started
        # A folder that never rests gets at most half of one processor.
        source.due = time.monotonic() + max(SETTLE if outcome.unsettled else self._pause(source), took)
        with self._lock:
            self._finished.append((name, source, outcome))
        self._wake()

    def _pause(self, source: Source) -> float:
        return RESCAN if source.watched else POLL

    def _take_in(self) -> None:
        """What the threads finished: tell the Dag processor, watch what is new, report what was left out."""
        with self._lock:
            finished, self._finished = self._finished, []
        for name, source, outcome in finished:
            source.busy = False
            if source.gone:
                if name not in self._sources:
                    shutil.rmtree(self._layout.bundles / name, ignore_errors=True)
                continue
            if outcome.changed:
                bells.ring(bells.DOORBELL, name, self._run)
            before, source.outcome = source.outcome, outcome
            if before is None or before.problems != outcome.problems:
                _tell(name, outcome)
            # What appeared in a new folder before it was watched is found by looking again.
            if self._watch(name, source, outcome.folders) or source.asked:
                source.due = time.monotonic() + SETTLE
        if finished:
            self._write_status()

    def _watch(self, name: str, source: Source, folders: frozenset[Path]) -> bool:
        """Watch exactly these folders; True when some are new."""
        if self._inotify is None:
            source.watched = False
            return False
        for folder in source.folders - folders:
            self._inotify.remove(folder)
            self._by_folder.pop(folder, None)
        fresh = folders - (source.folders & self._inotify.folders)
        try:
            for folder in fresh:
                if self._inotify.add(folder):
                    self._by_folder[folder] = name
            source.watched = True
        except Exhausted:
            if source.watched:
                log.warning("%s: no more folders can be watched, it is looked at every %g s", name, POLL)
            source.watched = False
            source.due = min(source.due, time.monotonic() + POLL)
            fresh = frozenset()
        source.folders = folders
        return bool(fresh)

    # --- waiting
    # -------------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        now = time.monotonic()
        due = min((source.due for source in self._sources.values() if not source.busy), default=now + RESCAN)
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        if self._inotify is not None:
            poller.register(self._inotify.fileno(), select.POLLIN)
        pause = min(max(0.0, due - now), RESCAN if self._inotify is not None else 1.0)
        poller.poll(pause * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        for folder in self._inotify.changed() if self._inotify is not None else ():
            source = self._sources.get(self._by_folder.get(folder, ""))
            if source is not None:
                source.asked = True
                source.due = min(source.due, time.monotonic() + SETTLE)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"!")

    def _write_status(self) -> None:
        """For ``status`` and ``doctor``: what each bundle holds and what was left out."""
        document = {
            name: {"files": source.outcome.files, "bytes": source.outcome.size, "problems": source.outcome.problems}
            for name, source in self._sources.items()
            if source.outcome is not None
        }
        part = self._run / f".{STATUS}.part"
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file)
                if self._owner is not None:
                    os.fchown(descriptor, self._owner.uid, self._owner.gid)
            part.rename(self._run / STATUS)


def control_owner(run: Path) -> Owner | None:
    """Whose the bundles are: as root, the user whose the run folder is; otherwise nobody needs to be told."""
    if os.getuid() != 0:
        return None
    found = run.stat()
    return Owner(found.st_uid, found.st_gid)


def _inotify() -> Inotify | None:
    try:
        return Inotify()
    except Exhausted as error:
        log.warning("Changes are looked for every %g s: inotify cannot be used (%s)", POLL, error)
        return None


def _tell(name: str, outcome: Outcome) -> None:
    log.info("%s: %d files", name, outcome.files)
    for path, problem in sorted(outcome.problems.items())[:20]:
        log.warning("%s: %s is left out: %s", name, path, problem)
    if len(outcome.problems) > 20:
        log.warning("%s: %d more are left out", name, len(outcome.problems) - 20)


def main() -> None:
    """Run until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    layout = HomeLayout(home_root())
    fetcher = Fetcher(layout, bells.run_dir())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: fetcher.stop())
    fetcher.run()


if __name__ == "__main__":
    main()
