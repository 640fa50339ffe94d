#!/usr/bin/env python3
"""Renews requirements.lock and requirements-dev.lock: every platform and Python, hashes, no index address."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from bootstrap import boot_uv, interpreter, run

COMMON = ("--universal", "--python-version", "3.10", "--generate-hashes", "--no-emit-index-url", "--quiet", "--upgrade")
NOTE = "python3 scripts/lock.py"


def main() -> None:
    uv = boot_uv(interpreter())
    for output, extras in {
        "requirements.lock": ("rocket", "build"),
        "requirements-dev.lock": ("rocket", "build", "dev"),
    }.items():
        options = [part for extra in extras for part in ("--extra", extra)]
        constraint = ("-c", "requirements.lock") if output != "requirements.lock" else ()
        run(
            uv,
            "pip",
            "compile",
            "pyproject.toml",
            *options,
            *constraint,
            *COMMON,
            "--custom-compile-command",
            NOTE,
            "-o",
            output,
        )


if __name__ == "__main__":
    main()
