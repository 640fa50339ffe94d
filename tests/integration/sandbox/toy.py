"""A template whose children run a shell command: everything about the sandbox is real, and nothing is Airflow."""

from __future__ import annotations

import os
import socket
import sys
from typing import NoReturn

from airspace.sandbox import template
from airspace.sandbox.zygote import Work


def shell(work: Work) -> NoReturn:
    """``sh -c`` with the streams where programs expect them."""
    requests, stdout, stderr, _ = work.streams
    for descriptor, stream in ((requests, 0), (stdout, 1), (stderr, 2)):
        os.dup2(descriptor, stream)
    os.execvp("sh", ["sh", "-c", work.details["command"]])  # noqa: S606


if __name__ == "__main__":
    template.serve(socket.socket(fileno=int(sys.argv[1])), {"shell": shell})
