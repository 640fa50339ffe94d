"""Charts as inline SVG: plain functions from numbers to text. Colours come from the page's style, so that they follow
light and dark; every mark has a `<title>`, which browsers show on hover and screen readers read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

Point = tuple[float, float]


def number(value: float) -> str:
    """Short, as people say it: 1,234 · 12.3k · 4.5M."""
    for size, unit in ((1_000_000, "M"), (10_000, "k")):
        if abs(value) >= size:
            scaled = value / (1_000_000 if unit == "M" else 1_000)
            return f"{scaled:.1f}".removesuffix(".0") + unit
    return f"{value:,.0f}"


def money(value: float) -> str:
    """Dollars, short."""
    return f"${value:,.2f}" if abs(value) < 10 else f"${number(value)}"


def ticks(most: float, about: int = 4) -> list[float]:
    """Round values from zero to the first at or above ``most``."""
    rough = max(most, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough)
    return [step * n for n in range(math.ceil(most / step - 1e-9) + 1)] or [0.0]


def svg(width: int, height: int, label: str, *parts: str) -> str:
    """The frame: scales with its card."""
    frame = f'viewBox="0 0 {width} {height}" preserveAspectRatio="xMinYMid" role="img" aria-label="{escape(label)}"'
    return f"<svg {frame}>{''.join(parts)}</svg>"


def text(x: float, y: float, content: str, *, anchor: str = "start", kind: str = "") -> str:
    """A label; ``kind`` is a class of the style sheet."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(content)}</text>'


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)


class Plot:
    """The area inside the axes, and the scales of both."""

    def __init__(self, width: int, height: int, count: int, most: float, *, right: int = 12, left: int = 44) -> None:
        self.left, self.right, self.top, self.bottom = left, width - right, 10, height - 26
        self.marks = ticks(most)
        self.count = count

    def x(self, index: float) -> float:
        """Where the index-th of the values stands, first and last at the edges."""
        return self.left + (self.right - self.left) * index / max(self.count - 1, 1)

    def y(self, value: float) -> float:
        """Zero at the bottom, the topmost tick at the top."""
        return self.bottom - (self.bottom - self.top) * value / (self.marks[-1] or 1)

    def grid(self, show: Mapping[float, str] | None = None) -> str:
        """Horizontal lines with their values."""
        shown = show or {mark: number(mark) for mark in self.marks}
        return "".join(
            f'<line class="grid" x1="{self.left}" x2="{self.right}" y1="{self.y(mark):.1f}" y2="{self.y(mark):.1f}"/>'
            + text(self.left - 8, self.y(mark) + 4, label, anchor="end", kind="axis")
            for mark, label in shown.items()
        )

    def labels(self, names: Mapping[float, str]) -> str:
        """Names below the plot, at indices."""
        return "".join(
            text(self.x(at), self.bottom + 18, name, anchor="middle", kind="axis") for at, name in names.items()
        )


def stacked_areas(series: Mapping[str, Sequence[float]], names: Sequence[str], size: tuple[int, int]) -> str:
    """Areas on top of each other, the first at the bottom; class ``c0``, ``c1`` … in order."""
    totals = [sum(values) for values in zip(*series.values(), strict=True)]
    plot = Plot(*size, len(names), max(totals, default=0))
    floor, parts = [0.0] * len(names), []
    for place, (name, values) in enumerate(series.items()):
        roof = [low + value for low, value in zip(floor, values, strict=True)]
        top = [(plot.x(i), plot.y(value)) for i, value in enumerate(roof)]
        base = [(plot.x(i), plot.y(value)) for i, value in enumerate(floor)]
        told = f"{name}: {number(values[0])} → {number(values[-1])} a day"
        outline = _path(top + base[::-1])
        parts.append(f'<path class="area c{place}" d="{outline}Z"><title>{escape(told)}</title></path>')
        floor = roof
    parts.append(f'<path class="crest" d="{_path([(plot.x(i), plot.y(v)) for i, v in enumerate(totals)])}"/>')
    return svg(*size, "Active players a day by channel", plot.grid(), *parts, plot.labels(_dates(names)))


def bars_and_line(bars: Sequence[float], line: Sequence[float], names: Sequence[str], size: tuple[int, int]) -> str:
    """Revenue as bars, spend as a line over them, on one scale."""
    plot = Plot(*size, len(names), max(*bars, *line))
    plot.left, plot.right = plot.left + 8, plot.right - 8
    wide = (plot.right - plot.left) / max(len(bars) - 1, 1) * 0.68
    marks = "".join(
        f'<rect class="bar" x="{plot.x(i) - wide / 2:.1f}" y="{plot.y(value):.1f}" width="{wide:.1f}" rx="2" '
        f'height="{plot.bottom - plot.y(value):.1f}"><title>{names[i]}: {money(value)} revenue, '
        f"{money(line[i])} spend</title></rect>"
        for i, value in enumerate(bars)
    )
    over = _path([(plot.x(i), plot.y(value)) for i, value in enumerate(line)])
    shown = {mark: money(mark) if mark else "0" for mark in plot.marks}
    return svg(
        *size,
        "Revenue and advertising spend a day",
        plot.grid(shown),
        marks,
        f'<path class="over" d="{over}"/>',
        plot.labels(_dates(names)),
    )


def lines(series: Mapping[str, tuple[int, Sequence[float]]], at: Sequence[int], size: tuple[int, int]) -> str:
    """Retention: everyone starts at 100 percent; each line is named at its end, names moved apart."""
    plot = Plot(*size, at[-1] + 1, 1.0, right=146)
    shown = {mark / 4: f"{25 * mark}%" for mark in range(5)}
    parts, ends = [], []
    for name, (colour, values) in series.items():
        points = [(plot.x(day), plot.y(value)) for day, value in zip((0, *at), (1.0, *values), strict=True)]
        parts.append(f'<path class="line s{colour}" d="{_path(points)}"/>')
        for (x, y), day, value in zip(points[1:], at, values, strict=True):
            told = f"{name}: {value:.0%} are back on day {day}"
            parts.append(
                f'<circle class="dot c{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{told}</title></circle>'
            )
        ends.append((points[-1][1], f"{values[-1]:.0%} {name}", colour))
    for y, label, colour in _apart(sorted(ends), 15):
        parts.append(f'<circle class="c{colour}" cx="{plot.right + 11}" cy="{y:.1f}" r="3.5"/>')
        parts.append(text(plot.right + 19, y + 4, label, kind="end"))
    days = {0: "0", **{day: f"{day} days" if day == at[-1] else str(day) for day in at}}
    return svg(*size, "Share of new players who come back", plot.grid(shown), *parts, plot.labels(days))


def ranked_bars(
    rows: Sequence[tuple[str, float, str, str]], size: tuple[int, int], *, even: float | None = None
) -> str:
    """One bar a row: (name, value, what is written at its end, class). ``even`` draws the line that matters."""
    width, height = size
    left, right = 150, width - 62
    most = max([row[1] for row in rows] + [even or 0.0, 1e-9])
    step = (height - 24) / max(len(rows), 1)
    parts = []
    if even is not None:
        x = left + (right - left) * even / most
        parts.append(f'<line class="even" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 20}"/>')
        parts.append(text(x, height - 5, "break-even", anchor="middle", kind="axis"))
    for place, (name, value, told, kind) in enumerate(rows):
        y, long = 4 + place * step, max((right - left) * value / most, 2)
        parts.append(text(left - 10, y + step / 2 + 4, name, anchor="end", kind="name"))
        parts.append(
            f'<rect class="{kind}" x="{left}" y="{y + step * 0.16:.1f}" rx="3" '
            f'width="{long:.1f}" height="{step * 0.68:.1f}">'
            f"<title>{escape(name)}: {escape(told)}</title></rect>"
        )
        parts.append(text(left + long + 7, y + step / 2 + 4, told, kind="value told"))
    return svg(width, height, "Ranking", *parts)


def heat(
    cells: Mapping[tuple[str, str], tuple[str, float, str]], rows: Sequence[str], columns: Mapping[str, str]
) -> str:
    """A table of shades: (row, column) → (label, strength between 0 and 1, what hovering tells)."""
    left, wide, tall = 128, 146, 36
    parts = [
        text(left + wide * (c + 0.5), 14, title, anchor="middle", kind="axis")
        for c, title in enumerate(columns.values())
    ]
    for r, row in enumerate(rows):
        y = 24 + r * (tall + 4)
        parts.append(text(left - 10, y + tall / 2 + 4, row, anchor="end", kind="name"))
        for c, column in enumerate(columns):
            label, strength, told = cells.get((row, column), ("–", 0.0, "too few players"))
            box = f'x="{left + wide * c + 2}" y="{y}" width="{wide - 4}" height="{tall}" rx="4"'
            parts.append(f'<rect class="cell" {box}/><rect class="heat" {box} style="opacity:{strength:.2f}"><title>')
            parts.append(f"{escape(told)}</title></rect>")
            ink = "value strong" if strength > 0.55 else "value"
            parts.append(text(left + wide * (c + 0.5), y + tall / 2 + 4, label, anchor="middle", kind=ink))
    return svg(left + wide * len(columns), 28 + len(rows) * (tall + 4), "Share of players at high risk", *parts)


def spark(values: Sequence[float]) -> str:
    """The course of a number, small, below it."""
    low, high = min(values), max(values)
    span = (high - low) or 1
    points = [(4 + 112 * i / max(len(values) - 1, 1), 26 - 20 * (value - low) / span) for i, value in enumerate(values)]
    x, y = points[-1]
    line = f'<path class="spark" d="{_path(points)}"/><circle class="sparkend" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>'
    return svg(120, 32, "Course", line)


def _dates(names: Sequence[str]) -> dict[float, str]:
    """Every seventh name: weeks."""
    return {i: names[i] for i in range(0, len(names), 7)}


def _apart(ends: Sequence[tuple[float, str, int]], gap: float) -> list[tuple[float, str, int]]:
    """Move labels down until none covers another."""
    placed: list[tuple[float, str, int]] = []
    for y, label, colour in ends:
        placed.append((max(y, placed[-1][0] + gap) if placed else y, label, colour))
    over = max((placed[-1][0] - ends[-1][0]) / 2, 0) if placed else 0
    return [(y - over, label, colour) for y, label, colour in placed]
