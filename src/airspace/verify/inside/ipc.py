"""Memory that processes share by a number (System V)."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

from airspace.verify.inside import libc
from airspace.verify.inside.acts import Refused, act
from airspace.verify.inside.facts import Facts

_CREATE, _REMOVE, _READ_ONLY = 0o1000, 0, 0o10000
_SIZE = 4096


def _key(facts: Facts) -> int:
    return int(facts.nonce, 16) & 0x7FFFFFFF


@contextlib.contextmanager
def lent(facts: Facts) -> Iterator[None]:
    """A segment of the victim's with the secret in it."""
    number = libc.call("shmget", _key(facts), ctypes.c_size_t(_SIZE), _CREATE | 0o600)
    try:
        with _attached(number, 0) as address:
            ctypes.memmove(address, facts.secret.encode(), len(facts.secret))
        yield
    finally:
        libc.call("shmctl", number, _REMOVE, None)


@contextlib.contextmanager
def _attached(number: int, flags: int) -> Iterator[int]:
    library = ctypes.CDLL(None, use_errno=True)
    library.shmat.restype = ctypes.c_void_p
    address = library.shmat(number, None, flags)
    if address in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "shmat")
    try:
        yield int(address)
    finally:
        library.shmdt(ctypes.c_void_p(address))


@act("processes.shared-memory")
def shared_memory(facts: Facts) -> str:
    number = libc.call("shmget", _key(facts), ctypes.c_size_t(0), 0)
    with _attached(number, _READ_ONLY) as address:
        if ctypes.string_at(address, len(facts.secret)) != facts.secret.encode():
            raise Refused("something else is there")
    return "read the victim's shared memory"
