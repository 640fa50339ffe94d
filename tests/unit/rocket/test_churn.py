"""The model learns from the past only, well enough, and not at all from shuffled labels."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest
from rocket_ds.features import ACTIVE_WITHIN, FEATURES, HORIZON, features, labels, last_day
from rocket_ds.model import Metrics, ModelRejected, predict, require, train

from tests.unit.rocket.conftest import Month


@pytest.fixture(scope="module")
def today(month: Month) -> dt.date:
    return last_day(month.daily)


@pytest.fixture(scope="module")
def past(today: dt.date) -> dt.date:
    return today - dt.timedelta(days=HORIZON)


@pytest.fixture(scope="module")
def known(month: Month, past: dt.date) -> pl.DataFrame:
    return features(month.daily, month.profiles, past)


def test_no_feature_sees_the_future(month: Month, past: dt.date, known: pl.DataFrame) -> None:
    without_future = month.daily.filter(pl.col("date") <= past)
    assert features(without_future, month.profiles, past).equals(known)
    doubled = month.daily.with_columns(
        pl.when(pl.col("date") > past).then(pl.col("sessions") * 2).otherwise(pl.col("sessions")).alias("sessions")
    )
    assert features(doubled, month.profiles, past).equals(known)


def test_what_is_only_known_later_is_no_feature(month: Month, past: dt.date, known: pl.DataFrame) -> None:
    # Profiles are made at the end of the month: all but where a player came from would tell the future.
    came = month.profiles.select("player_id", "install_date", "platform", "channel")
    assert features(month.daily, came, past).equals(known)


def test_one_row_for_each_active_player_and_no_gaps(month: Month, past: dt.date, known: pl.DataFrame) -> None:
    recent = pl.col("date").is_between(past - dt.timedelta(days=ACTIVE_WITHIN - 1), past)
    active = month.daily.filter(recent).select("player_id").unique().collect()
    assert sorted(known["player_id"]) == sorted(active["player_id"])
    assert known.select(FEATURES).null_count().sum_horizontal().item() == 0


def test_churned_means_no_session_in_the_week_after(month: Month, past: dt.date, known: pl.DataFrame) -> None:
    back = set(month.daily.filter(pl.col("date") > past).collect()["player_id"])
    churned = labels(month.daily, known, past)
    assert churned.to_list() == [player not in back for player in known["player_id"]]


def test_it_learns_from_labels_and_not_from_shuffled_ones(
    month: Month, today: dt.date, past: dt.date, known: pl.DataFrame
) -> None:
    model, metrics = train(known, labels(month.daily, known, past))
    require(metrics)
    assert metrics.auc >= 0.75
    assert abs(metrics.auc_shuffled_labels - 0.5) <= 0.05
    assert metrics.hold_out >= 0.39 * metrics.players

    current = features(month.daily, month.profiles, today)
    predictions = predict(model, current)
    assert predictions["player_id"].equals(current["player_id"])
    assert predictions["churn_probability"].is_between(0, 1).all()
    assert set(predictions["risk"].unique()) <= {"high", "medium", "low"}
    by_risk = dict(predictions.group_by("risk").agg(pl.col("churn_probability").mean()).iter_rows())
    assert by_risk["high"] > by_risk["medium"] > by_risk["low"]


GOOD = Metrics(auc=0.8, auc_shuffled_labels=0.5, players=10, hold_out=4, churn_rate=0.2, importance={})


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (replace(GOOD, auc=0.69), "did not learn enough"),
        (replace(GOOD, auc_shuffled_labels=0.56), "the evaluation leaks"),
    ],
)
def test_a_model_that_fails_a_bound_is_rejected(metrics: Metrics, message: str) -> None:
    with pytest.raises(ModelRejected, match=message):
        require(metrics)


def test_the_team_may_ask_for_more() -> None:
    require(GOOD)
    with pytest.raises(ModelRejected, match=r"below 0\.9"):
        require(GOOD, least_auc=0.9)
