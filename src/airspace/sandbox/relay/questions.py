"""The name server's words: a question as it comes over the wire, and its answer. Pure; the other side is hostile."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

LONGEST = 512
_HEADER = struct.Struct("!6H")
_ANSWER = struct.Struct("!HHHIH4s")
_IS_ANSWER, _RECURSION_ASKED, _RECURSION_THERE, _OPCODE = 0x8000, 0x0100, 0x0080, 0x7800
_POINTER_TO_QUESTION = 0xC00C
_INTERNET, _ADDRESS = 1, 1
SECONDS = 60  # that an answer may be kept


class Code(IntEnum):
    """What an answer says without an address."""

    NOTHING = 0
    MALFORMED = 1
    FAILED = 2
    NO_SUCH_NAME = 3


@dataclass(frozen=True)
class Question:
    """One.

    :param name: in lower case, without the final dot; what is no text is replaced
    :param wants_address: whether it is for an IPv4 address, the only thing that there is
    """

    number: int
    flags: int
    text: bytes
    name: str
    wants_address: bool

    def answer(self, found: IPv4Address | Code) -> bytes:
        """The answer, with an address or without."""
        there = isinstance(found, IPv4Address)
        flags = _IS_ANSWER | (self.flags & _RECURSION_ASKED) | _RECURSION_THERE | (0 if there else int(found))
        head = _HEADER.pack(self.number, flags, 1, int(there), 0, 0) + self.text
        if not isinstance(found, IPv4Address):
            return head
        return head + _ANSWER.pack(_POINTER_TO_QUESTION, _ADDRESS, _INTERNET, SECONDS, 4, found.packed)


def read(data: bytes) -> Question | None:
    """Read one; None for anything else, which gets no answer: a client of our own making asks properly."""
    if not _HEADER.size < len(data) <= LONGEST:
        return None
    number, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
    if flags & (_IS_ANSWER | _OPCODE) or questions != 1 or answers:
        return None
    labels, at = [], _HEADER.size
    while at < len(data) and data[at]:
        length = data[at]
        if length > 63 or at + length + 1 >= len(data):  # no pointers: there is nothing to point to yet
            return None
        labels.append(data[at + 1 : at + 1 + length])
        at += length + 1
    end = at + 5
    if not labels or at - _HEADER.size > 254 or end > len(data):
        return None
    kind, family = struct.unpack_from("!HH", data, at + 1)
    name = b".".join(labels).lower().decode("ascii", errors="replace")
    return Question(number, flags, data[_HEADER.size : end], name, (kind, family) == (_ADDRESS, _INTERNET))
