"""Tokens and the secrets that they are made with."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from airspace.verify.inside import libc
from airspace.verify.inside.acts import Refused, Unshown, act
from airspace.verify.inside.facts import Facts

_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{8,2000}\.(eyJ[A-Za-z0-9_-]{8,4000})\.[A-Za-z0-9_-]{16,1000}")
_CHUNK = 1 << 22
_SET_DUMPABLE = 4
_LARGEST = 1 << 30
_OPTIONS = (("api_auth", "jwt_secret"), ("core", "fernet_key"), ("api", "secret_key"), ("database", "sql_alchemy_conn"))


def _token(subject: str) -> bytes:
    """Something that looks like one; made here, so that it is nowhere before."""
    parts = ({"alg": "HS512"}, {"sub": subject, "scope": "planted"})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*encoded, base64.urlsafe_b64encode(os.urandom(48))])


def _subject(payload: bytes) -> str | None:
    try:
        found = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    except ValueError:
        return None
    return str(found.get("sub")) if isinstance(found, dict) and "sub" in found else None


def _memory(pid: str) -> Iterator[bytes]:
    with Path("/proc", pid, "mem").open("rb", buffering=0) as memory:
        for line in Path("/proc", pid, "maps").read_text().splitlines():
            span, rights, *_ = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if "w" not in rights or end - start > _LARGEST or "[v" in line:
                continue
            for at in range(start, end, _CHUNK):
                try:
                    memory.seek(at)
                    yield memory.read(min(_CHUNK + 8192, end - at))
                except (OSError, OverflowError, ValueError):
                    break


@act("tokens.memory")
def own_memory(facts: Facts) -> str:
    libc.call("prctl", _SET_DUMPABLE, 1, 0, 0, 0)  # whoever may not look into itself may allow itself to
    return _search(facts, _memory("self"))


@act("tokens.environment")
def own_environment(facts: Facts) -> str:
    return _search(facts, (os.fsencode(f"{key}={value}") for key, value in os.environ.items()), in_environment=True)


def _search(facts: Facts, places: Iterator[bytes], *, in_environment: bool = False) -> str:
    """It must find what it planted itself, or it cannot find anything; anything else that it finds is real.

    Outside, the control plants a second one, which stands for a real one.
    """
    canary = f"canary-{os.getpid()}"
    planted = [_token(canary)] + ([_token("somebody")] if facts.outside else [])
    if in_environment:
        os.environ.update({f"VERIFY_{number}": token.decode() for number, token in enumerate(planted)})
    seen = {_subject(match.group(1)) for place in places for match in _TOKEN.finditer(place)}
    if canary not in seen:
        raise Unshown("the search does not find what it planted itself")
    del planted
    real = seen - {canary, None}
    if not real:
        raise Refused("no token but the planted one was found")
    return f"found tokens for: {', '.join(sorted(map(str, real)))[:100]}"


@act("tokens.settings")
def settings(facts: Facts) -> str:
    """What tokens are signed with, what passwords are encrypted with: as Airflow's configuration gives it."""
    from airflow.configuration import conf

    for section, option in _OPTIONS:
        value = conf.get(section, option, fallback="") or ""
        if value and hashlib.sha256(value.encode()).hexdigest() in facts.hashes:
            return f"read [{section}] {option} through Airflow's configuration"
    raise Refused("Airflow's configuration holds no secret of the platform's here")
