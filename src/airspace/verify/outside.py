"""The machine's side: what attackers would like to reach, who looks whether they did, controls outside of sandboxes."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airspace.backends.airflow_rest import Session
from airspace.model.errors import AirspaceError
from airspace.verify.inside.facts import (
    DAGS,
    FLOOD,
    TASK,
    UNSHARED,
    VICTIM,
    Facts,
    ancestor,
    identity,
    process,
)
from airspace.verify.inside.runner import Result
from airspace.verify.inside.task import HELD_UP

# Says when the signal of `signals.everybody` reaches it, and when `exhaustion.inotify` leaves nothing for its user.
_LISTENER = """
import ctypes, os, signal
libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])
print("up", flush=True)
while True:
    if signal.sigtimedwait([signal.SIGURG], 0.1):
        print("signalled", flush=True)
    handle = libc.inotify_init1(0)
    if handle < 0:
        print("starved", flush=True)
    else:
        os.close(handle)
"""
RUNNER = "airspace.verify.inside.runner"
_SECONDS = 600.0  # all controls together, on a busy machine


@dataclass
class Decoys:
    """Listeners and a file on the machine, and a process that notices a signal."""

    nonce: str
    uid: int
    gid: int
    home_id: str
    _sockets: list[socket.socket] = field(default_factory=list)
    _words: set[str] = field(default_factory=set)
    _child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Decoys:
        prefix = f"airspace-verify-{self.home_id}-"
        _sweep(prefix)
        self.folder = Path(tempfile.mkdtemp(prefix=prefix))
        self.folder.chmod(0o755)
        self.file = self.folder / "canary.txt"
        self.file.write_text(self.nonce)
        self.unix = self._listen(socket.AF_UNIX, str(self.folder / "s"))
        (self.folder / "s").chmod(0o777)
        self.abstract = f"airspace-verify-outside-{self.nonce}"
        self._listen(socket.AF_UNIX, "\0" + self.abstract)
        self.tcp = self._listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self.reach, self.trap = self._greet(), self._greet()
        self.tcp6 = 0
        with contextlib.suppress(OSError):
            self.tcp6 = self._listen(socket.AF_INET6, ("::1", 0)).getsockname()[1]
        self.bell = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.bell.bind(("127.0.0.1", 0))
        self._sockets.append(self.bell)
        self.udp = self.bell.getsockname()[1]
        self._start_listener()
        return self

    def _greet(self) -> int:
        """A port of the loopback where everybody is greeted."""
        link = self._listen(socket.AF_INET, ("127.0.0.1", 0))
        threading.Thread(target=_greet_all, args=(link,), daemon=True).start()
        return int(link.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        for link in self._sockets:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)  # wakes up who waits for a guest
            link.close()
        for path in (self.file, self.folder / "s"):
            path.unlink(missing_ok=True)
        self.folder.rmdir()

    def _listen(self, family: int, address: Any) -> socket.socket:
        link = socket.socket(family, socket.SOCK_STREAM)
        self._sockets.append(link)
        link.bind(address)
        link.listen(64)
        return link

    def _start_listener(self) -> None:
        """A process of the platform's user, as the platform's own are."""
        who: dict[str, Any] = {"user": self.uid, "group": self.gid, "extra_groups": []} if os.getuid() == 0 else {}
        self._child = subprocess.Popen(
            [_plain_python(), "-I", "-c", _LISTENER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd="/", **who
        )
        if not self.heard("up", 10.0):
            raise AirspaceError("a helper process of verify did not start", fix="airspace doctor")

    def heard(self, word: str, seconds: float = 0.3) -> bool:
        """Whether that process said it since the last look."""
        out = self._child.stdout if self._child else None
        if out is not None and select.select([out], [], [], seconds)[0]:
            self._words.update(os.read(out.fileno(), 65536).decode().split())
        said = word in self._words
        self._words.discard(word)
        return said

    def datagrams(self) -> set[str]:
        """Who sent one since the last look."""
        heard = set()
        while select.select([self.bell], [], [], 0.1)[0]:
            heard.add(self.bell.recv(512).decode(errors="replace"))
        return heard


def _greet_all(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            guest, _ = link.accept()
            with guest, contextlib.suppress(OSError):
                guest.sendall(b"hello")


def _sweep(prefix: str) -> None:
    """What a verify of this home left behind that was killed; there is one at a time."""
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        found = left.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)


def _plain_python() -> str:
    """An interpreter that every user can run, if there is one."""
    found = Path("/usr/bin/python3")
    return str(found) if os.getuid() == 0 and found.exists() else sys.executable


def decoy_facts(decoys: Decoys) -> dict[str, Any]:
    """What is the same whatever is attacked: the decoys, and the machine."""
    return {
        "init": {"pid": 1, "born": process(1).born},
        "caller_home": str(Path.home()),
        "outside_file": str(decoys.file),
        "outside_socket": str(decoys.folder / "s"),
        "outside_abstract": decoys.abstract,
        "outside_tcp": decoys.tcp,
        "outside_tcp6": decoys.tcp6,
        "outside_udp": decoys.udp,
        "nameserver": _nameserver(),
        "machine_name": _own_name(),
        "reach": decoys.reach,
        "trap": decoys.trap,
    }


def identities(folders: Iterable[Path]) -> dict[str, str]:
    """What these folders are on the machine itself."""
    found = {}
    for folder in folders:
        with contextlib.suppress(OSError):
            found[str(folder)] = identity(folder.stat())
    return found


def victim_facts(facts: Facts, report: Mapping[str, Any], pid: int | None, logs: Path) -> Facts:
    """The facts with everything about the victim's task, which is running.

    :param pid: its process, as this machine numbers it
    :param logs: where the logs of tasks are
    """
    changes: dict[str, Any] = {
        "victim_address": report["address"],
        "victim_port": report["port"],
        "victim_ti": report["ti"],
    }
    if pid:
        changes["victim"] = vars(process(pid))
        changes["zygote"] = vars(process(ancestor(pid)))
    found = sorted(logs.glob(f"dag_id={DAGS[VICTIM]}/run_id={facts.victim_run}/**/*.log"))
    if found:
        changes["victim_log"] = str(found[0])
    with contextlib.suppress(OSError):
        changes["handle_type"], changes["handle"] = _handle(facts.private)
    return Facts.from_dict(facts.as_dict(), **changes)


def hashes(texts: Iterable[str], config: Path) -> tuple[str, ...]:
    """Of secrets, and of the database's addresses in a configuration: to recognise one that is found."""
    values = [text.strip() for text in texts]
    with contextlib.suppress(OSError):
        lines = config.read_text().splitlines()
        values += [
            line.partition("=")[2].strip().replace("%%", "%") for line in lines if line.startswith("sql_alchemy")
        ]
    return tuple(hashlib.sha256(value.encode()).hexdigest() for value in values if value)


def _own_name() -> str:
    """This machine's name, if it can be looked up."""
    name = socket.gethostname().lower()
    with contextlib.suppress(OSError):
        socket.gethostbyname(name)
        return name
    return ""


def _nameserver() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/etc/resolv.conf").read_text().splitlines():
            if line.startswith("nameserver "):
                return line.split()[1].partition("%")[0]
    return ""


def _handle(path: Path) -> tuple[int, str]:
    """What ``open_by_handle_at`` takes."""

    class Handle(ctypes.Structure):
        _fields_ = (("size", ctypes.c_uint), ("kind", ctypes.c_int), ("data", ctypes.c_ubyte * 128))

    handle, mount = Handle(128), ctypes.c_int()
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.name_to_handle_at(-100, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount), 0)
    if done < 0:
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    return handle.kind, bytes(handle.data[: handle.size]).hex()


def controls_outside(acts: Collection[str], facts: Facts) -> dict[str, Result]:
    """The same functions by whoever runs verify, in no sandbox."""
    if not acts:
        return {}
    payload = json.dumps({"acts": list(acts), "facts": facts.as_dict()})
    done = subprocess.run(
        [sys.executable, "-m", RUNNER, "outside"],
        input=payload, capture_output=True, text=True, check=False, timeout=_SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise AirspaceError(f"the controls failed: {done.stderr.strip()[-300:]}", fix="airspace doctor")
    return results(json.loads(done.stdout)["results"])


class PlatformControls(threading.Thread):
    """The same functions as the platform's user; begun early, because importing Airflow takes its time.

    :param ask: has the runner do them, in a process of that user
    """

    def __init__(
        self, ask: Callable[[Mapping[str, Any]], Mapping[str, Any]], acts: Collection[str], facts: Facts
    ) -> None:
        super().__init__(daemon=True)
        self._ask, self._acts, self._facts = ask, list(acts), facts
        self._found: dict[str, Result] = {}

    def run(self) -> None:
        """The thread."""
        if self._acts:
            try:
                self._found = results(self._ask({"acts": self._acts, "facts": self._facts.as_dict()})["results"])
            except AirspaceError as error:
                self._found = {name: Result("refused", error.message) for name in self._acts}

    def results(self) -> dict[str, Result]:
        """Once it is done."""
        self.join(_SECONDS)
        return self._found


def results(found: Mapping[str, Any]) -> dict[str, Result]:
    """Read what ``as_json`` made."""
    return {name: Result(**item) for name, item in found.items()}


class Witness:
    """Looks over REST, and at the decoys, whether an act by this role had its effect."""

    def __init__(self, session: Session, decoys: Decoys, nonce: str, storage: Path) -> None:
        self._session, self._decoys, self._nonce, self._storage = session, decoys, nonce, storage
        self._since = 0.0

    def attack_begins(self) -> None:
        """What was noticed before is not this one's doing."""
        self._since = time.time()

    def see(self, attack: str, role: str, said: Result) -> Result:
        """The result with what was seen."""
        looks: dict[str, tuple[Callable[[], bool], str]] = {
            "signals.everybody": (lambda: self._decoys.heard("signalled"), "a process outside was signalled"),
            "exhaustion.inotify": (lambda: self._decoys.heard("starved"), "nothing was left for the platform's user"),
            "exhaustion.relay": (lambda: self._held_up(role, said), "the victim's connection was held up"),
            "network.datagram": (lambda: role in self._decoys.datagrams(), "the datagram arrived"),
            "names.variable-set": (lambda: self._written(role), "the victim's variable was overwritten"),
            "callbacks.variable-set": (lambda: self._written(role), "the victim's variable was overwritten"),
            "triggers.variable-set": (lambda: self._written(role), "the victim's variable was overwritten"),
            "names.variable-delete": (lambda: self._deleted(role), "the victim's variable is gone"),
            "names.asset-emit": (lambda: self._emitted(role), "the event is there"),
            "exhaustion.xcom": (lambda: self._stored(role), "the value is in the database"),
        }
        look, success = looks[attack]
        if look():
            return Result("done", success, said.seconds)
        if said.outcome == "done":
            return Result("refused", said.said, said.seconds)
        return said

    def _held_up(self, role: str, said: Result) -> bool:
        """What the victim's task noticed while the attack went on; of its own doing it tells itself."""
        if role == VICTIM:
            return said.outcome == "done"
        with contextlib.suppress(OSError):
            return (self._storage / VICTIM / HELD_UP).lstat().st_mtime >= self._since
        return False

    def _written(self, role: str) -> bool:
        value = self._session.ask("GET", f"/variables/{VICTIM}.verify_written")
        return value.ok and value.body["value"] == f"{role}-{self._nonce}"

    def _deleted(self, role: str) -> bool:
        return self._session.ask("GET", f"/variables/{VICTIM}.verify_doomed_{role}").status == 404

    def _stored(self, role: str) -> bool:
        run = f"verify-{'hold' if role == VICTIM else 'xcom'}-{self._nonce}"
        path = f"/dags/{DAGS[role]}/dagRuns/{run}/taskInstances/{TASK}/xcomEntries"
        found = self._session.ask("GET", path, limit="100")
        return found.ok and any(entry["key"] == FLOOD for entry in found.body["xcom_entries"])

    def _emitted(self, role: str) -> bool:
        events = self._session.asset_events(source_dag_id=DAGS[role]) if role in DAGS else []
        return any(event.name == UNSHARED and self._nonce in str(event.source_run) for event in events)


def ignore_interrupts() -> None:
    """While what was planted is taken back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
