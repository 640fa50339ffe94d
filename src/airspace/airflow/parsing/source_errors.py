"""A source that cannot be fetched, as an import error of its team's bundle: members see those, and nobody else's.

The rows are Airflow's own, so the UI shows them where its users look for what is wrong with their Dags, and the filters
that keep import errors apart hold for them too.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from airflow.models.errors import ParseImportError
from airflow.sdk.timezone import utcnow
from airflow.utils.session import create_session
from sqlalchemy import select

from airspace.platform import source_trouble

PREFIX = "source://"
"""What the name of such an error's file begins with: no path of a file in a bundle has two slashes."""

NAMES = frozenset(f"{PREFIX}{kind}" for kind in ("folder", "git", "object_store"))


class SourceErrors:
    """Keeps the rows as the fetcher says."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._known: tuple[object, ...] = ()

    def follow(self, bundles: Collection[str]) -> None:
        """Write what is new. Nothing is asked of the database while nothing has changed.

        :param bundles: those in service; of others nothing is told
        """
        now = (source_trouble.stamp(self._run), frozenset(bundles))
        if now != self._known:
            self._write({name: found for name, found in source_trouble.read(self._run).items() if name in now[1]})
            self._known = now

    @staticmethod
    def _write(troubles: dict[str, source_trouble.Trouble]) -> None:
        wanted = {(bundle, f"{PREFIX}{found.kind}"): found.told() for bundle, found in troubles.items()}
        with create_session() as session:
            ask = select(ParseImportError).where(ParseImportError.filename.in_(NAMES))
            for row in session.scalars(ask):
                text = wanted.pop((str(row.bundle_name), str(row.filename)), None)
                if text is None:
                    session.delete(row)
                elif text != row.stacktrace:
                    row.stacktrace, row.timestamp = text, utcnow()
            for (bundle, name), text in wanted.items():
                session.add(ParseImportError(bundle_name=bundle, filename=name, stacktrace=text, timestamp=utcnow()))
