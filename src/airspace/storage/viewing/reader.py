"""The process in a team's sandbox that looks at something for somebody: one question, one answer, and then it ends.

Everything that it opens is a stranger's, also to itself. It waits for nothing, unpacks only what it shows, and has
bounds that the kernel holds; whoever asked ends it when its time is over.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import gzip
import json
import os
import resource
import signal
import socket
import struct
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from airspace.sdk.errors import SdkError
from airspace.sdk.layout import MANIFEST, PUBLISHED, AssetLayout
from airspace.sdk.manifest import Manifest, from_json
from airspace.storage.viewing import folders, parquet, pictures, tables, texts
from airspace.storage.viewing.opening import CannotOpenError, opened_file, opened_folder

HEADER = struct.Struct("!I")
FOLDER, PREVIEW, VERSIONS, SHOW, SAVE = "folder", "preview", "versions", "show", "save"
TABLE, TABLES = "table", "tables"  # of the warehouse: whoever starts the reader brings what can ask that
MOST_SHOWN = 16 << 20  # bytes of a picture or page
MOST_TEXT = 200_000
_MOST_ANSWER = 500_000  # so that with its escapes it is below what is taken
_MEMORY = 768 << 20
_SECONDS, _SAVE_SECONDS = 5, 600  # of the processor
_MOST_MANIFEST, _MOST_VERSIONS, _MOST_FILES, _MOST_COLUMNS, _MOST_INPUTS = 8 << 20, 10, 100, 300, 50
_MOST_LISTED = 2000

Question = Mapping[str, Any]
"""``what``: one of the words above; ``root`` and ``parts``: where; ``after``: of a folder, see there."""
Answerer = Callable[[Question], dict[str, Any]]


def main(stream: int, others: Mapping[str, Answerer]) -> NoReturn:
    """Answer one question and end.

    :param others: what answers questions about something else than files, by ``what``
    """
    stream = fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, 10)
    with socket.socket(fileno=stream) as link:
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        question = json.loads(_received(link))
        _bound(_SAVE_SECONDS if question["what"] == SAVE else _SECONDS)
        with contextlib.suppress(OSError):  # whoever asked may be gone
            answer(question, link, others)
    os._exit(0)


def answer(question: Question, link: socket.socket, others: Mapping[str, Answerer]) -> None:
    """Send the answer, and what follows it.

    :param others: see :func:`main`
    :raises OSError: nobody takes it
    """
    try:
        if question["what"] in (SHOW, SAVE):
            _send_file(question, link)
            return
        found = {**_ANSWERS, **others}[question["what"]](question)
    except CannotOpenError as error:
        found = {"failed": error.why}
    except MemoryError:
        found = {"failed": "memory"}
    except Exception:  # noqa: BLE001 - the end of a process: whatever a file did to it is its answer
        found = {"failed": "broken"}
    _send(link, found)


def _send(link: socket.socket, found: Mapping[str, Any]) -> None:
    body = json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    link.sendall(HEADER.pack(len(body)) + body)


def _received(link: socket.socket) -> bytes:
    data = bytearray()
    while len(data) < HEADER.size or len(data) < HEADER.size + HEADER.unpack(data[: HEADER.size])[0]:
        data += link.recv(65536) or _gone()
    return bytes(data[HEADER.size :])


def _gone() -> NoReturn:
    os._exit(0)


def _bound(seconds: int) -> None:
    """What the kernel holds it to. Nothing is written: not even by a library that would like to."""
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
        used = int(file.read().split()[0]) * resource.getpagesize()
    for what, most in (
        (resource.RLIMIT_AS, used + _MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    sys.setrecursionlimit(600)


# --- folders and versions --------------------------------------------------------------------------------------------


def _folder(question: Question) -> dict[str, Any]:
    return folders.folder(question["root"], question["parts"], question.get("after"))


def _versions(question: Question) -> dict[str, Any]:
    """Of an asset: newest first, as far as their manifests can be read."""
    root, (owner, _, asset) = question["root"], question["parts"]
    place = AssetLayout(root, owner, asset)
    found: list[Manifest] = []
    with opened_folder(root, question["parts"]) as handle, os.scandir(handle) as entries:
        for entry, _ in zip(entries, range(_MOST_LISTED), strict=False):
            if entry.is_dir(follow_symlinks=False) and (manifest := _manifest(place, entry.name)) is not None:
                found.append(manifest)
                found.sort(key=lambda each: -each.sequence)
                del found[_MOST_VERSIONS:]
    current = _current(root, question["parts"])
    versions = [_version(manifest) for manifest in found]
    while len(json.dumps(versions)) > _MOST_ANSWER:
        versions.pop()
    return {"current": current, "versions": versions}


def _current(root: str, parts: Sequence[str]) -> str | None:
    try:
        with opened_file(root, [*parts, "CURRENT"]) as (handle, _):
            return os.read(handle, 150).decode("utf-8", "replace").strip()[:150]
    except CannotOpenError:
        return None


def _manifest(place: AssetLayout, version: str) -> Manifest | None:
    try:
        with opened_file(str(place.root), [place.team, PUBLISHED, place.asset, version, MANIFEST]) as (handle, is_):
            if is_.st_size > _MOST_MANIFEST:
                return None
            manifest = from_json(os.read(handle, _MOST_MANIFEST))
    except (CannotOpenError, OSError, SdkError, ValueError, RecursionError):
        return None
    return manifest if (manifest.asset, manifest.version) == (place.asset, version) else None


def _version(manifest: Manifest) -> dict[str, Any]:
    files = manifest.files[:_MOST_FILES]
    return {
        "version": manifest.version[:150],
        "created": manifest.created[:40],
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "files": [{"path": file.path[:1000], "bytes": file.bytes} for file in files],
        "files_left_out": len(manifest.files) - len(files),
        "columns": [
            {"name": name[: tables.CELL], "type": kind[: tables.CELL]}
            for name, kind in list(manifest.schema.items())[:_MOST_COLUMNS]
        ],
        "inputs": [each[:400] for each in manifest.inputs[:_MOST_INPUTS]],
    }


# --- what is shown of a file -----------------------------------------------------------------------------------------


def _preview(question: Question) -> dict[str, Any]:
    name = question["parts"][-1]
    with opened_file(question["root"], question["parts"]) as (handle, is_):
        try:
            shown = _shown(handle, name, is_.st_size)
        except (parquet.UnreadableError, gzip.BadGzipFile, EOFError, zlib.error) as error:
            shown = {"kind": "none", "note": str(error)[:300] or "It is damaged."}
        except MemoryError:
            shown = {"kind": "none", "note": "It takes more memory than a preview may have."}
        return fitting({**shown, "bytes": is_.st_size, "modified": max(0.0, is_.st_mtime)})


def _shown(handle: int, name: str, size: int) -> dict[str, Any]:
    start = os.pread(handle, texts.HEAD, 0)
    if (kind := pictures.kind_of(name, start)) is not None:
        if kind == pictures.HTML:
            return {"kind": "page"}
        return _picture(kind, start, size)
    if name.lower().endswith((".parquet", ".pq")) or start[:4] == b"PAR1":
        return dict(parquet.parquet(handle, size))
    return _text(handle, name, size)


def _picture(kind: str, start: bytes, size: int) -> dict[str, Any]:
    found = pictures.pixels(kind, start)
    if found is None or found > pictures.MOST_PIXELS:
        return {"kind": "none", "note": "This picture is too large to be shown, or says nothing of its size."}
    if size > MOST_SHOWN:
        return {"kind": "none", "note": f"Pictures of more than {MOST_SHOWN >> 20} MB are not shown."}
    return {"kind": "image"}


def _text(handle: int, name: str, size: int) -> dict[str, Any]:
    ending = name.lower().removesuffix(".gz").rpartition(".")[2]
    whole = ending in ("json", "ipynb") and size <= texts.WHOLE
    data, more = texts.head(handle, name, texts.WHOLE if whole else texts.HEAD)
    if not texts.is_text(data):
        return {"kind": "none", "note": "This is no text, table or picture that can be shown here."}
    text = texts.decoded(data)
    if (table := _table(ending, text, data, more)) is not None:
        return table
    if ending == "ipynb" and not more and (cells := texts.notebook(data)) is not None:
        text = cells
    return {"kind": "text", "text": text[:MOST_TEXT], "more": more or len(text) > MOST_TEXT}


def _table(ending: str, text: str, data: bytes, more: bool) -> tables.Table | None:
    if ending in ("csv", "tsv"):
        with contextlib.suppress(csv.Error):
            return tables.separated(text, more, tabs=ending == "tsv")
    if ending in ("jsonl", "ndjson"):
        return tables.lines(text, more)
    if ending == "json" and not more:
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(data)
            return tables.records(found, False) if isinstance(found, list) else None
    return None


def fitting(shown: dict[str, Any]) -> dict[str, Any]:
    """So much of it that the answer is taken."""
    while len(json.dumps(shown)) > _MOST_ANSWER:
        for part in ("rows", "text"):
            if part in shown:
                shown[part] = shown[part][: len(shown[part]) // 2]
        shown["more"] = True
    return shown


_ANSWERS: dict[str, Answerer] = {
    FOLDER: _folder,
    VERSIONS: _versions,
    PREVIEW: _preview,
}


# --- the bytes of a file ---------------------------------------------------------------------------------------------


def _send_file(question: Question, link: socket.socket) -> None:
    """What it is and how long, then exactly so many bytes: one that grows meanwhile is as long as it was."""
    with opened_file(question["root"], question["parts"]) as (handle, is_):
        size, kind = is_.st_size, None
        if question["what"] == SHOW:
            start = os.pread(handle, texts.HEAD, 0)
            kind = pictures.kind_of(question["parts"][-1], start)
            if kind is None:
                raise CannotOpenError("not shown")
            if size > MOST_SHOWN:
                raise CannotOpenError("too large")
        _send(link, {"type": kind, "bytes": size})
        sent = 0
        while sent < size:
            count = os.sendfile(link.fileno(), handle, sent, min(1 << 20, size - sent))
            if count == 0:
                return
            sent += count
