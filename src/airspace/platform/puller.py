"""The puller: ``python -m airspace.platform.puller``. It looks at every remote source from time to time.

Each look is a short process of its own with a time limit, so that a source that never answers holds up nobody; one
that failed is looked at less and less often, and in few places, so that many of them hold up nobody either. The puller
itself speaks to no network and runs as the control user. What it gets, the fetcher copies into the bundles.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import logging
import os
import random
import select
import shutil
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airspace.backends import accounts
from airspace.backends.remotes import states
from airspace.backends.remotes.job import Job, Seen
from airspace.backends.remotes.states import State
from airspace.backends.remotes.trees import Trees
from airspace.model.home import HomeLayout, home_root
from airspace.model.remote import ID, Remote
from airspace.model.source_settings import SourceSettings
from airspace.platform import bells, looking
from airspace.platform.confinement import Confinement
from airspace.platform.looking import Looking

log = logging.getLogger("airspace.puller")

AT_ONCE = 20
NEW_AT_ONCE = 14  # of them: sources that were never fetched, and those that failed
FAILED_AT_ONCE = 3  # of these: sources that failed the last time
QUICK_AT_ONCE = 8  # looks that take the processor; one that has lasted some seconds waits for its server
QUICK_SECONDS = 3.0
LONGEST_PAUSE = 900.0
RETIRED = 2  # older trees that are kept for a fetcher that is still reading one
LOOK_AGAIN = 1.0  # at sources.json, which rings no bell of ours when it is written by hand


@dataclass
class Pulled:
    """One remote, and who wants what of it."""

    remote: Remote
    folders: tuple[str, ...]
    bundles: frozenset[str]
    every: int
    state: State
    due: float = 0.0
    since: float = 0.0
    again: bool = False
    looking: Looking | None = None
    retired: list[str] = field(default_factory=list)

    @property
    def proven(self) -> bool:
        """Whether the last look at it was good."""
        return self.state.version is not None and not self.state.failures


class Puller:
    """Follows ``sources.json``; every remote in it has one clone and one look at a time, whoever shares it."""

    def __init__(self, layout: HomeLayout, run: Path, settings: SourceSettings) -> None:
        self._layout = layout
        self._settings = settings
        self._pulled: dict[str, Pulled] = {}
        self._credentials: dict[str, dict[str, str]] = {}
        self._stamp: tuple[object, ...] = ()
        self._stopping = False
        self._bell: socket.socket = bells.hang(bells.SOURCES, run)
        self._layout.remotes.mkdir(mode=0o700, exist_ok=True)
        needed = [layout.root / "known_hosts", *([Path(settings.ca)] if settings.ca else [])]
        self._confinement = Confinement(layout, run, needed)
        self._prefix = accounts.drop_prefix(None, on_parent_death="KILL")

    def stop(self) -> None:
        """End the loop; safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Until stopped."""
        while not self._stopping:
            self._follow()
            self._take_in()
            self._begin()
            self._wait()
        for pulled in self._pulled.values():
            _end(pulled)

    # --- what there is -----------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Know what ``sources.json`` says. A file that cannot be read changes nothing."""
        stamp = tuple(_stamp(path) for path in (self._layout.sources, self._layout.source_credentials))
        if stamp == self._stamp:
            return
        try:
            wanted = _wanted(json.loads(self._layout.sources.read_text(encoding="utf-8")))
            secret = self._layout.source_credentials.read_text(encoding="utf-8") if wanted else '{"credentials": {}}'
            self._credentials = dict(json.loads(secret)["credentials"])
        except FileNotFoundError:
            wanted = {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("The sources cannot be read, they stay as they are: %s", type(error).__name__)
            self._stamp = stamp
            return
        self._stamp = stamp
        for name in set(self._pulled) - set(wanted):
            self._drop(name)
        for name, found in wanted.items():
            self._want(name, found)
        self._sweep()

    def _want(self, name: str, found: dict[str, Remote]) -> None:
        remotes = list(found.values())
        folders = tuple(sorted({remote.folder for remote in remotes}))
        every = min(remote.every for remote in remotes)
        known = self._pulled.get(name)
        if known is None:
            state = states.read(self._layout.remotes, name)
            known = self._pulled[name] = Pulled(remotes[0], folders, frozenset(found), every, state)
            # After a start they are not all looked at in the same moment.
            if state.looked_at:
                known.due = time.monotonic() + random.uniform(0, min(every, 5))  # noqa: S311 - only spreads load
        elif known.folders != folders:
            known.due = 0.0
        known.folders, known.bundles, known.every = folders, frozenset(found), every

    def _drop(self, name: str) -> None:
        _end(self._pulled.pop(name))

    def _sweep(self) -> None:
        """What belongs to no source any more."""
        for entry in self._layout.remotes.iterdir():
            name = entry.name.removesuffix(".json")
            if ID.fullmatch(name) and name not in self._pulled:
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)

    # --- looking -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        now = time.monotonic()
        busy = [pulled for pulled in self._pulled.values() if pulled.looking is not None]
        for name, pulled in sorted(self._pulled.items(), key=lambda item: item[1].due):
            if pulled.due > now:
                break
            if pulled.looking is None and name in self._credentials and has_room(pulled, busy, now):
                self._look(name, pulled)
                busy.append(pulled)

    def _look(self, name: str, pulled: Pulled) -> None:
        home = self._layout.remotes / name
        home.mkdir(mode=0o700, exist_ok=True)
        for left in home.glob(".look-*"):
            shutil.rmtree(left, ignore_errors=True)
        job = Job(
            pulled.remote.kind, pulled.remote.place, pulled.folders, str(home), self._credentials[name],
            self._settings, pulled.state.trees, pulled.state.version,
        )  # fmt: skip
        pulled.again = False
        pulled.since = time.monotonic()
        pulled.looking = looking.begin(job, [*self._prefix, *self._confinement.prefix(home)])

    def _take_in(self) -> None:
        for name, pulled in self._pulled.items():
            look = pulled.looking
            if look is not None and look.over:
                pulled.looking = None
                self._keep(name, pulled, look.result(), look.began)

    def _keep(self, name: str, pulled: Pulled, seen: Seen, now: float) -> None:
        before = pulled.state
        if seen.error is not None:
            state = State(
                before.version, before.trees, before.left_out, before.missing,
                now, before.fetched_at, before.failures + 1, seen.error,
            )  # fmt: skip
        else:
            left_out = {folder: seen.left_out.get(folder, before.left_out.get(folder, {})) for folder in seen.trees}
            state = State(seen.version, seen.trees, left_out, seen.missing, now, now)
        pulled.state = state
        states.write(self._layout.remotes, name, state)
        pulled.due = time.monotonic() + (0.0 if pulled.again else _pause(pulled.every, state.failures))
        if set(before.trees.values()) != set(state.trees.values()):
            current = set(state.trees.values())
            older = dict.fromkeys([*before.trees.values(), *pulled.retired])
            pulled.retired = [tree for tree in older if tree not in current][: RETIRED * max(1, len(pulled.folders))]
            Trees(self._layout.remotes / name).keep_only([*state.trees.values(), *pulled.retired])
        if (before.version, before.error, before.missing) != (state.version, state.error, state.missing):
            _tell(pulled)

    # --- waiting -----------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        now = time.monotonic()
        looks = [pulled.looking for pulled in self._pulled.values() if pulled.looking is not None]
        waits = [pulled.due for pulled in self._pulled.values() if pulled.looking is None]
        # What is due and could not begin waits for the end of another.
        moments = [look.until for look in looks] + [due for due in waits if due > now]
        pause = min(max(0.0, min(moments, default=now + LOOK_AGAIN) - now), LOOK_AGAIN)
        poller = select.poll()
        poller.register(self._bell, select.POLLIN)
        descriptors = [os.pidfd_open(look.process.pid) for look in looks if look.process.poll() is None]
        for descriptor in descriptors:
            poller.register(descriptor, select.POLLIN)
        with contextlib.suppress(InterruptedError):
            poller.poll(pause * 1000 if len(descriptors) == len(looks) else 0)
        for descriptor in descriptors:
            os.close(descriptor)
        self._rung()

    def _rung(self) -> None:
        """Look now: somebody asked for these bundles."""
        asked = bells.rings(self._bell)
        for pulled in self._pulled.values():
            if asked & pulled.bundles:
                pulled.due, pulled.again = 0.0, pulled.looking is not None


def settings_of(airflow_cfg: Path) -> SourceSettings:
    """What the platform's owner says, from the configuration as ``up`` wrote it."""
    parser = configparser.RawConfigParser()
    with contextlib.suppress(OSError, configparser.Error):
        parser.read(airflow_cfg, encoding="utf-8")
    return SourceSettings.read(lambda section, key: parser.get(section, key, fallback=None))


def _wanted(document: Mapping[str, Mapping[str, Mapping[str, object]]]) -> dict[str, dict[str, Remote]]:
    """Remote → bundle → what it wants of it."""
    found: dict[str, dict[str, Remote]] = {}
    for bundle, entry in document["bundles"].items():
        described = entry.get("remote")
        if isinstance(described, dict):
            remote = Remote.from_dict(described)
            found.setdefault(remote.id, {})[bundle] = remote
    return found


def has_room(wanted: Pulled, busy: Sequence[Pulled], now: float) -> bool:
    """Whether one more may be looked at. Those that are known to be well always find a place soon."""
    quick = [pulled for pulled in busy if pulled.since > now - QUICK_SECONDS]
    if len(quick) >= QUICK_AT_ONCE or len(busy) >= AT_ONCE:
        return False
    if wanted.state.failures and sum(pulled.state.failures > 0 for pulled in busy) >= FAILED_AT_ONCE:
        return False
    return wanted.proven or sum(not pulled.proven for pulled in busy) < NEW_AT_ONCE


def _pause(every: int, failures: int) -> float:
    """Until the next look: not all in step, and longer and longer after failures."""
    length = min(every * 2.0 ** min(failures, 10), max(LONGEST_PAUSE, every)) if failures else float(every)
    return length * random.uniform(0.9, 1.1)  # noqa: S311 - only spreads load


def _end(pulled: Pulled) -> None:
    """End a look with all that it started."""
    if pulled.looking is not None:
        pulled.looking.end()
        pulled.looking = None


def _tell(pulled: Pulled) -> None:
    names, state = ", ".join(sorted(pulled.bundles)), pulled.state
    if state.error is not None:
        log.warning("%s: %s (fix: %s)", names, *state.error)
    else:
        log.info("%s: at %s", names, (state.version or "")[:12])
    for folder, fix in state.missing.items():
        log.warning("%s: there is no folder %s (fix: %s)", names, folder, fix)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size
    return None


def main() -> None:
    """Run until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    layout = HomeLayout(home_root())
    puller = Puller(layout, bells.run_dir(), settings_of(layout.airflow / "airflow.cfg"))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: puller.stop())
    puller.run()


if __name__ == "__main__":
    main()
