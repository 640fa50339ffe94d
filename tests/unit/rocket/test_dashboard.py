"""One file that loads nothing, shows what the tables say, and treats their text as text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from rocket_da.charts import money, number, ticks
from rocket_da.dashboard import render
from rocket_da.figures import CampaignRow, Figures, figures

from tests.unit.rocket.conftest import Month

METRICS = {"auc": 0.84, "auc_shuffled_labels": 0.5, "hold_out": 1000, "importance": {"loss_rate_3": 0.1, "ios": -0.001}}


@pytest.fixture(scope="module")
def shown(month: Month, tmp_path_factory: pytest.TempPathFactory) -> Figures:
    root = tmp_path_factory.mktemp("published")
    active = month.profiles.filter(pl.col("last_seen").is_not_null()).select("player_id")
    risk = pl.int_range(pl.len()) % 4
    churn = active.with_columns(
        churn_probability=risk / 4, risk=pl.when(risk == 3).then(pl.lit("high")).otherwise(pl.lit("low"))
    )
    tables = {"profiles": month.profiles, "marketing": month.marketing, "churn": churn}
    for name, table in tables.items():
        (root / name).mkdir()
        table.write_parquet(root / name / "part-0.parquet")
    (root / "churn" / "metrics.json").write_text(json.dumps(METRICS))
    return figures(root / "profiles", root / "marketing", root / "churn")


@pytest.fixture(scope="module")
def page(shown: Figures) -> str:
    return render(shown, sources=["data_engineering/user_profiles/v1"], warehouse="da@warehouse/marts")


class Outline(HTMLParser):
    """Every tag with its attributes; complains about tags that are not closed in order."""

    VOID = frozenset({"meta", "link", "img", "br", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    assert found.open == []
    return found


def test_it_loads_nothing_and_runs_nothing(page: str) -> None:
    tags = outline(page).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    for _, attributes in tags:
        assert not {"src", "href", "xlink:href", "srcset", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"https?://|url\(|@import|//[a-z]", page)
    assert "default-src 'none'" in page


def test_it_has_charts_for_what_was_asked(page: str) -> None:
    assert sum(tag == "svg" and attributes.get("viewbox") is not None for tag, attributes in outline(page).tags) >= 9
    for title in ("Active players a day", "Revenue and ad spend", "come back?", "campaigns pay?", "about to leave?"):
        assert title in page
    assert "prefers-color-scheme:dark" in page
    assert len(page.encode()) < 100_000


def test_the_numbers_are_the_tables(shown: Figures, month: Month) -> None:
    assert sum(shown.revenue) == pytest.approx(month.marketing["revenue_usd"].sum())
    assert sum(shown.dau) == month.marketing["active_players"].sum()
    assert sum(row.installs for row in shown.campaigns) == (
        month.marketing.filter(pl.col("campaign_id") != "organic")["installs"].sum()
    )
    assert [row.roas for row in shown.campaigns] == sorted((row.roas for row in shown.campaigns), reverse=True)
    assert shown.points > 250


def test_text_from_data_stays_text(shown: Figures) -> None:
    hostile = CampaignRow("<script>alert(1)</script>\"'", "social", 10.0, 1, 20.0)
    drawn = render(
        replace(shown, campaigns=[hostile, hostile], metrics={**METRICS, "importance": {"<b>x": 1.0}}),
        sources=["<script>"],
        warehouse="<img src=x onerror=alert(1)>",
    )
    assert not {tag for tag, _ in outline(drawn).tags} & {"script", "img"}


def test_a_month_without_campaigns_or_players_is_still_drawn(shown: Figures) -> None:
    empty = replace(shown, campaigns=[], retention={}, risk=dict.fromkeys(("high", "medium", "low"), 0), risk_by={})
    outline(render(replace(empty, revenue_at_risk=0.0, revenue=[0.0] * 30, spend=[0.0] * 30), sources=[], warehouse=""))


@pytest.mark.parametrize(
    ("most", "expected"),
    [(0, [0.0]), (100, [0, 25, 50, 75, 100]), (47_000, [0, 20_000, 40_000, 60_000]), (1, [0, 0.25, 0.5, 0.75, 1])],
)
def test_axes_have_round_values(most: float, expected: list[float]) -> None:
    assert ticks(most) == pytest.approx(expected)


def test_numbers_are_said_as_people_do() -> None:
    assert [number(n) for n in (0, 999, 1_234, 12_300, 45_000, 4_500_000)] == [
        "0",
        "999",
        "1,234",
        "12.3k",
        "45k",
        "4.5M",
    ]
    assert [money(n) for n in (0.5, 9.99, 100, 118_500)] == ["$0.50", "$9.99", "$100", "$118.5k"]


def test_the_style_is_beside_the_code(rocket: Path) -> None:
    assert (rocket / "dags" / "data_analytics" / "rocket_da" / "style.css").is_file()
