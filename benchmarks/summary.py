"""Medians and ratios of raw samples: pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

Sample = Mapping[str, Any]


def medians(samples: Sequence[Sample], keys: Iterable[str]) -> dict[str, float | None]:
    """The median of each key over the samples that have it."""
    return {key: middle([s[key] for s in samples if s.get(key) is not None]) for key in keys}


def middle(values: Sequence[float]) -> float | None:
    """The median to two decimals; None of nothing."""
    return round(median(values), 2) if values else None


def p95(values: Sequence[float]) -> float | None:
    """What 95 of 100 values stay below, to three decimals; None of nothing."""
    return round(sorted(values)[max(0, math.ceil(len(values) * 0.95) - 1)], 3) if values else None


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Ours by theirs: below one is faster or smaller."""
    return round(ours / theirs, 2) if ours is not None and theirs else None


def ratios(of: Mapping[str, Mapping[str, float | None]], ours: str) -> dict[str, dict[str, float | None]]:
    """``{side: {key: median}}`` → ``{"ours/side": {key: ratio}}``."""
    mine = of[ours]
    return {
        f"{ours}/{side}": {key: ratio(mine.get(key), value) for key, value in theirs.items()}
        for side, theirs in of.items()
        if side != ours
    }
