"""Groups of commands whose modules are imported when one of their commands is asked for: a start costs what it uses."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

import typer
from typer import main as assembling
from typer.core import TyperCommand, TyperGroup

Entry = tuple[str, str]
"""A module of this package, and its function that adds the command to a :class:`typer.Typer`."""


class Commands(Mapping[str, "TyperCommand | TyperGroup"]):
    """Name → command, imported when it is looked up.

    :param entries: name → where it comes from, in the order of ``--help``
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._found: dict[str, TyperCommand | TyperGroup] = {}

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        module, function = self._entries[name]
        if name not in self._found:
            app = typer.Typer()
            getattr(importlib.import_module(f"airspace.cli.{module}"), function)(app)
            self._found.update(cast(Any, assembling.get_group(app).commands))
        return self._found[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The command. Unlike :meth:`Mapping.get`, a ``KeyError`` of its module is not taken for its absence."""
        return self[name] if name in self._entries else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class LazyGroup(TyperGroup):
    """A group that knows its commands by name alone until one of them is wanted."""

    entries: ClassVar[Mapping[str, Entry]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast(Any, Commands(self.entries))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is typer's
        """The names, in the order of ``--help``."""
        return list(self.commands)
