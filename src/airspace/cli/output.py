"""How every command speaks: data on stdout, messages on stderr, errors that name the fix, exit codes 0, 1, 2."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from airspace.model.errors import AirspaceError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]

err = Console(stderr=True, highlight=False)
out = Console(highlight=False)


def emit_json(document: dict[str, Any], indent: int | None = 2) -> None:
    """Print one JSON document on stdout and nothing else; on one line with ``indent`` None."""
    sys.stdout.write(json.dumps(document, indent=indent, default=str) + "\n")
    sys.stdout.flush()


def say(message: str) -> None:
    """A message to the person, on stderr."""
    err.print(message)


def shown(text: str, *, lines: bool = False) -> str:
    """Somebody else's words for a terminal: characters that would move, hide or forge something are written out.

    :param lines: line breaks are ours, and stay
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or (lines and letter == "\n") else letter.encode("unicode_escape").decode()
        for letter in text
    )


@contextmanager
def errors_to_exit_code() -> Iterator[None]:
    """Turn an :class:`AirspaceError` into its message on stderr and exit code 1."""
    try:
        yield
    except AirspaceError as error:
        err.print("[bold red]error:[/]", escape(shown(error.message, lines=True)), soft_wrap=True)
        if error.fix:
            err.print("  [bold]fix:[/]", escape(shown(error.fix, lines=True)), soft_wrap=True)
        raise SystemExit(1) from None
