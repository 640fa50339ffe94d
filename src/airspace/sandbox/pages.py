"""The pages of memory that a fork makes its own, so that the next one can have them before it is needed.

A fork shares its parent's memory until it writes, and Python writes wherever it looks: it counts references. Thousands
of pages are copied one by one while a task begins, most of them the same in every task. A process that waits for work
anyway can have them copied meanwhile.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

MOST_RANGES, MOST_PAGES = 4096, 16_384
_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, since Linux 5.14
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ENTRY = 8
_PRESENT, _EXCLUSIVE = 1 << 63, 1 << 56
_AT_ONCE = 100  # ranges between two looks at whether there is something better to do

Range = tuple[int, int]
"""Address and length, in bytes."""


def own() -> list[Range]:
    """Memory that this process shares with nobody and may write to; not all, if that is much.

    Nothing where the kernel does not tell.
    """
    found: list[Range] = []
    count = 0
    with suppress(OSError, ValueError), Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        for start, end in list(_writable()):
            pagemap.seek(start // _PAGE * _ENTRY)
            told = pagemap.read((end - start) // _PAGE * _ENTRY)
            for number, (entry,) in enumerate(struct.iter_unpack("=Q", told)):
                if entry & _PRESENT and entry & _EXCLUSIVE:
                    address, count = start + number * _PAGE, count + 1
                    if count > MOST_PAGES // 2 or len(found) == MOST_RANGES:
                        return found
                    if found and address - sum(found[-1]) <= _PAGE:  # one page between two costs less than another call
                        found[-1] = (found[-1][0], address + _PAGE - found[-1][0])
                    else:
                        found.append((address, _PAGE))
    return found


def accepted(told: Any) -> list[Range]:
    """What a process that ran a team's code says of itself, if that can be meant.

    :raises ValueError: it cannot
    """
    ranges = [(int(start), int(length)) for start, length in told]
    if any(start % _PAGE or length % _PAGE or not 0 < length <= start < 1 << 47 for start, length in ranges):
        raise ValueError("these are no pages")
    if len(ranges) > MOST_RANGES or sum(length for _, length in ranges) > MOST_PAGES * _PAGE:
        raise ValueError("it is too much")
    return ranges


def make_own(ranges: Sequence[Range], enough: Callable[[], bool]) -> None:
    """Copy them now; what is not there (any more) is no matter.

    :param enough: asked now and then
    """
    advise = ctypes.CDLL(None).madvise
    for number, (start, length) in enumerate(ranges):
        if number % _AT_ONCE == 0 and enough():
            return
        advise(ctypes.c_void_p(start), ctypes.c_size_t(length), _POPULATE_WRITE)


def _writable() -> Iterator[Range]:
    """Start and end of each private mapping that may be written."""
    with Path("/proc/self/maps").open() as maps:
        for line in maps:
            place, rights = line.split(maxsplit=2)[:2]
            if rights[1] == "w" and rights[3] == "p":
                start, end = place.split("-")
                yield int(start, 16), int(end, 16)
