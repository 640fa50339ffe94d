"""The one Dag processor of all teams.

Airflow's manager with four things of ours: its bundles follow the teams while it runs, a doorbell ends its wait,
teams take turns, and what a file's process sends back is vetted before it is stored. Every private method that is
overridden here has a contract test; see ``docs/adr/0008-one-dag-processor.md``.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections import OrderedDict
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from airflow import settings
from airflow.callbacks.callback_requests import CallbackRequest
from airflow.configuration import conf
from airflow.dag_processing.manager import DagFileInfo
from airflow.dag_processing.processor import DagFileParsingResult, DagFileProcessorProcess
from airflow.utils.session import create_session
from sqlalchemy.exc import SQLAlchemyError
from uuid6 import uuid7

from airspace.airflow.callbacks import CallbackLog
from airspace.airflow.live_teams import Grants, LiveTeams
from airspace.airflow.parsing import bundles, process
from airspace.airflow.parsing.callback_rows import Asked
from airspace.airflow.parsing.callback_runs import CallbackRuns
from airspace.airflow.parsing.changes import Changes
from airspace.airflow.parsing.discovery import Finder
from airspace.airflow.parsing.pacing import PacedDagProcessor
from airspace.airflow.parsing.process import TeamParseProcess
from airspace.airflow.parsing.source_errors import NAMES, SourceErrors
from airspace.airflow.parsing.storing import ResultStore
from airspace.airflow.team_api import TeamApi
from airspace.airflow.team_environment import team_environment
from airspace.airflow.turns import next_in_line
from airspace.backends.tables import TeamRegistry, TeamRow
from airspace.model.home import HomeLayout, home_root
from airspace.platform import bells
from airspace.sandbox.client import SpawnerClient
from airspace.sandbox.errors import BusyError, NotBegunError, SandboxError
from airspace.sandbox.ports import Sandboxes

BUSY_SECONDS = 2.0


@attrs.define(kw_only=True, slots=False)
class TeamDagProcessor(PacedDagProcessor):
    """Parses every team's bundle in processes, each with its team's environment and secrets."""

    max_runs: int = -1
    _layout: HomeLayout = attrs.field(factory=lambda: HomeLayout(home_root()), init=False)
    _teams: LiveTeams = attrs.field(factory=lambda: LiveTeams(TeamRegistry(settings.engine), every=1.0), init=False)
    _team_api: TeamApi = attrs.field(
        default=attrs.Factory(lambda self: TeamApi(lambda: self.client), takes_self=True), init=False
    )
    _sandboxes: Sandboxes = attrs.field(factory=lambda: SpawnerClient(bells.run_dir()), init=False)
    _stored: dict[str, TeamRow] = attrs.field(factory=dict, init=False)
    """The bundles in service: stored in Airflow's tables and loaded."""
    _behind: bool = attrs.field(default=False, init=False)
    """Whether a change of the teams was not taken on yet, or only in part."""
    _grants: Grants = attrs.field(factory=dict, init=False)
    _resting: set[str] = attrs.field(factory=set, init=False)
    """The bundles of teams on hold: their Dags stay as they are, and none of their files is read."""
    _changes: Changes = attrs.field(factory=Changes, init=False)
    _last_served: dict[str, None] = attrs.field(factory=dict, init=False)
    _busy: dict[str, float] = attrs.field(factory=dict, init=False)
    """Bundle → when to ask its sandbox again."""
    _finder: Finder = attrs.field(factory=Finder, init=False)
    _source_errors: SourceErrors = attrs.field(factory=lambda: SourceErrors(bells.run_dir()), init=False)
    _results: ResultStore = attrs.field(
        default=attrs.Factory(lambda self: ResultStore(self._layout, self._teams, self.log), takes_self=True),
        init=False,
    )
    _callback_runs: CallbackRuns = attrs.field(
        default=attrs.Factory(lambda self: self._make_callback_runs(), takes_self=True), init=False
    )

    # --- the teams, live -------------------------------------------------------------------------------------------

    def sync_bundles(self) -> None:
        """Store the bundles of all teams; take those of nobody out of service."""
        self._teams.refresh(force=True)
        self._follow_teams()
        if self._teams.reachable:
            bundles.deactivate_others({team.bundle for team in self._teams.all()})

    def _follow_teams(self) -> None:
        """Make the bundles in service those of the teams. What could not be stored is tried again the next time."""
        wanted = {team.bundle: team for team in self._teams.all()}
        owners = {bundle: team.name for bundle, team in self._stored.items()}
        changed = [team for bundle, team in wanted.items() if owners.get(bundle) != team.name]
        gone = set(self._stored) - set(wanted)
        if changed or gone:
            stored = bundles.synchronise(self._layout, changed)
            self._stored = {bundle: team for bundle, team in self._stored.items() if bundle in wanted}
            self._stored.update({team.bundle: team for team in stored})
            self._bundle_name_to_team_name: dict[str, str | None] = {}
            self._rung.update(team.bundle for team in stored)
        bundles.publish(self._layout, list(self._stored.values()))
        self._rest()

    def _rest(self) -> None:
        """Read no more of who is held; of who no longer is, read everything again."""
        resting = {team.bundle for team in self._teams.all() if team.stage is not None}
        for bundle in self._resting - resting:
            self._changes.forget(bundle)
            self._rung.add(bundle)
        self._resting = resting

    def prepare_file_queue(self, known_files: dict[str, set[DagFileInfo]]) -> None:
        """As Airflow does, without the files of those that are not read."""
        super().prepare_file_queue({name: files for name, files in known_files.items() if name not in self._resting})

    def _queue_requested_files_for_parsing(self) -> None:
        self._behind = self._teams.refresh() or self._behind
        if self._behind or len(self._stored) != len(self._teams.all()):
            try:
                self._reload()
                self._behind = False
            except SQLAlchemyError:
                self.log.warning("The teams' changes could not be taken on; trying again", exc_info=True)
        if self._rung:
            self.request_bundle_refresh(self._rung & set(self._stored))
        try:
            self._source_errors.follow(set(self._stored) - self._resting)
        except SQLAlchemyError:
            self.log.warning("What cannot be fetched could not be told; trying again", exc_info=True)
        super()._queue_requested_files_for_parsing()

    def _reload(self) -> None:
        self._follow_teams()
        known: dict[str, Any] = {bundle.name: bundle for bundle in self._dag_bundles}
        if set(known) != set(self._stored):
            self.load_dag_bundles()
            self._dag_bundles: list[Any] = [known.get(bundle.name, bundle) for bundle in self._dag_bundles]
            bundles.deactivate_others({team.bundle for team in self._teams.all()})
        if self._grants != self._teams.grants:
            # Consent is stored with each Dag: whoever shares or hears is parsed again.
            moved = set(self._grants.items()) ^ set(self._teams.grants.items())
            concerned = {owner for (owner, _), _ in moved}.union(*(consumers for _, consumers in moved))
            self._grants = dict(self._teams.grants)
            for bundle, team in self._stored.items():
                if team.name in concerned:
                    self._changes.forget(bundle)
                    self._rung.add(bundle)

    # --- the doorbell ------------------------------------------------------------------------------------------------

    def prepare_process_context(self) -> None:
        """Put up the doorbell beside the parse processes' sockets."""
        super().prepare_process_context()
        bell = bells.hang(bells.DOORBELL)
        self.selector.register(bell, selectors.EVENT_READ, (self._on_ring, lambda _: None))

    def _on_ring(self, bell: socket.socket) -> bool:
        heard = bells.rings(bell)
        self._rung |= heard & set(self._stored)
        if heard - set(self._stored):  # a new team's
            self._teams.loaded_at = float("-inf")
        return True

    def _refresh_dag_bundles(self, known_files: dict[str, set[DagFileInfo]]) -> None:
        in_service = {bundle.name for bundle in self._dag_bundles}
        gone = set(known_files) - in_service
        if gone:
            self._drop(gone, known_files)
        rung, self._rung = self._rung & in_service, set()
        everything, last = self._dag_bundles, self._bundles_last_refreshed
        due = time.monotonic() >= last + self.bundle_refresh_check_interval
        if rung and not due:  # one bell is no reason to look at every team
            self._dag_bundles = [bundle for bundle in everything if bundle.name in rung]
            try:
                super()._refresh_dag_bundles(known_files)
            finally:
                self._dag_bundles = everything
                self._bundles_last_refreshed: float = last
        else:
            super()._refresh_dag_bundles(known_files)
        for bundle in rung & set(known_files):
            # Changed files go first. Airflow would come to them when its whole queue has been worked off.
            if bundle not in self._resting:
                self._add_files_to_queue(self._changed(bundle, known_files[bundle]), mode="frontprio")

    def _find_files_in_bundle(self, bundle: Any) -> list[Path]:
        look = super()._find_files_in_bundle
        return self._finder.find(bundle.name, lambda: look(bundle))

    def _get_observed_filelocs(self, present: set[DagFileInfo]) -> set[str]:
        look = super()._get_observed_filelocs
        return self._finder.guarded(lambda: look(present), {str(file.rel_path) for file in present})

    def _drop(self, gone: Iterable[str], known_files: dict[str, set[DagFileInfo]]) -> None:
        for bundle in gone:
            known_files.pop(bundle, None)
            self._bundle_versions.pop(bundle, None)
            self._changes.forget(bundle)
        self.handle_removed_files(known_files)
        self.deactivate_stale_dags(last_parsed={})

    def clear_orphaned_import_errors(self, bundle_name: str, observed_filelocs: set[str]) -> None:
        """As Airflow does, but for what is no file's."""
        super().clear_orphaned_import_errors(bundle_name, observed_filelocs | NAMES)

    def _changed(self, bundle: str, files: set[DagFileInfo]) -> list[DagFileInfo]:
        own = {str(file.rel_path): file for file in files}
        return [own[path] for path in self._changes.since_last(bundle, self._layout.bundles / bundle, set(own))]

    # --- callbacks ---------------------------------------------------------------------------------------------------

    def fetch_callbacks(self) -> list[CallbackRequest]:
        """None for Airflow's queue, where they would stand in for the reading of their files: they run beside it."""
        halted = {team.bundle for team in self._teams.all() if team.halted}
        self._callback_runs.serve({bundle: team for bundle, team in self._stored.items() if bundle not in halted})
        return []

    def _is_due(self) -> bool:
        return super()._is_due() or self._callback_runs.in_hand

    def _make_callback_runs(self) -> CallbackRuns:
        def file_log(bundle: str, rel_path: str) -> str:
            return str(self._render_log_filename(self._file(bundle, rel_path)))

        return CallbackRuns(self._begin_callback, file_log, self._team_api.warm, self.processor_timeout)

    def _begin_callback(self, asked: Asked, lines: CallbackLog) -> TeamParseProcess:
        file = self._file(asked.bundle, asked.rel_path)
        return self._begin(file, lines.logger, lines.handle, what="callback", callbacks=[asked.request], id=asked.as_id)

    def _file(self, bundle: str, rel_path: str) -> DagFileInfo:
        return DagFileInfo(
            rel_path=Path(rel_path), bundle_name=bundle, bundle_path=self._layout.bundles / bundle, bundle_version=None
        )

    # --- parsing -----------------------------------------------------------------------------------------------------

    def _create_process(self, dag_file: DagFileInfo) -> DagFileProcessorProcess:
        logger, logger_filehandle = self._get_logger_for_dag_file(dag_file)
        return self._begin(dag_file, logger, logger_filehandle, callbacks=[], id=uuid7())

    def _begin(
        self, dag_file: DagFileInfo, logger: Any, handle: Any, *, what: str = "parse", **keywords: Any
    ) -> TeamParseProcess:
        team = self._stored[dag_file.bundle_name].name
        values = team_environment(self._layout, dag_file.bundle_name, team, os.environ)
        order = process.work(team, str(dag_file.rel_path), values, what)
        return TeamParseProcess.start(
            path=dag_file.absolute_path,
            bundle_path=dag_file.bundle_path,
            bundle_name=dag_file.bundle_name,
            dag_file_rel_path=str(dag_file.rel_path),
            selector=self.selector,
            logger=logger,
            logger_filehandle=handle,
            subprocess_logs_to_stdout=conf.get("logging", "dag_processor_log_target") == "stdout",
            client=self._team_api.client(team),
            launch=partial(self._sandboxes.order, team, order),
            limits=self._results.limits,
            **keywords,
        )

    def _start_new_processes(self) -> None:
        """Teams take turns, and no team ever holds the last process."""
        self._skip_resting()
        free = self._parallelism - len(self._processors)
        if free <= 0 or not self._file_queue:
            return
        running: dict[str, int] = {}
        for file in self._processors:
            running[file.bundle_name] = running.get(file.bundle_name, 0) + 1
        waiting: dict[str, list[DagFileInfo]] = {}
        for file in self._file_queue:
            # A file that changes while it is parsed stays in the queue: Airflow would drop it.
            if file not in self._processors and file.bundle_name in self._stored and not self._is_busy(file):
                waiting.setdefault(file.bundle_name, []).append(file)
        cap = max(1, self._parallelism - 1)
        chosen = next_in_line(waiting, running, dict.fromkeys(waiting, cap), free, list(self._last_served))
        taken = {file for _, file in chosen}
        rest = OrderedDict((f, None) for f in self._file_queue if f not in taken)
        self._file_queue: OrderedDict[DagFileInfo, None]
        for _, file in chosen:
            if self._is_busy(file):  # since a moment ago
                rest[file] = None
                continue
            self._file_queue = OrderedDict.fromkeys([file])
            try:
                super()._start_new_processes()
            except (BusyError, NotBegunError):  # its turn comes again
                rest[file] = None
                self._busy[file.bundle_name] = time.monotonic() + BUSY_SECONDS
            except SandboxError as error:  # that file's trouble, and nobody else's
                self.log.warning("%s could not be read: %s", file.rel_path, error.message)
                self._report(file, f"This file could not be read: {error.message}. Fix: {error.fix}")
        self._file_queue = rest
        for bundle, _ in chosen:
            self._last_served.pop(bundle, None)
            self._last_served[bundle] = None

    def _skip_resting(self) -> None:
        """A file in the queue that is never taken would keep Airflow from filling it again."""
        if self._resting:
            kept = (file for file in self._file_queue if file.bundle_name not in self._resting)
            self._file_queue = OrderedDict.fromkeys(kept)

    def _is_busy(self, file: DagFileInfo) -> bool:
        """A team that keeps its sandbox from answering costs the others one moment, and not every one."""
        return self._busy.get(file.bundle_name, 0.0) > time.monotonic()

    # --- results -----------------------------------------------------------------------------------------------------

    def handle_parsing_result(self, file: DagFileInfo, proc: TeamParseProcess, **keywords: Any) -> None:
        """Store a result; a process that ended without one is its file's import error, unless it was killed once."""
        super().handle_parsing_result(file, proc, **keywords)
        if proc.parsing_result is None and not proc.had_callbacks:
            if proc.was_killed and self._results.retries.forgives((file.bundle_name, str(file.rel_path))):
                return
            self._report(file, f"The process that read this file {proc.how_it_ended}.")

    def persist_parsing_result(
        self,
        *,
        bundle_name: str,
        bundle_version: str | None,
        version_data: dict[str, Any] | None,
        parsing_result: DagFileParsingResult,
        run_duration: float,
        relative_fileloc: str | None,
        session: Any,
    ) -> None:
        """Store what is the team's own of a result."""
        team = self._teams.of_bundle(bundle_name)
        if team is None or relative_fileloc is None:
            return
        keep = super().persist_parsing_result

        def store(result: DagFileParsingResult) -> None:
            keep(
                bundle_name=bundle_name,
                bundle_version=bundle_version,
                version_data=version_data,
                parsing_result=result,
                run_duration=run_duration,
                relative_fileloc=relative_fileloc,
                session=session,
            )

        self._results.store(team, relative_fileloc, parsing_result, store, session)

    def _unstored(self) -> list[DagFileInfo]:
        return [self._file(*file) for file in self._results.retries.due() if file[0] in self._stored]

    def _kill_timed_out_processors(self) -> None:
        """A file that takes for ever is its team's import error; Airflow only kills its process."""
        now = time.monotonic()
        late = [
            file
            for file, running in self._processors.items()
            if now - running.start_time > self.processor_timeout and not running.had_callbacks
        ]
        super()._kill_timed_out_processors()
        for file in late:
            self._report(
                file,
                f"Reading this file took longer than {self.processor_timeout:g} seconds, so it was stopped."
                " Code outside tasks runs each time the file is read: move what takes long into a task.",
            )

    def _report(self, file: DagFileInfo, reason: str) -> None:
        result = DagFileParsingResult(
            fileloc=str(file.absolute_path), serialized_dags=[], import_errors={str(file.rel_path): reason}
        )
        try:
            with create_session() as session:
                self.persist_parsing_result(
                    bundle_name=file.bundle_name,
                    bundle_version=None,
                    version_data=None,
                    parsing_result=result,
                    run_duration=0.0,
                    relative_fileloc=str(file.rel_path),
                    session=session,
                )
        except SQLAlchemyError:
            self.log.warning("The import error of %s could not be stored", file, exc_info=True)

    def terminate(self) -> None:
        """Stop at once: reading a file has no effects to clean up, and Airflow would wait for each in turn."""
        for running in self._processors.values():
            running.give_up()
        self._callback_runs.give_up()
