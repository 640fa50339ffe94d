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
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from airspace.backends.remotes import states
from airspace.backends.remotes.states import State
from airspace.backends.sources import Exhausted, Inotify, Mirror, Outcome, Owner
from airspace.backends.sources.unowned import foreign_folders, unowned
from airspace.model.home import HomeLayout, home_root
from airspace.platform import bells, source_trouble
from airspace.platform.desk import MOST_TOLD, NOBODY
from airspace.platform.source_trouble import Trouble, trouble
from airspace.teams.folders import Source as Origin

log = logging.getLogger("airspace.fetcher")

SETTLE = 0.05  # after a change: editors write a file in several steps
RESCAN = 60.0  # without a change: what the kernel did not tell
POLL = 2.0  # where the kernel cannot tell
STATUS = "sources-status.json"
_BUNDLE = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass
class Source:
    """One team's folder.

    :param tree: of a remote source: the tree that the mirror reads; None as long as there is none
    :param stamp: of the file that ``state`` was read from
    """

    mirror: Mirror
    origin: Origin
    tree: str | None = None
    stamp: tuple[int, ...] | None = None
    state: State = field(default_factory=State)
    due: float = 0.0
    busy: bool = False
    gone: bool = False
    watched: bool = True
    asked: bool = False
    outcome: Outcome | None = None
    folders: frozenset[Path] = field(default_factory=frozenset)
    hints: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether there is something to copy."""
        return self.origin.remote is None or self.tree is not None

    def status(self) -> dict[str, Any]:
        """For ``status``, ``team show`` and ``doctor``."""
        outcome, remote = self.outcome, self.origin.remote
        problems = outcome.problems if outcome is not None else {}
        if remote is not None:
            problems = self.state.left_out.get(remote.folder, {}) | problems
        files, size = (outcome.files, outcome.size) if outcome is not None else (0, 0)
        found: dict[str, Any] = {"kind": "folder", **_entry(files, size, problems, self.hints)}
        if remote is not None:
            wrong = self.state.problem(remote.folder)
            found |= {"kind": remote.kind, "version": self.state.version, "fetched_at": self.state.fetched_at}
            found |= {"error": wrong[0], "fix": wrong[1]} if wrong else {}
        return found

    def trouble(self) -> Trouble | None:
        """Why it cannot be fetched, for its team's members."""
        remote = self.origin.remote
        if remote is None:
            reason = self.outcome.problems.get(".") if self.outcome is not None else None
            fix = "mend the folder, or ask who runs the platform"
            return trouble("folder", (reason, fix), {"the folder": self.origin.folder}) if reason else None
        if (wrong := self.state.problem(remote.folder)) is None:
            return None
        hidden = {f"the {key}": text for key, text in remote.place.items() if key in ("url", "endpoint")}
        found = trouble(remote.kind, wrong, hidden)
        return replace(found, version=self.state.version, fetched_at=self.state.fetched_at)


class Fetcher:
    """Watches ``sources.json`` and every folder in it; each folder is copied in a thread of its own when it changed."""

    def __init__(self, layout: HomeLayout, run: Path) -> None:
        self._layout, self._run = layout, run
        self._doorbell = bells.Patient(bells.DOORBELL, run)
        self._owner = control_owner(run)
        self._sources: dict[str, Source] = {}
        self._by_folder: dict[Path, str] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._finished: list[tuple[str, Source, Outcome]] = []
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping = False
        self._inotify = _inotify()
        self._unowned: dict[str, str] = {}
        self._troubles: dict[str, Trouble] | None = None
        self._look_at_desk = 0.0

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
            self._follow_remotes()
            self._start_due()
            self._wait()
            self._take_in()
            self._look_beside()

    # --- what to fetch -----------------------------------------------------------------------------------------------

    def _read_sources(self) -> None:
        """Follow ``sources.json``. One that cannot be read changes nothing."""
        try:
            found = self._layout.sources.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return
            document = json.loads(self._layout.sources.read_text(encoding="utf-8"))
            wanted = {name: Origin.from_dict(entry) for name, entry in document["bundles"].items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("%s cannot be read, the sources stay as they are: %s", self._layout.sources, error)
            return
        self._stamp = stamp
        self._look_at_desk = 0.0
        for name in set(self._sources) - set(wanted):
            self._drop(name)
        for name, origin in wanted.items():
            self._want(name, origin)

    def _want(self, name: str, origin: Origin) -> None:
        folder = Path(origin.folder) if origin.remote is None else self._layout.remotes / origin.remote.id
        if not _BUNDLE.fullmatch(name) or not folder.is_absolute():
            log.error("%r from %s is not a bundle, it is left out", name, folder)
            return
        source = self._sources.get(name)
        if source is not None and source.origin == origin:
            return
        if source is not None:
            source.gone = True
            self._watch(name, source, frozenset())
        self._sources[name] = Source(Mirror(folder, self._layout.bundles / name, self._owner), origin)

    def _follow_remotes(self) -> None:
        """Copy from the newest tree of each remote source. Until there is one, the bundle stays as it is."""
        told = False
        for name, source in self._sources.items():
            remote = source.origin.remote
            if remote is None:
                continue
            if self._inotify is not None and self._layout.remotes not in self._inotify.folders:
                with contextlib.suppress(Exhausted):
                    self._inotify.add(self._layout.remotes)
            stamp = states.stamp(self._layout.remotes, remote.id)
            if stamp != source.stamp:
                source.stamp, source.state, told = stamp, states.read(self._layout.remotes, remote.id), True
            tree = source.state.trees.get(remote.folder)
            if tree is not None and tree != source.tree and not source.busy:
                folder = self._layout.remotes.resolve() / remote.id / "trees" / tree
                if folder.resolve() != folder:  # what was fetched in there must not lead anywhere else
                    continue
                source.tree, source.due = tree, 0.0
                source.mirror = Mirror(folder, self._layout.bundles / name, self._owner)
        if told:
            self._write_status()

    def _drop(self, name: str) -> None:
        """A team without a source: its copy goes."""
        source = self._sources.pop(name)
        source.gone = True
        self._watch(name, source, frozenset())
        if not source.busy:
            shutil.rmtree(self._layout.bundles / name, ignore_errors=True)
        self._doorbell.ring(name)

    # --- fetching ----------------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        now = time.monotonic()
        for name, source in self._sources.items():
            if not source.busy and source.due <= now and source.ready:
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
                self._doorbell.ring(name)
            before, source.outcome = source.outcome, outcome
            others = {other: each.mirror.source for other, each in self._sources.items() if other != name}
            source.hints = foreign_folders(source.mirror.source, outcome.folders, others)
            if before is None or before.problems != outcome.problems:
                _tell(name, outcome)
            # Trees never change. What appeared in a new folder before it was watched is found by looking again.
            watched = outcome.folders if source.origin.remote is None else frozenset()
            if self._watch(name, source, watched) or source.asked:
                source.due = time.monotonic() + SETTLE
        if finished:
            self._write_status()

    def _look_beside(self) -> None:
        """What lies beside the teams' folders is nobody's: say so."""
        now = time.monotonic()
        if now < self._look_at_desk:
            return
        watched = self._inotify is not None and _watches(self._inotify, self._layout.dags)
        self._look_at_desk = now + (RESCAN if watched else POLL)
        found = unowned(self._layout.dags, {name: source.mirror.source for name, source in self._sources.items()})
        if found != self._unowned:
            for path, reason in list(found.items())[:20]:
                log.warning("%s: %s", self._layout.dags / path, reason)
            self._unowned = found
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

    # --- waiting -----------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        now = time.monotonic()
        waits = (source.due for source in self._sources.values() if not source.busy and source.ready)
        due = min(min(waits, default=now + RESCAN), self._look_at_desk, now + self._doorbell.pause)
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        if self._inotify is not None:
            poller.register(self._inotify.fileno(), select.POLLIN)
        pause = min(max(0.0, due - now), RESCAN if self._inotify is not None else 1.0)
        poller.poll(pause * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        self._doorbell.ring()
        for folder in self._inotify.changed() if self._inotify is not None else ():
            if folder == self._layout.dags:
                self._look_at_desk = min(self._look_at_desk, time.monotonic() + SETTLE)
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
            name: source.status()
            for name, source in self._sources.items()
            if source.outcome is not None or source.origin.remote is not None
        }
        document[NOBODY] = _entry(0, 0, self._unowned, {})
        self._put(STATUS, json.dumps(document))
        told = {name: source.trouble() for name, source in self._sources.items()}
        troubles = {name: found for name, found in told.items() if found is not None}
        if troubles != self._troubles and self._put(source_trouble.FILE, source_trouble.dump(troubles)):
            self._troubles = troubles

    def _put(self, name: str, text: str) -> bool:
        """A file in the run folder, whole or not at all."""
        part = self._run / f".{name}.part"
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                if self._owner is not None:
                    os.fchown(descriptor, self._owner.uid, self._owner.gid)
            part.rename(self._run / name)
            return True
        return False


def _entry(files: int, size: int, problems: Mapping[str, str], hints: Mapping[str, str]) -> dict[str, object]:
    """One folder for the status file: of very many problems the first ones, and their number."""
    first = dict(islice(problems.items(), MOST_TOLD))
    return {"files": files, "bytes": size, "problems": first, "left_out": len(problems), "hints": dict(hints)}


def _watches(inotify: Inotify, folder: Path) -> bool:
    try:
        return folder in inotify.folders or inotify.add(folder)
    except Exhausted:
        return False


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
