"""The page: a single HTML file with its style and its charts inside. It loads nothing, runs no script, and says so in
a content security policy, so that it opens the same from a disk, a mail or a web server."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from rocket_da import charts
from rocket_da.figures import CHANNELS, FEWEST_PLAYERS, RETURN_DAYS, SPENDERS, Figures

DRIVERS = {
    "loss_rate_3": "losing lately",
    "loss_rate_14": "losing for two weeks",
    "days_since_last": "days since last played",
    "sessions_7": "sessions this week",
    "sessions_trend": "sessions: trend",
    "age_days": "days since install",
    "matches_7": "matches this week",
    "minutes_7": "minutes this week",
    "active_days_3": "days played of 3",
    "active_days_7": "days played of 7",
    "active_days_14": "days played of 14",
    "purchases_21": "purchases",
    "revenue_21": "money spent",
    "from_ad_network": "came from ad network",
}
SPENDER_TITLES = {"none": "pay nothing", "low": "under $10", "mid": "$10 to $50", "high": "$50 and more"}


def render(shown: Figures, *, sources: Sequence[str], warehouse: str) -> str:
    """The whole page."""
    first, last = shown.days[0], shown.days[-1]
    period = f"{first.day} {first:%B} – {last.day} {last:%B %Y}"
    logo, style = (Path(__file__).with_name(name).read_text("utf-8") for name in ("logo.svg", "style.css"))
    body = "".join(
        (
            f"<header>{logo}<div><h1>Rocket</h1><p>How the game is doing · {period}</p></div></header>",
            _headlines(shown),
            _tiles(shown),
            '<div class="board">',
            *_cards(shown),
            "</div>",
            _footer(shown, sources, warehouse),
        )
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Rocket: {escape(period)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<style>{style}</style></head><body><main>{body}</main></body></html>\n"
    )


def _change(values: Sequence[float]) -> float:
    """The last week against the week before, as a share."""
    before, after = sum(values[-14:-7]), sum(values[-7:])
    return after / before - 1 if before else 0.0


def _headlines(shown: Figures) -> str:
    """Three sentences that follow from the numbers, for who reads nothing else."""
    dau, money = _change(shown.dau), _change(shown.revenue)
    grows = "grew" if dau >= 0 else "shrank"
    said = [
        f"The audience <b>{grows} {abs(dau):.1%}</b> on the week before; revenue "
        f"<b>{'rose' if money >= 0 else 'fell'} {abs(money):.1%}</b>."
    ]
    if shown.campaigns:
        best, worst = shown.campaigns[0], shown.campaigns[-1]
        said.append(
            f"<b>{escape(best.name)}</b> earned {charts.money(best.roas)} for each dollar spent, "
            f"<b>{escape(worst.name)}</b> {charts.money(worst.roas)}."
        )
    share = shown.risk["high"] / max(sum(shown.risk.values()), 1)
    said.append(
        f"<b>{share:.0%}</b> of the active players are likely to leave within a week; they paid "
        f"<b>{charts.money(shown.revenue_at_risk)}</b> this month."
    )
    return '<ul class="said">' + "".join(f"<li>{sentence}</li>" for sentence in said) + "</ul>"


def _tiles(shown: Figures) -> str:
    spend, new = sum(shown.spend), sum(c.new_revenue for c in shown.campaigns)
    roas, d7 = new / spend if spend else 0.0, [values[RETURN_DAYS.index(7)] for values in shown.retention.values()]
    best, worst, known = max(d7, default=0), min(d7, default=0), max(sum(shown.risk.values()), 1)
    at_risk = shown.risk["high"]
    tiles = (
        ("Active players", charts.number(shown.dau[-1]), _versus(shown.dau), charts.spark(shown.dau)),
        ("Revenue", charts.money(sum(shown.revenue)), _versus(shown.revenue), charts.spark(shown.revenue)),
        ("Ad spend", charts.money(spend), _versus(shown.spend, neutral=True), charts.spark(shown.spend)),
        ("Return on ad spend", charts.money(roas), "<small>for each dollar, this month</small>", _meter(roas)),
        ("Back after a week", f"{best:.0%}", f"<small>best channel; worst {worst:.0%}</small>", _meter(best)),
        (
            "Likely to leave",
            charts.number(at_risk),
            f"<small>of {charts.number(known)} active players</small>",
            _meter(at_risk / known),
        ),
    )
    cells = (
        f'<div class="tile"><h2>{name}</h2><strong>{value}</strong>{note}{course}</div>'
        for name, value, note, course in tiles
    )
    return f'<section class="tiles">{"".join(cells)}</section>'


def _meter(share: float) -> str:
    return f'<div class="meter"><i style="width:{min(share, 1):.1%}"></i></div>'


def _versus(values: Sequence[float], *, neutral: bool = False) -> str:
    change = _change(values)
    if abs(change) < 0.0005:
        return "<small>as last week</small>"
    kind = "flat" if neutral else ("up" if change >= 0 else "down")
    return f'<small><i class="{kind}">{"▲" if change >= 0 else "▼"} {abs(change):.1%}</i> on last week</small>'


def _card(title: str, note: str, content: str, wide: str) -> str:
    return f'<section class="card {wide}"><h2>{title}</h2><p>{note}</p>{content}</section>'


def _cards(shown: Figures) -> list[str]:
    names = [f"{day.day} {day:%b}" for day in shown.days]
    place = {channel: number for number, channel in enumerate(CHANNELS)}
    retention = {channel: (place[channel], values) for channel, values in shown.retention.items()}
    legend = "".join(f'<span><i class="b{number}"></i>{channel}</span>' for channel, number in place.items())
    keys = '<span><i class="brev"></i>revenue</span><span><i class="bspend"></i>ad spend</span>'
    campaigns = [(c.name, c.roas, charts.money(c.roas), "good" if c.roas >= 1 else "poor") for c in shown.campaigns]
    return [
        _card(
            "Active players a day",
            f'by the channel that brought them <span class="legend">{legend}</span>',
            charts.stacked_areas(shown.active, names, (720, 300)),
            "wide",
        ),
        _card(
            "Revenue and ad spend",
            f'US dollars a day <span class="legend">{keys}</span>',
            charts.bars_and_line(shown.revenue, shown.spend, names, (500, 300)),
            "slim",
        ),
        _card(
            "Do new players come back?",
            "share of a channel’s new players who play again, by days since the install",
            charts.lines(retention, RETURN_DAYS, (500, 300)),
            "slim",
        ),
        _card(
            "Do campaigns pay?",
            "revenue from new players for each dollar of ad spend, within the month",
            charts.ranked_bars(campaigns, (720, 236), even=1.0) + _spend_line(shown),
            "wide",
        ),
        _card(
            "Who is about to leave?",
            "share of active players at high risk, by channel and by what they paid this month",
            _risk_table(shown),
            "wide",
        ),
        _card(
            "What drives leaving",
            "how much worse the churn model predicts without each",
            charts.ranked_bars(_drivers(shown), (500, 268)),
            "slim",
        ),
    ]


def _spend_line(shown: Figures) -> str:
    total = sum(c.spend for c in shown.campaigns)
    parts = "".join(
        f'<i class="{"bgood" if c.roas >= 1 else "bpoor"}" style="flex:{c.spend:.0f}" '
        f'title="{escape(c.name)}: {charts.money(c.spend)}, {c.installs:,} installs"></i>'
        for c in shown.campaigns
    )
    paid = sum(c.spend for c in shown.campaigns if c.roas >= 1)
    told = (
        f"{paid / total:.0%} of {charts.money(total)} went to campaigns that have paid for themselves" if total else ""
    )
    return f'<div class="split">{parts}</div><p class="under">{told}</p>'


def _risk_table(shown: Figures) -> str:
    enough = {key: cell for key, cell in shown.risk_by.items() if cell[0] >= FEWEST_PLAYERS}
    most = max((share for _, share in enough.values()), default=1) or 1
    cells = {
        (channel, spender): (f"{share:.0%}", share / most, f"{players:,} players, {share:.1%} at high risk")
        for (channel, spender), (players, share) in enough.items()
    }
    return charts.heat(cells, CHANNELS, {spender: SPENDER_TITLES[spender] for spender in SPENDERS})


def _drivers(shown: Figures) -> list[tuple[str, float, str, str]]:
    importance = sorted(shown.metrics["importance"].items(), key=lambda item: -item[1])[:7]
    return [
        (DRIVERS.get(name, name.replace("_", " ")), max(lost, 0.0), f"{max(lost, 0.0):.3f}", "driver")
        for name, lost in importance
    ]


def _footer(shown: Figures, sources: Sequence[str], warehouse: str) -> str:
    made_of = " · ".join(f"<code>{escape(source)}</code>" for source in sources)
    metrics = shown.metrics
    return (
        f"<footer><p>Made of {made_of}.</p>"
        f"<p>Churn model: AUC <b>{metrics['auc']:.2f}</b> on {metrics['hold_out']:,} players it never saw "
        f"(with shuffled labels {metrics['auc_shuffled_labels']:.2f}; 0.5 is chance). "
        f"Drawn for <code>{escape(warehouse)}</code>. The game is simulated.</p></footer>"
    )
