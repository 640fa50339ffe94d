"""``python -m benchmarks``: measure, store the results, show them."""

from __future__ import annotations

import argparse
import compileall
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import airspace
from benchmarks import (
    bench_access,
    bench_crowd,
    bench_edits,
    bench_fair,
    bench_guard,
    bench_neighbour,
    bench_network,
    bench_onboarding,
    bench_parse,
    bench_platform,
    bench_triggers,
    bench_view,
    bench_wall,
    machine,
    report,
)
from benchmarks.options import RESULTS, Options, say

BENCHMARKS: dict[str, tuple[Callable[[Options], dict[str, Any]], int]] = {
    # name → what measures it, and how often by default
    "platform": (bench_platform.run, 3),
    "wall": (bench_wall.run, 2),
    "parse": (bench_parse.run, 2),
    "neighbour": (bench_neighbour.run, 1),
    "guard": (bench_guard.run, 5),
    "access": (bench_access.run, 3),
    "edits": (bench_edits.run, 5),
    "fair": (bench_fair.run, 1),
    "triggers": (bench_triggers.run, 1),
    "network": (bench_network.run, 1),
    "onboarding": (bench_onboarding.run, 2),
    "crowd": (bench_crowd.run, 1),
    "view": (bench_view.run, 1),
}
SIDES = tuple(bench_platform.SIDES)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chosen benchmarks one after the other."""
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _stop)
    # Byte code on every side: whoever compiles at each start would be measured compiling.
    compileall.compile_dir(Path(airspace.__file__).parent, quiet=2)
    scratch = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))  # short: Unix sockets are below it
    scratch.chmod(0o755)
    documents = []
    try:
        for name in arguments.only or BENCHMARKS:
            documents.append(_run(name, arguments, scratch))
    finally:
        if arguments.keep:
            say(f"kept: {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    for document in documents:
        if not arguments.json:
            print(report.table(document))
    if arguments.json:
        print(json.dumps(documents if len(documents) > 1 else documents[0], indent=1))
    return 0


def _run(name: str, arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    measure, usual = BENCHMARKS[name]
    repeats = arguments.repeats or (1 if arguments.quick else usual)
    counts = arguments.teams or ((0, 4) if arguments.quick else (0, 2, 4, 10))
    options = Options(
        repeats, tuple(arguments.sides), tuple(counts), scratch, arguments.quick, tuple(arguments.teams or ())
    )
    say(f"{name}: {', '.join(options.sides)}; {repeats} each; load {machine.load():.2f}")
    begun = time.monotonic()
    document = {**machine.describe(), **measure(options), "seconds": round(time.monotonic() - begun)}
    if set(options.sides) == set(SIDES) and not (arguments.dry or arguments.quick):
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.json"
        path.write_text(json.dumps(document, indent=1) + "\n")
        say(f"written: {path.name}; `python -m benchmarks.report` renews docs/benchmarks.md")
    return document


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="only this benchmark")
    parser.add_argument(
        "--quick", action="store_true", help="one sample each, fewer teams: does it work? Stores nothing"
    )
    parser.add_argument("--repeats", type=int, help="timed starts (platform) or rounds (wall) of each side")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES, help="only these; then nothing is stored")
    parser.add_argument(
        "--teams", nargs="+", type=int, metavar="N", help="idle teams to weigh (0 2 4 10; crowd: 10 100 300)"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of a table")
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--keep", action="store_true", help="keep the folder with everybody's logs")
    return parser


def _stop(*_: object) -> NoReturn:
    raise SystemExit("stopped; everything that was started is ended")


if __name__ == "__main__":
    sys.exit(main())
