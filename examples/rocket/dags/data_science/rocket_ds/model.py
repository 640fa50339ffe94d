"""The churn model, and the proof that it learnt something: a hold-out it never saw, and a control that must fail.

The control trains the same model on shuffled labels. There is nothing to learn then, so a hold-out AUC clearly above
one half would mean that the evaluation leaks. It is repeated and averaged, and the hold-out is 40 percent, because
chance alone moves a single AUC on few players by several points.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from rocket_ds.features import FEATURES

LEAST_AUC = 0.70
MOST_SHUFFLED_AUC = 0.55
SHUFFLES = 8
CONTROL_ROWS = 40_000  # the control needs no more to show that there is nothing to learn
RISKS = ((0.5, "high"), (0.2, "medium"), (0.0, "low"))


class ModelRejected(Exception):  # noqa: N818 - named for what it is
    """The model is not good enough, or too good to be true: no predictions are published."""


@dataclass(frozen=True)
class Metrics:
    """What is stored beside the predictions."""

    auc: float
    auc_shuffled_labels: float
    players: int
    hold_out: int
    churn_rate: float
    importance: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def train(table: pl.DataFrame, churned: pl.Series, *, seed: int = 7) -> tuple[HistGradientBoostingClassifier, Metrics]:
    """Fit on 60 percent of the players, measure on the rest.

    One thread: waiting threads spin, and on a machine with other tasks that made this forty times slower.
    """
    with threadpool_limits(1):
        return _train(table, churned, seed)


def _train(table: pl.DataFrame, churned: pl.Series, seed: int) -> tuple[HistGradientBoostingClassifier, Metrics]:
    x, y = _matrix(table), churned.to_numpy()
    x_fit, x_out, y_fit, y_out = train_test_split(x, y, test_size=0.4, random_state=seed, stratify=y)
    model = _model(seed).fit(x_fit, y_fit)
    auc = _auc(model, x_out, y_out)
    metrics = Metrics(
        auc=round(auc, 4),
        auc_shuffled_labels=round(_control(x, y, seed), 4),
        players=len(y),
        hold_out=len(y_out),
        churn_rate=round(float(y.mean()), 4),
        importance=_importance(model, x_out[:20_000], y_out[:20_000], seed),
    )
    return model, metrics


def require(metrics: Metrics, *, least_auc: float = LEAST_AUC) -> None:
    """Raise ModelRejected unless the model learnt from the labels, and only from them."""
    if metrics.auc < least_auc:
        raise ModelRejected(f"hold-out AUC {metrics.auc} is below {least_auc}: the model did not learn enough")
    if metrics.auc_shuffled_labels > MOST_SHUFFLED_AUC:
        raise ModelRejected(
            f"AUC {metrics.auc_shuffled_labels} with shuffled labels is above {MOST_SHUFFLED_AUC}: the evaluation leaks"
        )


def predict(model: HistGradientBoostingClassifier, table: pl.DataFrame) -> pl.DataFrame:
    """One row a player: how likely they are gone next week, and how that is called."""
    with threadpool_limits(1):
        chance = pl.Series("churn_probability", model.predict_proba(_matrix(table))[:, 1].round(4))
    risk = pl.lit(RISKS[-1][1])
    for least, name in reversed(RISKS[:-1]):
        risk = pl.when(pl.col("churn_probability") >= least).then(pl.lit(name)).otherwise(risk)
    return table.select("player_id").with_columns(chance).with_columns(risk.alias("risk"))


def _matrix(table: pl.DataFrame) -> np.ndarray:
    return table.select(FEATURES).to_numpy()


def _model(seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=40, random_state=seed
    )


def _auc(model: HistGradientBoostingClassifier, x: np.ndarray, y: np.ndarray) -> float:
    return float(roc_auc_score(y, model.predict_proba(x)[:, 1]))


def _control(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(y))[:CONTROL_ROWS]
    found = []
    for _ in range(SHUFFLES):
        shuffled = rng.permutation(y[rows])
        x_fit, x_out, y_fit, y_out = train_test_split(x[rows], shuffled, test_size=0.4, random_state=seed)
        found.append(_auc(_model(seed).set_params(max_iter=20).fit(x_fit, y_fit), x_out, y_out))
    return float(np.mean(found))


def _importance(model: HistGradientBoostingClassifier, x: np.ndarray, y: np.ndarray, seed: int) -> dict[str, float]:
    """How much AUC is lost when one feature's values are dealt out anew."""
    rng, whole = np.random.default_rng(seed), _auc(model, x, y)
    lost = {}
    for number, name in enumerate(FEATURES):
        mixed = x.copy()
        mixed[:, number] = rng.permutation(mixed[:, number])
        lost[name] = round(whole - _auc(model, mixed, y), 4)
    return dict(sorted(lost.items(), key=lambda item: -item[1]))
