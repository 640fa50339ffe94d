"""Amounts of memory and disk as people write them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(text: str | int) -> int:
    """Bytes of ``4G``, ``512M``, ``1.5GiB`` or a plain number. A unit is a power of 1024.

    :raises ValueError: it is not a size
    """
    if isinstance(text, bool):
        raise ValueError("not a size")
    if isinstance(text, int):
        return text
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError("not a size")
    return int(float(found[1]) * 1024 ** _POWER[found[2].upper()])
