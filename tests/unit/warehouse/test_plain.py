"""What an expression of a table may call, so that the table can go to another team."""

from __future__ import annotations

import pytest

from airspace.backends.warehouse.plain import acts, printable


@pytest.mark.parametrize(
    ("said", "name", "volatility", "it_acts"),
    [
        ("(a + 1)", "int4pl", "i", False),
        ("now()", "now", "s", False),
        ("(now() + '1 day'::interval)", "timestamptz_pl_interval", "s", False),
        ("to_char(at, 'YYYY'::text)", "to_char", "s", False),
        ("gen_random_uuid()", "gen_random_uuid", "v", False),
        ("nextval('scores_a_seq'::regclass)", "nextval", "v", False),
        ("nextval('\"it''s odd\"'::regclass)", "nextval", "v", False),
        ("nextval((16385)::oid::regclass)", "nextval", "v", True),
        ("nextval('a'::regclass) + nextval('b'::regclass)", "nextval", "v", True),
        ("(query_to_xml('x'::text, true, true, ''::text))::text", "query_to_xml", "v", True),
        ("(table_to_xml('x'::regclass, true, true, ''::text))::text", "table_to_xml", "s", True),
        ("setval('a'::regclass, 1)", "setval", "v", True),
        ("current_setting('x'::text)", "current_setting", "s", True),
        ("now()", "nowhere", "s", True),
    ],
)
def test_what_may_do_more_than_calculate_acts(said: str, name: str, volatility: str, it_acts: bool) -> None:
    assert acts(said, name, volatility) is it_acts


def test_names_of_a_teams_choosing_are_one_short_line() -> None:
    assert printable("a\nb\x1b[2J") == "a?b?[2J"
    assert len(printable("x" * 5000)) == 201
