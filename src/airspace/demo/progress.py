"""How the demo tells what is going on: a live board in a terminal, plain lines anywhere else. Always on stderr."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

MARKS = {"success": "[green]✓[/]", "failed": "[red]✗[/]", "running": "[cyan]▶[/]", "queued": "[yellow]…[/]"}


@dataclass(frozen=True)
class TeamProgress:
    """Where one team's pipeline is."""

    team: str
    dag_id: str
    state: str
    running: tuple[str, ...] = ()
    done: int = 0
    total: int = 0
    seconds: float = 0.0


class Display(Protocol):
    """Where progress goes."""

    def headline(self, text: str) -> None:
        """A new step begins."""

    def show(self, rows: Sequence[TeamProgress]) -> None:
        """What the teams are doing now."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PlainDisplay:
    """One line per change."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = time.monotonic()
        self._last: dict[str, tuple[object, ...]] = {}

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def _say(self, text: str) -> None:
        self._console.print(f"{time.monotonic() - self._begun:7.1f} s  {text}", markup=False, soft_wrap=True)

    def headline(self, text: str) -> None:
        """See :class:`Display`."""
        self._say(text)

    def show(self, rows: Sequence[TeamProgress]) -> None:
        """See :class:`Display`."""
        for row in rows:
            seen = (row.dag_id, row.state, row.running)
            if self._last.get(row.team) != seen:
                self._last[row.team] = seen
                tasks = ", ".join(row.running)
                self._say(
                    f"{row.team}: {row.dag_id} {row.state}" + (f" ({row.done}/{row.total}) {tasks}" if tasks else "")
                )


class LiveDisplay:
    """A board that redraws itself: past steps above, teams below."""

    def __init__(self, console: Console) -> None:
        self._begun = time.monotonic()
        self._console = console
        self._text = ""
        self._rows: Sequence[TeamProgress] = ()
        self._spinner = Spinner("dots")
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=8, transient=True)

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish_step(failed=error is not None)
        self._live.__exit__(kind, error, trace)

    def _finish_step(self, *, failed: bool = False) -> None:
        if self._text:
            mark = "[red]✗[/]" if failed else "[green]✓[/]"
            self._console.print(f"{mark} {self._text} [dim]{time.monotonic() - self._begun:.0f} s[/]")
            self._text = ""

    def headline(self, text: str) -> None:
        """See :class:`Display`."""
        self._finish_step()
        self._text = text

    def show(self, rows: Sequence[TeamProgress]) -> None:
        """See :class:`Display`."""
        self._rows = rows

    def _render(self) -> Group:
        self._spinner.update(text=f"{self._text} [dim]{time.monotonic() - self._begun:.0f} s[/]")
        board = Table.grid(padding=(0, 2))
        for row in self._rows:
            done = f"{row.done}/{row.total}" if row.total else ""
            tasks = Text(", ".join(row.running), style="cyan", overflow="ellipsis", no_wrap=True)
            mark = MARKS.get(row.state, "[dim]·[/]")
            board.add_row(f"  {mark}", row.team, f"[bold]{row.dag_id}[/]", done, tasks, f"[dim]{row.seconds:.0f} s[/]")
        return Group(self._spinner, board)


def display_for(console: Console) -> Display:
    """The live board where there is a terminal to draw it on."""
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)
