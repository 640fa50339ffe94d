"""Giving out what a team made, so that a browser does nothing with it but show it, or save it.

A page of a team's is a document without an origin and without scripts: it can read no cookie and no storage, ask the
platform nothing as its reader, move no window, and load nothing from anywhere. The headers say so, so that it holds
in a frame of ours and by its address alike. What no header stops is taken out: browsers connect to what a ``<link>``
names before anything is loaded from there (docs/adr/0029-artifacts.md).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from fastapi.responses import StreamingResponse

from airspace.airflow.web.pages.viewings import SAVE_SECONDS, Viewing
from airspace.storage.viewing.answers import Opened
from airspace.storage.viewing.pictures import HTML, SVG

POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; media-src data:;"
    " form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
HEADERS = {  # beside those of every answer of ours: no guessing of types, and kept nowhere
    "content-security-policy": POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-dns-prefetch-control": "off",
    "x-frame-options": "SAMEORIGIN",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-robots-tag": "noindex",
}
_UNKNOWN = "application/octet-stream"
_CONNECTING = re.compile(rb"<(?:link|iframe)", re.IGNORECASE)
_INSTEAD = {5: b"<meta", 7: b"<source"}
_OVERLAP = 6  # what may be the beginning of one
_OTHER_LETTERS = (b"\xfe\xff", b"\xff\xfe")


class Shown(StreamingResponse):
    """The bytes as they come. However that ends, the process they come from ends, too."""

    def __init__(self, found: Opened, viewing: Viewing, name: str) -> None:
        kind = f"{HTML}; charset=utf-8" if found.type == HTML else found.type or _UNKNOWN
        headers = {
            **HEADERS,
            "content-length": str(found.bytes),
            # As it is: what is packed on the way keeps the server busy, and nobody knows how long it is.
            "content-encoding": "identity",
            "content-disposition": disposition(_how(found.type), name),
        }
        pieces = viewing.pieces(found.bytes)
        super().__init__(harmless(pieces) if found.type == HTML else pieces, headers=headers, media_type=kind)
        self._viewing = viewing

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        try:
            await asyncio.wait_for(super().__call__(scope, receive, send), SAVE_SECONDS)
        finally:
            self._viewing.close()


def _how(kind: str | None) -> str:
    """A drawing by itself is a document, in which much may hide; in an image it is shown whatever this says."""
    return "attachment" if kind in (None, SVG) else "inline"


async def harmless(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A page without links to other resources and without frames, as long as it was.

    No parser makes such an element of anything but these letters. They become elements that do nothing, as whoever
    wrote the page could have written them.
    """
    carry, first = b"", True
    async for piece in pieces:
        data = carry + piece
        if first and len(data) >= 2:
            # These marks would say that the letters are others, whatever the header says.
            data, first = (b"  " + data[2:] if data[:2] in _OTHER_LETTERS else data), False
        data = _CONNECTING.sub(lambda found: _INSTEAD[len(found[0])], data)
        carry = data[-_OVERLAP:]
        yield data[:-_OVERLAP]
    yield carry


def disposition(how: str, name: str) -> str:
    """The header's value. A name is a team's: what could end it, or lead elsewhere, is not in it."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in name).lstrip(".")
    return f"{how}; filename=\"{plain or 'file'}\"; filename*=UTF-8''{quote(name, safe='')}"
