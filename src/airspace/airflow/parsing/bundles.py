"""The bundles of all teams, as Airflow's bundle manager and its tables see them, kept in step with the registry."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.exceptions import AirflowConfigException
from airflow.models.dagbundle import DagBundleModel
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from airspace.airflow.team_environment import BUNDLES, bundle_entry
from airspace.backends.tables import TeamRow
from airspace.model.home import HomeLayout

log = logging.getLogger(__name__)


def publish(layout: HomeLayout, teams: Collection[TeamRow]) -> None:
    """Make them the configured bundles of this process: Airflow reads the setting anew each time it is asked."""
    os.environ[BUNDLES] = json.dumps([bundle_entry(layout, team.bundle, team.name) for team in teams])


def synchronise(layout: HomeLayout, teams: Collection[TeamRow]) -> list[TeamRow]:
    """Store these bundles and whose they are; those that could be. One bad team never stops the others."""
    if not teams or _store(layout, teams):
        return list(teams)
    return [team for team in teams if _store(layout, [team])]


def _store(layout: HomeLayout, teams: Collection[TeamRow]) -> bool:
    publish(layout, teams)
    try:
        DagBundlesManager().sync_bundles_to_db(deactivate_missing=False)
    except (AirflowConfigException, SQLAlchemyError) as error:
        names = ", ".join(team.name for team in teams)
        log.warning("The bundles of %s could not be stored: %s", names, str(error).splitlines()[0])
        return False
    return True


def deactivate_others(bundles: Collection[str]) -> None:
    """Take every other bundle out of service: its Dags are nobody's."""
    with create_session() as session:
        for bundle in session.scalars(select(DagBundleModel).where(DagBundleModel.active.is_(True))):
            if bundle.name not in bundles:
                bundle.active = False
                bundle.teams = []
