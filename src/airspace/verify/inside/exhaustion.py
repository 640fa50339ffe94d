"""Using up what is everybody's. Bounded: where nothing stops them, the machine survives."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from airspace.verify.inside import libc
from airspace.verify.inside.acts import Refused, act
from airspace.verify.inside.facts import ATTACKER, DAGS, FLOOD, TASK, Facts

# The attacker's team file allows: 512M, half a core, 64 processes, 64M of scratch.
MEMORY, CPU, PROCESSES, SCRATCH = 512 << 20, 0.5, 64, 64 << 20
# Of the platform, by default: 256 MB of log a try, 32 MB a message. What is allowed, and what must not be, in MB.
ALLOWED_LOG, ATTEMPT_LOG, ALLOWED_XCOM, ATTEMPT_XCOM = 8, 288, 20, 40
_BLOCK = 1 << 20


def _fill(size: int) -> list[bytearray]:
    return [bytearray(os.urandom(4096) * (_BLOCK // 4096)) for _ in range(size // _BLOCK)]


@act("exhaustion.memory-process")
def memory_process(_facts: Facts) -> str:
    held = _fill(MEMORY * 3 // 2)
    return f"one process holds {len(held)} MB"


@act("exhaustion.memory")
def memory(_facts: Facts) -> str:
    """Several processes, each of them below the limit of one."""
    count, each = 4, MEMORY // 4 + MEMORY // 8
    reader, writer = os.pipe()
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            with suppress(MemoryError):
                held = _fill(each)
                os.write(writer, b"+")
                time.sleep(2)
                del held
            os._exit(0)
        children.append(child)
    os.close(writer)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    full = len(os.read(reader, count))
    if full < count or any(codes):
        raise Refused(f"{full} of {count} processes got their {each >> 20} MB, then the kernel ended what was too much")
    return f"{count} processes hold {each * count >> 20} MB"


@act("exhaustion.processor")
def processor(_facts: Facts) -> str:
    seconds, count = 1.5, 3
    ends = time.monotonic() + seconds
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            while time.monotonic() < ends:
                pass
            os._exit(0)
        children.append(child)
    used = 0.0
    for child in children:
        _, _, usage = os.wait4(child, 0)
        used += usage.ru_utime + usage.ru_stime
    cores = used / seconds
    if cores < CPU * 1.5:
        raise Refused(f"{count} busy processes got {cores:.2f} cores together")
    return f"{count} busy processes got {cores:.2f} cores together"


@act("exhaustion.processes")
def processes(_facts: Facts) -> str:
    wanted = PROCESSES * 3
    children: list[int] = []
    try:
        for _ in range(wanted):
            child = os.fork()
            if child == 0:
                time.sleep(5)
                os._exit(0)
            children.append(child)
    except OSError as error:
        raise Refused(f"{len(children)} processes, then: {error.strerror}") from None
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
    return f"{wanted} processes at once"


def _write(folder: str, size: int) -> str:
    path = Path(folder, f"airspace-verify-{os.getpid()}")
    block = os.urandom(_BLOCK)
    written = 0
    try:
        with path.open("wb", buffering=0) as file:
            while written < size:
                written += file.write(block)
    except OSError as error:
        raise Refused(f"{written >> 20} MB, then: {error.strerror}") from None
    finally:
        path.unlink(missing_ok=True)
    return f"{written >> 20} MB in {folder}"


@act("exhaustion.scratch")
def scratch(_facts: Facts) -> str:
    return _write(tempfile.gettempdir(), SCRATCH * 2)


@act("exhaustion.shared-memory")
def shared_memory(_facts: Facts) -> str:
    return _write("/dev/shm", SCRATCH * 2)  # noqa: S108


@act("exhaustion.storage")
def storage(facts: Facts) -> str:
    return _write(str(facts.own_storage), SCRATCH * 2)


@act("exhaustion.descriptors")
def descriptors(_facts: Facts) -> str:
    wanted = 8192
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held: list[int] = []
    try:
        while len(held) < wanted:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        raise Refused(f"{len(held)} descriptors, then: {error.strerror}") from None
    return f"{wanted} descriptors in one process"


@act("exhaustion.inotify")
def inotify(_facts: Facts) -> str:
    """Whether the platform still gets one meanwhile, a process outside tells."""
    held = 0
    with suppress(OSError):
        while held < 4096:
            libc.call("inotify_init1", 0)
            held += 1
    time.sleep(1.5)
    return f"holds {held} inotify instances, and the platform still gets its own"


@act("exhaustion.log")
def log(facts: Facts) -> str:
    """More than one try may log; as the owner much less, which shows that the way is open."""
    megabytes = ATTEMPT_LOG if _attacks(facts) else ALLOWED_LOG
    lines = ("x" * 65535 + "\n") * 16
    for _ in range(megabytes):
        sys.__stdout__.write(lines)  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]
    return f"printed {megabytes} MB into the log"


@act("exhaustion.xcom")
def xcom(facts: Facts) -> str:
    """A value that is larger than what the platform takes; as the owner one that it does take."""
    from airspace.verify.inside.names import _send

    attacks = _attacks(facts)
    megabytes = ATTEMPT_XCOM if attacks else ALLOWED_XCOM
    run = os.environ["VERIFY_RUN"] if attacks else facts.victim_run
    place = {"dag_id": DAGS[facts.own], "run_id": run, "task_id": TASK, "key": FLOOD}
    _send("SetXCom", **place, value="x" * (megabytes << 20), map_index=-1)
    return f"stored an XCom of {megabytes} MB"


def _attacks(facts: Facts) -> bool:
    return facts.own == ATTACKER
