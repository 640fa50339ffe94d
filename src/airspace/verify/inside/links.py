"""Links, and descriptors that lead out."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

from airspace.verify.inside import libc
from airspace.verify.inside.acts import Refused, Unshown, act, read
from airspace.verify.inside.facts import BAIT, DAGS, SHARED, Facts


def _link(facts: Facts, folder: Path, *, hard: bool = False) -> str:
    path = folder / f"verify-link-{os.getpid()}"
    try:
        if hard:
            os.link(facts.private, path)
        else:
            path.symlink_to(facts.private)
        return read(path, facts.secret)
    finally:
        with suppress(OSError):
            path.unlink()


@act("links.symlink")
def symlink(facts: Facts) -> str:
    return _link(facts, facts.own_storage)


@act("links.symlink-published")
def symlink_published(facts: Facts) -> str:
    asset = SHARED if facts.own_storage == facts.victim_storage else BAIT
    return _link(facts, facts.own_storage / "published" / asset)


@act("links.hard")
def hard(facts: Facts) -> str:
    return _link(facts, facts.own_storage, hard=True)


@act("links.replace-published")
def replace_published(facts: Facts) -> str:
    """Put a link in the place of a folder that the platform looks into."""
    published = facts.own_storage / "published"
    if facts.outside:
        published = facts.victim_storage / "published"
    aside = published.with_name(f"verify-aside-{os.getpid()}")
    published.rename(aside)
    aside.rename(published)
    return "moved its folder of published assets aside"


@act("links.descriptors")
def descriptors(facts: Facts) -> str:
    if facts.outside:  # the control inherits one
        os.open(facts.victim_storage, os.O_RDONLY)
    above = "/".join([".."] * 12)
    seen = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        for path in (f"{above}{facts.private}", str(facts.private.name), str(facts.private.relative_to(facts.home))):
            with suppress(OSError, Refused):
                handle = os.open(path, os.O_RDONLY, dir_fd=int(name))
                data = os.read(handle, 4096)
                if facts.secret.encode() in data:
                    return f"descriptor {name} leads to the victim's file"
        with suppress(OSError):
            target = str(Path("/proc/self/fd", name).readlink())
            seen += 1
            own = (str(facts.own_storage), f"{facts.home}/logs/dag_id={DAGS[facts.own]}/")
            if target.startswith(facts.home) and not target.startswith(own):
                return f"descriptor {name} is {target}"
    raise Refused(f"none of {seen} descriptors leads out")


@act("links.file-handle")
def file_handle(facts: Facts) -> str:
    if not facts.handle:
        raise Unshown("this file system gives no handles")
    raw = bytes.fromhex(facts.handle)

    class Handle(ctypes.Structure):
        _fields_ = (("size", ctypes.c_uint), ("kind", ctypes.c_int), ("data", ctypes.c_ubyte * len(raw)))

    handle = Handle(len(raw), facts.handle_type, (ctypes.c_ubyte * len(raw))(*raw))
    folder = os.open(facts.own_storage, os.O_RDONLY)
    opened = libc.call("open_by_handle_at", folder, ctypes.byref(handle), os.O_RDONLY)
    if facts.secret.encode() not in os.read(opened, 4096):
        raise Refused("the file behind the handle is another one")
    return "opened the victim's file by its handle"
