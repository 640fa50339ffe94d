"""A template whose children run a shell command: everything about the sandbox is real, and nothing is Airflow."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from airspace.sandbox import template
from airspace.sandbox.nests import State, UnfitError, state_of
from airspace.sandbox.zygote import Work

READ = {"token": "none"}
HELD = []


def shell(work: Work) -> NoReturn:
    """``sh -c`` with the streams where programs expect them."""
    os.environ["READ"] = READ["token"]
    requests, stdout, stderr, _ = work.streams
    for descriptor, stream in ((requests, 0), (stdout, 1), (stderr, 2)):
        os.dup2(descriptor, stream)
    os.execvp("sh", ["sh", "-c", work.details["command"]])  # noqa: S606


def read(details: Mapping[str, Any]) -> dict[str, State]:
    """Reads nothing, but can be told from another reading."""
    if "unfit" in Path(details["file"]).read_text():
        raise UnfitError("it says so")
    if (text := Path(details["file"]).read_text()).startswith("holds "):
        HELD.append(os.urandom(1 << 20) * int(text.split()[1]))
    READ["token"] = secrets.token_hex(4)
    return {details["file"]: state_of(details["file"])}


if __name__ == "__main__":
    template.serve(socket.socket(fileno=int(sys.argv[1])), {"shell": shell}, read)
