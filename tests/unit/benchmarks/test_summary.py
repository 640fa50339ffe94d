"""Medians and ratios of the benchmarks."""

from __future__ import annotations

from benchmarks import summary


def test_medians_leave_out_what_a_sample_does_not_have() -> None:
    samples = [{"a": 1.0, "b": None}, {"a": 3.0}, {"a": 2.0, "b": 7.0}]
    assert summary.medians(samples, ["a", "b", "c"]) == {"a": 2.0, "b": 7.0, "c": None}


def test_a_ratio_needs_both_sides() -> None:
    assert summary.ratio(5.0, 10.0) == 0.5
    assert summary.ratio(None, 10.0) is None
    assert summary.ratio(5.0, None) is None
    assert summary.ratio(5.0, 0.0) is None


def test_ratios_are_ours_by_each_other_side() -> None:
    of = {"plain": {"s": 10.0}, "native": {"s": 20.0}, "airspace": {"s": 10.0}}
    assert summary.ratios(of, "airspace") == {"airspace/plain": {"s": 1.0}, "airspace/native": {"s": 0.5}}
