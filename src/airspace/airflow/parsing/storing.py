"""Storing what the process that read a file sent back: vetted first, and each Dag alone where all at once fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.configuration import conf
from airflow.dag_processing.processor import DagFileParsingResult
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from airspace.airflow.live_teams import LiveTeams
from airspace.airflow.parsing import catalog, facts, results
from airspace.airflow.parsing.checks import Parsed
from airspace.airflow.parsing.facts import Standing
from airspace.airflow.parsing.refusals import Refusal, told
from airspace.airflow.parsing.results import Rules, Vetted
from airspace.airflow.parsing.retries import Retries
from airspace.backends.tables import TeamRow
from airspace.model.home import HomeLayout
from airspace.model.limits import REQUIRE_PREFIX, SECTION, CodeLimits

Keep = Callable[[DagFileParsingResult], None]
"""Has Airflow store a result."""


class ResultStore:
    """Holds results against the rules, and what the platform knows of their team."""

    def __init__(self, layout: HomeLayout, teams: LiveTeams, log: Any) -> None:
        self._layout, self._teams, self._log = layout, teams, log
        self._rules = _configured_rules()
        self.retries = Retries()
        """The files whose results the database did not take."""

    @property
    def limits(self) -> CodeLimits:
        """How much of everything is let in."""
        return self._rules.limits

    def store(self, team: TeamRow, rel_path: str, result: DagFileParsingResult, keep: Keep, session: Any) -> None:
        """Store what is the team's own of a result, and what is wrong with the rest as the file's import error.

        :raises SQLAlchemyError: the database did not take it; the file is read again soon
        """
        try:
            self._store(team, rel_path, result, keep, session)
        except SQLAlchemyError:
            self.retries.failed((team.bundle, rel_path))
            raise
        self.retries.stored((team.bundle, rel_path))

    def _store(self, team: TeamRow, rel_path: str, result: DagFileParsingResult, keep: Keep, session: Any) -> None:
        screened = results.screen(result.serialized_dags, self._rules.limits)
        standing = facts.standing(team, rel_path, facts.dag_ids(screened.dags), session)
        if standing is None:
            return
        parsed = self._parsed(team, rel_path, screened.dags, standing, session)
        vetted = results.vet(screened, result.import_errors, result.warnings, parsed, self._rules)
        facts.make_way(team, vetted.dags, parsed.claims, session)

        def store(dags: list[Any], import_errors: dict[str, str], warnings: list[Any]) -> None:
            keep(
                DagFileParsingResult.model_construct(
                    fileloc=str(parsed.file), serialized_dags=dags, import_errors=import_errors, warnings=warnings
                )
            )

        store_vetted(vetted, rel_path, store, session, self._log)
        if vetted.refused:
            facts.keep_in_service([dag.data["dag"]["dag_id"] for dag in vetted.dags], team.bundle, session)

    def _parsed(self, team: TeamRow, rel_path: str, dags: list[Any], standing: Standing, session: Any) -> Parsed:
        prefix = conf.getboolean(SECTION, REQUIRE_PREFIX, fallback=False)
        return Parsed(
            team=team.name,
            file=self._layout.bundles / team.bundle / rel_path,
            rel_path=rel_path,
            taken=standing.taken,
            pools=standing.pools,
            slots=team.slots,
            other_dags=standing.other_dags,
            teams=frozenset(other.name for other in self._teams.all()) if prefix else None,
            claims=facts.claims(self._teams, dags, session),
        )


def store_vetted(vetted: Vetted, rel_path: str, store: Callable[..., None], session: Any, log: Any) -> None:
    """Store it all; where that fails, each Dag alone, and what fails then is the file's import error.

    :param store: is given Dags, import errors and warnings
    """
    try:
        store(vetted.dags, vetted.import_errors, vetted.warnings)
        return
    except OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever Airflow or the database has against one Dag: the others are stored
        log.warning("A result could not be stored at once: %s", type(error).__name__)
        session.rollback()
    refusals = []
    for dag in list(vetted.dags):
        try:
            store([dag], {}, [])
            session.commit()
        except OperationalError:
            raise
        except Exception as error:
            session.rollback()
            vetted.dags.remove(dag)
            place = f"Dag {dag.data['dag']['dag_id']!r}"
            message = f"could not be stored: {type(error).__name__}"
            refusals.append(Refusal("not-storable", place, message, "see the Dag processor's log, or simplify it"))
            log.warning("%s", refusals[-1], exc_info=True)
    errors = dict(vetted.import_errors)
    if refusals:
        errors[rel_path] = "\n".join([*([errors[rel_path]] if rel_path in errors else []), told(refusals)])
    store([], errors, vetted.warnings)


def _configured_rules() -> Rules:
    """:raises ValueError: a limit in the configuration is none"""

    def get(section: str, key: str) -> str | None:
        value: str | None = conf.get(section, key, fallback=None)
        return value

    limits = CodeLimits.read(get)
    return Rules(catalog.known(), limits, lambda dag: catalog.load(dag, limits.load_seconds))
