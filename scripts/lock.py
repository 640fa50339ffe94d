#!/usr/bin/env python3
"""Renews the locks: every platform and Python, hashes, no index address."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from bootstrap import ASIDE, LOCKS, boot_uv, interpreter, run

COMMON = ("--universal", "--python-version", "3.10", "--generate-hashes", "--no-emit-index-url", "--quiet", "--upgrade")
NOTE = "python3 scripts/lock.py"


def main() -> None:
    uv = boot_uv(interpreter())

    def compiled(source: str, output: str, *options: str) -> None:
        run(uv, "pip", "compile", source, *options, *COMMON, "--custom-compile-command", NOTE, "-o", output)

    extras = ("--extra", "rocket", "--extra", "build")
    compiled("pyproject.toml", LOCKS["demo"], *extras)
    compiled("pyproject.toml", LOCKS["test"], *extras, "--extra", "dev", "-c", LOCKS["demo"])
    for _, lock, _ in ASIDE.values():
        compiled(lock.replace(".lock", ".in"), lock)


if __name__ == "__main__":
    main()
