"""Processes: seeing others, and looking into them."""

from __future__ import annotations

import ctypes
import os
import re
import resource
from functools import partial
from pathlib import Path

from airspace.verify.inside import libc
from airspace.verify.inside.acts import Refused, act, first
from airspace.verify.inside.facts import Facts, Process, ancestor, process

_PTRACE_SEIZE = 0x4206
_SECRETS = re.compile(rb"FERNET_KEY=|JWT_SECRET=|postgresql(?:\+\w+)?://[^\s:@]+:[^\s@]+@")


@act("processes.see")
def see(facts: Facts) -> str:
    def try_one(name: str, target: Process) -> str:
        return f"saw {name} as process {target.look()}"

    return first([partial(try_one, name, target) for name, target in _targets(facts)])


def _targets(facts: Facts) -> list[tuple[str, Process]]:
    return [("the victim's task", facts.victim), *facts.control.items()]


@act("processes.environment")
def environment(facts: Facts) -> str:
    def try_one(name: str, target: Process) -> str:
        found = Path("/proc", str(target.look()), "environ").read_bytes()
        return f"read {len(found)} bytes of the environment of {name}"

    return first([partial(try_one, name, target) for name, target in facts.control.items()])


@act("processes.own-environment")
def own_environment(facts: Facts) -> str:
    if facts.outside:  # the control has one
        os.environ["AIRFLOW__CORE__FERNET_KEY"] = "planted"
    places = [os.fsencode(f"{key}={value}") for key, value in os.environ.items()]
    pid = os.getpid()
    while pid > 0:
        try:
            places += Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
            pid = ancestor(pid)
        except OSError:
            break
    for entry in places:
        if _SECRETS.search(entry):
            return f"found {entry.split(b'=')[0].decode()} in its environment"
    raise Refused(f"no secret in {len(places)} variables, of its own and of its parents")


@act("processes.ptrace")
def ptrace(facts: Facts) -> str:
    def try_one(name: str, target: Process) -> str:
        libc.call("ptrace", _PTRACE_SEIZE, ctypes.c_long(target.look()), None, None)
        return f"traces {name}"  # until this process ends, in a moment

    return first([partial(try_one, name, target) for name, target in _targets(facts)[:1]])


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


@act("processes.vm-read")
def vm_read(facts: Facts) -> str:
    size = len(facts.secret)
    buffer = ctypes.create_string_buffer(size)
    local, remote = _Vector(ctypes.addressof(buffer), size), _Vector(facts.victim_address, size)
    read = libc.call(
        "process_vm_readv", facts.victim.look(), ctypes.byref(local), ctypes.c_ulong(1), ctypes.byref(remote),
        ctypes.c_ulong(1), ctypes.c_ulong(0),
    )  # fmt: skip
    if buffer.raw != facts.secret.encode():
        raise Refused(f"{read} bytes of something else")
    return "read the victim's secret in its memory"


def _memory(target: Process, address: int, size: int) -> bytes:
    with Path("/proc", str(target.look()), "mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)


@act("processes.memory")
def memory(facts: Facts) -> str:
    if _memory(facts.victim, facts.victim_address, len(facts.secret)) != facts.secret.encode():
        raise Refused("something else is there")
    return "read the victim's secret in its memory"


@act("processes.zygote-memory")
def zygote_memory(facts: Facts) -> str:
    """The process that its own team's tasks are forked from."""
    target = facts.zygote if facts.outside else process(ancestor(os.getppid()))
    Path("/proc", str(target.look()), "mem").open("rb").close()
    return "opened the memory of the process that forks tasks"


@act("processes.descriptor")
def descriptor(facts: Facts) -> str:
    handle = os.pidfd_open(facts.victim.look())
    taken = libc.syscall("pidfd_getfd", handle, 0, 0)
    return f"took descriptor 0 of the victim's task: {Path('/proc/self/fd', str(taken)).readlink()}"


@act("processes.core-dump")
def core_dump(_facts: Facts) -> str:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if soft == hard == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096))
    return "its memory would be written to a file of the machine when it crashes"
