"""Which rows of which tables are a team's, found out from Airflow's own metadata.

A table says whose a row is by a column with the id of a Dag, the name of a bundle or of a team, or by a foreign key to
a row of which that is known. A table that a later Airflow adds is found in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from airflow.models import import_all_models
from airflow.models.base import Base
from sqlalchemy import Column, Table, or_, select

DAG_COLUMNS = frozenset({"dag_id", "target_dag_id", "source_dag_id", "last_updated_by_dag_id"})
BUNDLE_COLUMNS = frozenset({"bundle_name", "dag_bundle_name"})
TEAM_COLUMNS = frozenset({"team_name"})
# These say by what bundle a Dag was read at the time: the Dag's own row says whose it is.
_BY_DAG_ALONE = frozenset({"dag_version", "dag"})


@dataclass(frozen=True)
class Whose:
    """A team's names.

    :param dags: the ids of its Dags: text, or a subquery
    """

    team: str
    bundle: str
    dags: Any


def tables() -> list[Table]:
    """Airflow's tables, each after those that it refers to."""
    import_all_models()
    return list(Base.metadata.sorted_tables)


def naming(table: Table) -> Iterator[tuple[Column[Any], str]]:
    """The columns by which a row says whose it is, and what they hold: ``dag``, ``bundle`` or ``team``."""
    for column in table.columns:
        if column.name in DAG_COLUMNS:
            yield column, "dag"
        elif column.name in BUNDLE_COLUMNS and table.name not in _BY_DAG_ALONE:
            yield column, "bundle"
        elif column.name in TEAM_COLUMNS:
            yield column, "team"
    if table.name in ("team", "dag_bundle"):
        yield table.columns["name"], "team" if table.name == "team" else "bundle"


def named(table: Table, whose: Whose) -> Any | None:
    """The condition that a row names the team, its bundle or one of its Dags; None: no column of the table could."""
    terms: list[Any] = []
    for column, what in naming(table):
        if what == "dag":
            terms.append(column.in_(whose.dags))
        else:
            terms.append(column == (whose.bundle if what == "bundle" else whose.team))
    return or_(*terms) if terms else None


def theirs(table: Table, whose: Whose, _seen: Collection[Table] = ()) -> Any | None:
    """The condition that a row is the team's: it names it, or it hangs on a row that does."""
    if (direct := named(table, whose)) is not None:
        return direct
    terms: list[Any] = []
    for constraint in table.foreign_key_constraints:
        parent = constraint.referred_table
        if len(constraint.elements) != 1 or parent in _seen or constraint.ondelete not in ("CASCADE", "cascade"):
            continue
        condition = theirs(parent, whose, (*_seen, table))
        if condition is not None:
            (element,) = constraint.elements
            terms.append(element.parent.in_(select(element.column).where(condition)))
    return or_(*terms) if terms else None
