"""Tables that go to another team: what goes along, what is refused, and what the old team can do about it."""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress

import psycopg2
import pytest

from airspace.backends.warehouse import moving, plain
from airspace.backends.warehouse.moving import Going
from airspace.model.errors import InvalidInputError
from airspace.model.warehouse import Bounds
from tests.integration.warehouse.conftest import House

pytestmark = pytest.mark.integration
MADE = """
CREATE TABLE scores (a serial PRIMARY KEY, b int GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT now() + '1 day',
    day date DEFAULT CURRENT_DATE, word text DEFAULT upper('x') CHECK (length(word) < 9 AND word ~ '^X'),
    twice int GENERATED ALWAYS AS (length(word) * 2) STORED);
CREATE INDEX "odd; name" ON scores (lower(word)) WHERE a > 0;
CREATE TABLE parts (a int REFERENCES scores ON DELETE CASCADE, id uuid DEFAULT gen_random_uuid());
COMMENT ON TABLE scores IS 'what it is';
GRANT ALL ON scores, parts TO PUBLIC; GRANT SELECT (word) ON scores TO "{da}" WITH GRANT OPTION;
GRANT ALL ON SEQUENCE scores_a_seq TO "{da}"; REVOKE INSERT ON scores FROM CURRENT_USER;
GRANT INSERT ON scores TO CURRENT_USER; INSERT INTO scores DEFAULT VALUES; INSERT INTO parts VALUES (1);
REVOKE INSERT ON scores FROM CURRENT_USER
"""


def going(*names: str, target: str = "de") -> Going:
    return Going(secrets.token_hex(8), "ds", target, names)


def test_a_table_goes_with_all_that_is_its_own_and_nothing_else(house: House) -> None:
    role = house.server.offer.role
    house.ask("ds", MADE.format(da=role("da")))
    both = going("parts", "scores", "never_made")
    house.settle({"ds": {"scores": {"da"}}})
    assert house.ask("da", "SELECT a FROM ds__published.scores") == [(1,)]
    house.ask("da", "CREATE VIEW mine AS SELECT a FROM ds__published.scores")
    look = moving.look(house.server, both, house.cluster.data)
    assert (look.problems, look.tables, look.used_by) == ((), ("parts", "scores"), ())
    assert (look.bytes > 0, look.readers) == (True, ("da.mine",))
    for _ in range(2):
        assert moving.take(house.server, both, end=False) == []
    assert "does not exist" in house.refused("da", "TABLE ds__published.scores")
    assert "does not exist" in house.refused("ds", "TABLE scores")
    for team in ("ds", "de", "da"):
        assert "permission denied for schema" in house.refused(team, f"TABLE {both.aside}.scores")
    house.ask("ds", "CREATE TABLE scores (of_the_old int)")  # another one, which stays
    for _ in range(2):
        assert moving.put(house.server, both, "de", end=False) == []
    assert house.ask("ds", "SELECT of_the_old FROM scores") == []
    assert house.ask("de", "INSERT INTO scores DEFAULT VALUES RETURNING a, b, twice") == [(2, 2, 2)]
    assert house.ask("de", "SELECT obj_description('de.scores'::regclass), count(*) FROM parts") == [("what it is", 1)]
    assert house.ask("de", "DELETE FROM scores WHERE a = 1; SELECT count(*) FROM parts") == [(0,)]
    house.ask("de", 'DROP INDEX "odd; name"; ALTER TABLE scores ADD c int')

    with house.server.warehouse() as cursor:
        cursor.execute(
            "SELECT DISTINCT pg_get_userbyid(c.relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'de' AND c.relname ~ 'scores|parts'"
        )
        assert cursor.fetchall() == [(role("de"),)]
        cursor.execute(
            "SELECT x.grantee FROM pg_class c, aclexplode(c.relacl) x WHERE c.relnamespace = 'de'::regnamespace"
            " AND x.grantee <> c.relowner UNION ALL SELECT x.grantee FROM pg_attribute a, aclexplode(a.attacl) x"
            " WHERE a.attrelid = 'de.scores'::regclass"
        )
        assert cursor.fetchall() == []
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname ~ 'moving'")
        assert cursor.fetchall() == []
    # Consent was the old team's word: now it is the new one's.
    assert "does not exist" in house.refused("da", "TABLE de__published.scores")
    assert house.settle({"de": {"scores": {"da"}}}).unpublished == {}
    assert house.ask("da", "SELECT a FROM de__published.scores") == [(2,)]
    for statement in ("TABLE de.scores", "DROP TABLE de.scores", "CREATE VIEW v AS SELECT * FROM de.scores"):
        assert "permission denied" in house.refused("ds", statement)
    house.ask("de", "DROP TABLE scores, parts CASCADE")
    house.settle()
    house.ask("ds", "DROP OWNED BY CURRENT_USER")


PLAIN = "CREATE TABLE t (a int PRIMARY KEY, b text); CREATE TABLE other (a int PRIMARY KEY)"


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("CREATE VIEW v AS SELECT a FROM t", "view ds.v depends"),
        ("CREATE MATERIALIZED VIEW v AS SELECT a FROM t", "materialized view"),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM other", "rule r"),
        ("CREATE RULE r AS ON INSERT TO other DO ALSO INSERT INTO t VALUES (new.a)", "rule r"),
        ("CREATE POLICY p ON t USING (query_to_xml('DROP TABLE de.x', true, true, '') IS NOT NULL)", "policy p"),
        ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "has row-level security"),
        ("CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
         "trigger g"),
        ("ALTER TABLE t ADD CHECK (query_to_xml('DROP TABLE de.x', true, true, '') IS NULL) NOT VALID", "query_to_xml"),
        ("ALTER TABLE t ALTER b SET DEFAULT table_to_xml('other', true, true, '')::text", "table_to_xml"),
        ("ALTER TABLE t ALTER b SET DEFAULT pg_sleep(9)::text", "pg_sleep"),
        ("ALTER TABLE t ALTER b SET DEFAULT set_config('search_path', 'ds', false)", "set_config"),
        ("ALTER TABLE t ADD c int REFERENCES other", "depends on"),
        ("ALTER TABLE other ADD FOREIGN KEY (a) REFERENCES t", "depends on a table that goes"),
        ("CREATE TYPE mood AS ENUM ('x'); ALTER TABLE t ADD c mood[]", "mood"),
        ("CREATE DOMAIN d AS int CHECK (pg_sleep(1) IS NOT NULL); ALTER TABLE t ADD c d", "type d"),
        ("CREATE COLLATION c FROM \"C\"; ALTER TABLE t ADD c text COLLATE c", "collation"),
        ("CREATE TABLE x (c t[])", "column c of table"),
        ("CREATE SEQUENCE s; ALTER TABLE t ALTER a SET DEFAULT nextval('s')", "sequence ds.s"),
        ("CREATE SEQUENCE s OWNED BY t.a; ALTER TABLE other ALTER a SET DEFAULT nextval('s')", "default value"),
        ("CREATE SEQUENCE s; ALTER TABLE t ALTER a SET DEFAULT nextval('s'::text)", "calls"),
        (f"ALTER TABLE t ADD CHECK (b <> '{'x' * 40_000}')", "the constraint t_b_check is too long"),
        ("CREATE STATISTICS st ON a, b FROM t", "statistics object"),
        ("CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq); ALTER TABLE t ADD CHECK (a === 1)",
         "operator"),
        ("CREATE TEXT SEARCH CONFIGURATION c (COPY = simple); CREATE INDEX ON t (to_tsvector('c', b))", "text search"),
        ("DROP TABLE t; CREATE TABLE t (a int) PARTITION BY LIST (a)", "is partitioned"),
        ("CREATE TABLE child () INHERITS (t)", "inherit"),
        ("CREATE TABLE child (a int, b text) PARTITION BY LIST (b); ALTER TABLE child ALTER a SET NOT NULL;"
         " ALTER TABLE child ATTACH PARTITION t DEFAULT", "inherit"),
        ("DROP TABLE t; CREATE VIEW t AS SELECT 1", "is a view"),
        ("DROP TABLE t; CREATE MATERIALIZED VIEW t AS SELECT 1 AS a", "is a materialized view"),
        ("DROP TABLE t; CREATE SEQUENCE t", "is no table"),
        ("DROP TABLE t; CREATE TYPE k AS (a int); CREATE TABLE t OF k", "no plain one"),
    ],
)  # fmt: skip
def test_what_would_act_in_the_new_teams_hands_or_be_torn_apart_is_refused(house: House, made: str, why: str) -> None:
    house.ask("ds", f"{PLAIN}; {made}")
    try:
        asked = going("t")
        look = moving.look(house.server, asked, None)
        assert any(why in message for message, _ in look.problems), look.problems
        assert all(fix for _, fix in look.problems)
        with pytest.raises(InvalidInputError, match="cannot go"):
            moving.take(house.server, asked, end=True)
        with house.server.warehouse() as cursor:
            cursor.execute("SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 't'")
            assert cursor.fetchall() == [("ds",)]
            cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname ~ 'moving'")
            assert cursor.fetchall() == []
    finally:
        house.ask("ds", "DROP OWNED BY CURRENT_USER")


def test_who_holds_a_table_is_told_and_then_sent_away(house: House) -> None:
    """A reader, and a team that takes its table again and again so that it never goes."""
    house.ask("ds", "CREATE TABLE busy (a serial); INSERT INTO busy DEFAULT VALUES")
    house.settle({"ds": {"busy": {"da"}}})
    asked = going("busy")
    reading = house.connect("da")
    reading.autocommit = False
    reading.cursor().execute("SELECT * FROM ds__published.busy")
    assert moving.look(house.server, asked, None).used_by == ("da",)
    assert moving.take(house.server, asked, end=False) == ["da"]
    assert house.ask("da", "SELECT a FROM ds__published.busy") == [(1,)]
    stop = threading.Event()

    def hold() -> None:
        while not stop.is_set():
            with suppress(psycopg2.Error):
                house.ask("ds", "LOCK TABLE busy; SELECT pg_sleep(20)")

    threads = [threading.Thread(target=hold, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        assert any(moving.take(house.server, asked, end=True) == [] for _ in range(5))
    finally:
        stop.set()
    with pytest.raises(psycopg2.Error):
        reading.cursor().execute("SELECT 1")
    # The new team has made, and holds, things of the same names.
    house.ask("de", "CREATE TABLE busy (mine int); CREATE TYPE busy_a_seq AS ENUM ('x'); INSERT INTO busy VALUES (7)")
    link = house.connect("de")
    link.autocommit = False
    link.cursor().execute("LOCK TABLE busy")
    assert moving.put(house.server, asked, "de", end=False) == ["de"]
    assert moving.put(house.server, asked, "de", end=True) == []
    assert house.ask("de", "SELECT a FROM busy") == [(1,)]
    ((kept,),) = house.ask("de", "SELECT relname::text FROM pg_class WHERE relname ~ '^busy_before_'")
    assert house.ask("de", f"TABLE {kept}") == [(7,)]
    for thread in threads:
        thread.join(10)
    house.settle()
    for team in ("ds", "de"):
        house.ask(team, "DROP OWNED BY CURRENT_USER")


def test_what_was_taken_can_be_given_back_and_is_published_again(house: House) -> None:
    house.ask("ds", "CREATE TABLE back (a int); INSERT INTO back VALUES (1)")
    house.settle({"ds": {"back": {"da"}}})
    asked = going("back")
    assert moving.take(house.server, asked, end=False) == []
    assert moving.put(house.server, asked, "ds", end=True) == []
    assert house.ask("ds", "TABLE back") == [(1,)]
    assert house.ask("da", "TABLE ds__published.back") == [(1,)]
    house.settle()
    house.ask("ds", "DROP OWNED BY CURRENT_USER")


def test_the_new_team_has_to_have_room_and_the_names(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.ask("ds", "CREATE TABLE big AS SELECT repeat(md5(i::text), 30) AS a FROM generate_series(1, 4000) i")
    house.ask("de", "CREATE TYPE big AS ENUM ('x')")
    house.settle(de=Bounds(size=1 << 20))
    for data in (house.cluster.data, None):
        house.ask("ds", "ANALYZE big")
        problems = moving.look(house.server, going("big"), data).problems
        assert ["something called big" in problems[0][0], "MB left" in problems[1][0]] == [True, True], problems
    house.settle()
    monkeypatch.setattr(plain, "MOST_RELATIONS", 1)
    assert "indexes and sequences would go" in moving.look(house.server, going("big"), None).problems[0][0]
    monkeypatch.undo()
    monkeypatch.setattr(plain, "_PATTERN", ":(opid|function) ([0-9]+)")  # what another server might keep them as
    assert "in a form that is not known" in moving.look(house.server, going("big"), None).problems[0][0]
    for team in ("ds", "de"):
        house.ask(team, "DROP OWNED BY CURRENT_USER")
