"""The triggers that one team's runner has: which they are to be, what each was given, and what becomes of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import attrs
import msgspec
from airflow.assets.manager import AssetManager
from airflow.jobs.triggerer_job_runner import TriggerRunnerSupervisor
from airflow.models.asset import AssetModel, AssetWatcherModel
from airflow.models.crypto import get_fernet
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from cryptography.fernet import InvalidToken
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from airspace.airflow import sandbox_child
from airspace.airflow.stream import SpoiledError
from airspace.airflow.triggers.logs import TeamLog, TriggerLog
from airspace.model.limits import CodeLimits

AT_ONCE = 20  # triggers handed out, and events taken in, before it is another team's turn
AFTER_FAILURE = 5.0
CLEAN_UP = 10.0  # for a trigger that has fired to end by itself, before it is told to


@attrs.define(kw_only=True, slots=False)
class OwnTriggers(TriggerRunnerSupervisor):
    """Airflow's supervisor, as far as it knows triggers; its process is :class:`TeamTriggers`' matter."""

    team: str
    limits: CodeLimits
    team_log: TeamLog
    consumers: Callable[[str], list[str]]
    """The teams that may hear of an asset of this team's."""
    on_news: Callable[[], None]
    """Called when a task can go on."""
    wanted: set[int] = attrs.field(factory=set, init=False)
    """What it is to run now."""
    _told: set[int] = attrs.field(factory=set, init=False)
    """Of those that are to be cancelled, the ones that it has been told of."""
    _behind: bool = attrs.field(default=False, init=False)
    """Whether there is a trigger that it was not given yet."""
    _fired: dict[int, float] = attrs.field(factory=dict, init=False)
    """Since when: such a trigger may end by itself before it is cancelled."""
    _failed: dict[int, float] = attrs.field(factory=dict, init=False)
    """Since when: what watches an asset is begun again, and not at once."""
    _instances: dict[int, str] = attrs.field(factory=dict, init=False)
    """Trigger → the task instance that waits for it."""
    _watching: set[int] = attrs.field(factory=set, init=False)
    """Those that watch assets."""
    _lasting: set[int] = attrs.field(factory=set, init=False)
    """Those that no task waits for: they go on after an event."""
    _ended: set[int] = attrs.field(factory=set, init=False)
    """Those that have ended, with events that are not stored yet: until then it matters what they were for."""

    # --- what it is to run -------------------------------------------------------------------------------------------

    def update_triggers(self, requested_trigger_ids: set[int]) -> None:
        """Run these and no others."""
        self.wanted, self._behind = set(requested_trigger_ids), True
        now = time.monotonic()
        self._fired = {key: at for key, at in self._fired.items() if now - at < CLEAN_UP}
        self._failed = {key: at for key, at in self._failed.items() if now - at < AFTER_FAILURE}
        self.cancelling_triggers.update(self.running_triggers - self.wanted - set(self._fired))

    def _build(self) -> None:
        """Workloads, a few at a time: they are large, and it is everybody's process."""
        known = self.running_triggers.union(
            (entry[0] for entry in self.events),
            (failed[0] for failed in self.failed_triggers),
            (workload.id for workload in self.creating_triggers),
            self._failed,
        )
        new = sorted(self.wanted - known)
        now = set(new[: max(0, AT_ONCE - len(self.creating_triggers))])
        self._behind = len(now) < len(new)
        if now:
            self.creating_triggers.extend(self.build_trigger_workloads(now))

    def _create_workload(self, trigger: Trigger, *args: Any, **kwargs: Any) -> Any:
        """As Airflow's, with its arguments in the clear: the key to them stays here."""
        try:
            text = clear(trigger.encrypted_kwargs)
            workload = super()._create_workload(trigger, *args, **kwargs)
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001  # what a team has stored: that trigger's trouble alone
            self.failed_triggers.append((trigger.id, [f"The trigger could not be begun: {type(error).__name__}\n"]))
            return None
        if workload is None:
            return None
        if (factory := self.logger_cache.get(trigger.id)) is not None and workload.ti is not None:
            log = TriggerLog(factory.log_path, workload.ti, self.limits.trigger_log_bytes)
            self.logger_cache[trigger.id] = log
            self._instances[trigger.id] = str(workload.ti.id)
        else:
            self._lasting.add(trigger.id)
        if workload.watched_assets:
            self._watching.add(trigger.id)
        return workload.model_copy(update={"encrypted_kwargs": text})

    def tell(self, reason: str) -> None:
        """Write it into the log of each of its tasks."""
        for log in self.logger_cache.values():
            log.say("error", reason)

    def _end(self, trigger_id: int) -> None:
        """It ended by itself: forget it, once what it said before is stored."""
        if any(entry.trigger_id == trigger_id for entry in self.events):
            self._ended.add(trigger_id)
        else:
            self._forget(trigger_id)

    def _forget(self, trigger_id: int) -> None:
        self._ended.discard(trigger_id)
        self.running_triggers.discard(trigger_id)
        self.cancelling_triggers.discard(trigger_id)
        self._told.discard(trigger_id)
        self._instances.pop(trigger_id, None)
        self._lasting.discard(trigger_id)
        self._watching.discard(trigger_id)
        if (log := self.logger_cache.pop(trigger_id, None)) is not None:
            log.close()

    # --- what becomes of it ------------------------------------------------------------------------------------------

    def handle_events(self) -> None:
        """Store some of its events. What the database cannot take now is tried again; what it never takes fails."""
        for _ in range(min(AT_ONCE, len(self.events))):
            entry = self.events[0]
            if entry.trigger_id in self.wanted and not self._store(entry.trigger_id, entry.event):
                return
            self.events.popleft()
            if entry.persist_seq is not None:
                self.persisted_event_seqs.append(entry.persist_seq)
            if entry.trigger_id in self._ended:
                self._end(entry.trigger_id)

    def _store(self, trigger_id: int, event: Any) -> bool:
        try:
            size = len(event.model_dump_json())
            if size > self.limits.trigger_event_bytes:
                most = self.limits.trigger_event_bytes
                raise SpoiledError(f"its event takes {size:,} bytes, and may take {most:,}: hand on where the data is")
            self.on_trigger_event(trigger_id, event)
        except OperationalError:
            self.process_log.warning("An event could not be stored; trying again")
            return False
        except Exception as error:  # noqa: BLE001  # what a team sends: that trigger's trouble alone
            words = (
                str(error)
                if isinstance(error, SpoiledError)
                else f"its event could not be stored: {type(error).__name__}"
            )
            if (log := self.logger_cache.get(trigger_id)) is not None:
                log.say("error", f"The trigger failed: {words}")
            self.failed_triggers.append((trigger_id, [f"The trigger failed: {words}\n"]))
        return True

    def on_trigger_event(self, trigger_id: int, event: Any) -> None:
        """Airflow resumes the task, or tells the asset or the callback; the trigger may then end by itself."""
        if trigger_id in self._watching:
            self._tell_assets(trigger_id, event)
        else:
            super().on_trigger_event(trigger_id, event)
        self._fired[trigger_id] = time.monotonic()
        if trigger_id not in self._lasting:
            self.wanted.discard(trigger_id)
        self.on_news()

    def _tell_assets(self, trigger_id: int, event: Any) -> None:
        """Airflow's own word for it has no team, and so would be heard by no Dag of any."""
        with create_session() as session:
            watched = select(AssetModel).join(AssetWatcherModel).where(AssetWatcherModel.trigger_id == trigger_id)
            for asset in session.scalars(watched):
                AssetManager.register_asset_change(
                    asset=asset.to_serialized(),
                    extra={"from_trigger": True, "payload": event.payload},
                    api_user_teams={self.team},
                    api_allow_consumer_teams=self.consumers(asset.name),
                    api_allow_global_consumers=False,
                    session=session,
                )

    def handle_failed_triggers(self) -> None:
        """Fail what depends on them."""
        for _ in range(min(AT_ONCE, len(self.failed_triggers))):
            trigger_id, told = self.failed_triggers[0]
            try:
                self.on_trigger_failure(trigger_id, told)
            except OperationalError:
                self.process_log.warning("A trigger's failure could not be stored; trying again")
                return
            self.failed_triggers.popleft()
            self._failed[trigger_id] = self._fired[trigger_id] = time.monotonic()
            if trigger_id not in self._lasting:
                self.wanted.discard(trigger_id)
            self.on_news()

    # --- its log lines -----------------------------------------------------------------------------------------------

    def _process_log_messages_from_subprocess(self) -> Generator[None, bytes | bytearray, None]:
        """Into the log of the trigger that a line names, if that is one of its own; else into the team's."""
        while True:
            line = yield
            event = msgspec.json.decode(line)
            if not isinstance(event, dict):
                raise SpoiledError(sandbox_child.UNREADABLE)
            log = self._log_of(event.pop("trigger_id", None))
            if log is not None:
                log.write(event)
            else:
                self.team_log.write(msgspec.json.encode(event) + b"\n")

    def _log_of(self, trigger_id: object) -> TriggerLog | None:
        own = isinstance(trigger_id, int) and trigger_id in self.running_triggers
        found = self.logger_cache.get(trigger_id) if own else None
        return found if isinstance(found, TriggerLog) else None


def clear(encrypted: str) -> str:
    """A trigger's arguments, as JSON. Never unpacked here: that would make things of a team's choice.

    :raises ValueError: it is no JSON object, so nothing that Airflow has encrypted for a trigger
    """
    text = encrypted
    if not encrypted.startswith("{"):
        try:
            text = get_fernet().decrypt(encrypted.encode()).decode()
        except InvalidToken:
            raise ValueError("its arguments cannot be read") from None
    if not isinstance(json.loads(text), Mapping):
        raise ValueError("its arguments are no JSON object")
    return text if text.startswith("{") else json.dumps(json.loads(text))
