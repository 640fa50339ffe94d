"""Text of a stranger's: decoded as far as it goes, in bounded pieces, unpacked as far as it is shown."""

from __future__ import annotations

import codecs
import gzip
import json
import os
from typing import Any

HEAD = 256 * 1024
WHOLE = 4 << 20  # of what has to be read whole to be understood: JSON, notebooks
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def head(handle: int, name: str, most: int = HEAD) -> tuple[bytes, bool]:
    """Its first bytes, unpacked if the name ends in ``.gz``; and whether there is more.

    :raises OSError: it is no gzip
    :raises EOFError: it ends in the middle
    """
    # Unpacked is only what is asked for: a file that unpacks to terabytes costs as much as any other.
    with os.fdopen(os.dup(handle), "rb") as plain:
        plain.seek(0)
        if name.lower().endswith(".gz"):
            with gzip.GzipFile(fileobj=plain) as packed:
                data = packed.read(most + 1)
        else:
            data = plain.read(most + 1)
    return data[:most], len(data) > most


def is_text(data: bytes) -> bool:
    """Whether a person could read it."""
    return any(data.startswith(mark) for mark, _ in _BOMS) or b"\0" not in data[:8192]


def decoded(data: bytes) -> str:
    """As text; what is none is shown as what it is not."""
    encoding = next((encoding for mark, encoding in _BOMS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, "replace")


def notebook(data: bytes) -> str | None:
    """The cells of a notebook as text, outputs that are pictures left out; None: it is no notebook."""
    try:
        found = json.loads(data)
        cells = found["cells"]
        return "\n\n".join(_cell(number, cell) for number, cell in enumerate(cells, 1)) or "(no cells)"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _cell(number: int, cell: dict[str, Any]) -> str:
    source = _joined(cell.get("source", ""))
    if cell.get("cell_type") != "code":
        return source
    outputs = [_output(output) for output in cell.get("outputs", [])]
    return "\n".join([f"[{number}] " + source.replace("\n", "\n    "), *(text for text in outputs if text)])


def _output(output: dict[str, Any]) -> str:
    if "text" in output:
        return _joined(output["text"])
    if "ename" in output:
        return f"{output['ename']}: {output.get('evalue', '')}"
    return _joined(output.get("data", {}).get("text/plain", ""))


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)
