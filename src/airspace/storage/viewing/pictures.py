"""What kind of thing a file is, by its first bytes and its name; and how large a picture would be, unpacked."""

from __future__ import annotations

import struct

PNG, JPEG, GIF, WEBP, SVG, HTML = (
    "image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml", "text/html",
)  # fmt: skip
SHOWN = (PNG, JPEG, GIF, WEBP, SVG, HTML)
"""What is sent to a browser as what it is; everything else is only ever downloaded."""
MOST_PIXELS = 50_000_000
_ENDINGS = {".html": HTML, ".htm": HTML, ".svg": SVG}


def kind_of(name: str, head: bytes) -> str | None:
    """One of ``SHOWN``, or None. Pictures by their bytes; documents by their name, as both are only text."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return GIF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    ending = next((ending for ending in _ENDINGS if name.lower().endswith(ending)), None)
    return _ENDINGS[ending] if ending and b"\0" not in head else None


def pixels(kind: str, head: bytes) -> int | None:
    """Width times height, or None where the first bytes do not say it."""
    try:
        if kind == PNG:
            width, height = struct.unpack(">II", head[16:24])
        elif kind == GIF:
            width, height = struct.unpack("<HH", head[6:10])
        elif kind == WEBP:
            return _webp(head)
        elif kind == JPEG:
            return _jpeg(head)
        else:
            return 0
    except struct.error:
        return None
    return int(width) * int(height)


def _webp(head: bytes) -> int | None:
    if head[12:16] == b"VP8X":
        return (1 + int.from_bytes(head[24:27], "little")) * (1 + int.from_bytes(head[27:30], "little"))
    return 0 if head[12:16] in (b"VP8 ", b"VP8L") else None  # 16383 by 16383 at most


def _jpeg(head: bytes) -> int | None:
    at = 2
    while at + 9 < len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return int(width) * int(height)
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None
