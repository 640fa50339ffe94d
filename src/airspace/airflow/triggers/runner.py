"""One team's runner of triggers, as the trusted process knows it: Airflow's own supervisor, with the sandbox around
its child.

The child is the team's. Its words count only for triggers that it was given, are read in bounded pieces and at a
bounded pace, and nothing here waits for it.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import attrs
import msgspec
from airflow.assets.manager import AssetManager
from airflow.configuration import conf
from airflow.jobs.job import Job
from airflow.jobs.triggerer_job_runner import TriggerRunnerSupervisor, messages
from airflow.models.asset import AssetModel, AssetWatcherModel
from airflow.models.crypto import get_fernet
from airflow.models.trigger import Trigger
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse, _RequestFrame
from airflow.utils.session import create_session
from cryptography.fernet import InvalidToken
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from uuid6 import uuid7

from airspace.airflow import sandbox_child
from airspace.airflow.child_process import ending
from airspace.airflow.stream import Frames, Outbox, RefilledMeter, SpoiledError
from airspace.airflow.triggers.desk import Desk
from airspace.airflow.triggers.logs import TeamLog, TriggerLog
from airspace.airflow.triggers.pace import Pace
from airspace.airflow.unhurried import Unhurried
from airspace.model.limits import ParseLimits
from airspace.sandbox.ports import Child

_UNREADABLE = "it sent something that is no message of Airflow's"
AT_ONCE = 20  # triggers handed out, and events taken in, before it is another team's turn
MOST_SENT = 8 * 1024**2  # of workloads in one message: one with its whole Dag may be longer
SILENCE = conf.getfloat("triggerer", "runner_health_check_threshold")  # seconds without a question
ASK_AGAIN = SILENCE / 6  # after so many an empty question gets an empty answer, so that silence means something
BEGIN = 90.0  # seconds until the first one
AFTER_FAILURE = 5.0
CLEAN_UP = 10.0  # for a trigger that has fired to end by itself, before it is told to
LOG_REFILL = 256 * 1024
MOST_TOLD = 20_000  # characters of a failure
MOST_CONTAINERS = 200_000


@attrs.define(kw_only=True, slots=False)
class TeamTriggers(Unhurried, TriggerRunnerSupervisor):
    """The triggers of one team, in one process of its sandbox."""

    team: str
    child: Child
    desk: Desk
    limits: ParseLimits
    team_log: TeamLog
    consumers: Callable[[str], list[str]]
    """The teams that may hear of an asset of this team's."""
    on_news: Callable[[], None]
    """Called when a task can go on."""
    spoiled: str | None = attrs.field(default=None, init=False)
    """Why it was ended."""
    wanted: set[int] = attrs.field(factory=set, init=False)
    """What it is to run now."""
    _stop_watching: Callable[[], None] = attrs.field(default=lambda: None, init=False)
    _outbox: Outbox = attrs.field(default=None, init=False)
    _writing: bool = attrs.field(default=False, init=False)
    _requests: socket.socket = attrs.field(default=None, init=False)
    _resting: Any = attrs.field(default=None, init=False)
    """What the selector knew of its requests, while they are not read."""
    _pace: Pace = attrs.field(factory=Pace, init=False)
    _later: deque[tuple[Any, int]] = attrs.field(factory=deque, init=False)
    """Questions that cannot be answered yet."""
    _asked: deque[int] = attrs.field(factory=deque, init=False)
    """Its empty questions: answered when there is something to do."""
    _asked_at: float = attrs.field(default=math.inf, init=False)
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
    _decode: Any = attrs.field(factory=lambda: msgspec.msgpack.Decoder(_RequestFrame), init=False)

    @classmethod
    def begin(
        cls, *, job: Job, team: str, limits: ParseLimits, launch: Callable[..., Child], **shared: Any
    ) -> TeamTriggers:
        """Order it: nothing is forked here, and nothing waits for the team's sandbox.

        :param shared: what all teams' runners have: ``desk``, ``selector``, ``on_news``
        :raises SandboxError: it could not be put into the team's sandbox
        """
        log = TeamLog(team)
        fields = {"id": uuid7(), "job": job, "capacity": limits.triggers_per_team, "team_name": team}
        own = {"team": team, "limits": limits, "team_log": log, **shared}
        runner: TeamTriggers
        try:
            runner, runner._stop_watching = sandbox_child.supervised(
                cls, launch, lambda _: False, log.logger(), **fields, **own
            )
        except BaseException:
            log.close()
            raise
        runner.send_msg(messages.StartTriggerer(), request_id=0)
        return runner

    # --- its life ----------------------------------------------------------------------------------------------------

    @property
    def ended(self) -> str | None:
        """How it ended, once it has; in words for the authors of its triggers."""
        if self._check_subprocess_exit() is None:
            return None
        return f"was ended: {self.spoiled}" if self.spoiled else ending(self._exit_code)

    @property
    def idle(self) -> bool:
        """Whether it has nothing to run, and nothing to clean up after."""
        return not (self.wanted or self.running_triggers or self.creating_triggers or self.events)

    @property
    def has_more(self) -> bool:
        """Whether the next tick has something to do at once."""
        return bool(self.events or self.failed_triggers or (self._behind and self._asked))

    @property
    def age(self) -> float:
        """Seconds since it was ordered."""
        return time.monotonic() - self.start_time

    def give_up(self) -> None:
        """Whatever still runs of it is killed, and what it said last is read no more. Harmless when repeated."""
        stop, self._stop_watching = self._stop_watching, lambda: None
        stop()
        self.child.close()
        for sock in (*self._open_sockets, self._requests):
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(sock)
            sock.close()
        self._open_sockets.clear()
        for log in self.logger_cache.values():
            log.close()
        self.team_log.close()

    def ask_to_end(self) -> None:
        """As Airflow stops its own: triggers are cancelled and clean up."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def tick(self) -> None:
        """What is due: between two looks at the selector, and never long."""
        self._answer_later()
        if self._resting is not None and not self._later and self._pace.rested():
            resting, self._resting = self._resting, None
            self.selector.register(self._requests, *resting)
        silent = self.age if self._asked_at == math.inf else time.monotonic() - self._asked_at
        if self._resting is None and silent > (BEGIN if self._asked_at == math.inf else SILENCE):
            self.spoil(f"it said nothing for {silent:.0f} s: a trigger must not block the loop that all of them run in")
        self.handle_events()
        self.handle_failed_triggers()
        if self._behind:
            self._build()
        self._answer_questions()

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
            clear = _clear(trigger.encrypted_kwargs)
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
        return workload.model_copy(update={"encrypted_kwargs": clear})

    def tell(self, reason: str) -> None:
        """Write it into the log of each of its tasks."""
        for log in self.logger_cache.values():
            log.say("error", reason)

    # --- what it says ------------------------------------------------------------------------------------------------

    def _register_pipe_readers(
        self,
        stdout: socket.socket,
        stderr: socket.socket,
        requests: socket.socket,
        logs: socket.socket,
        *,
        data: dict[socket.socket, bytes],
    ) -> None:
        """As Airflow does, with a bound around each of its readers and a reader of our own for the requests."""
        super()._register_pipe_readers(stdout, stderr, requests, logs, data=data)
        frames = Frames(
            self._on_frame,
            most_bytes=self.limits.trigger_message_bytes,
            most_containers=MOST_CONTAINERS,
            most=None,
            advice="hand on where large data is, instead of the data",
        )
        self._requests, self._outbox = requests, Outbox(requests, 4 * MOST_SENT)
        meter = RefilledMeter(self.limits.trigger_log_bytes, LOG_REFILL, "its triggers logged too much")
        sandbox_child.bound(self.selector, (stdout, stderr, logs), requests, meter, frames, self._guarded)

    def _guarded(self, read: Callable[[Any], bool]) -> Callable[[socket.socket], bool]:
        """This loop serves all teams: whatever one's process makes a reader do ends that process alone."""

        def guarded(sock: socket.socket) -> bool:
            begun = time.monotonic()
            try:
                return read(sock)
            except ConnectionError:
                return False
            except SpoiledError as error:
                self.spoil(str(error))
            except Exception as error:  # noqa: BLE001 - the door to a stranger
                self.spoil(f"{_UNREADABLE} ({type(error).__name__})")
            finally:
                self._rest_after(time.monotonic() - begun)
            return False

        return guarded

    def _rest_after(self, seconds: float) -> None:
        """Who makes this process work all the time is read again when the others have had their part of it."""
        if not self._pace.spend(seconds):
            self._rest()

    def _rest(self) -> None:
        if self._resting is not None:
            return
        with contextlib.suppress(KeyError, ValueError):
            key = self.selector.get_key(self._requests)
            self._resting = (key.events, key.data)
            self.selector.unregister(self._requests)

    def spoil(self, reason: str) -> None:
        """End it, and say why."""
        if self.spoiled is None:
            self.spoiled = reason
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    def _on_frame(self, frame: bytes) -> None:
        try:
            request = self._decode.decode(frame)
            message = self.decoder.validate_python(request.body)
        except Exception as error:  # noqa: BLE001 - msgspec's, pydantic's, too deep a recursion: what was sent is not shown anywhere
            raise SpoiledError(f"{_UNREADABLE} ({type(error).__name__})") from None
        if isinstance(message, messages.TriggerStateChanges):
            self._on_state(message, request.id)
        else:
            self._on_question(message, request.id)

    def _on_question(self, message: Any, request_id: int) -> None:
        if self._later or not self.desk.is_ready(message):
            self._later.append((message, request_id))
            if len(self._later) >= AT_ONCE:
                self._rest()
        else:
            self._answer(message, request_id)

    def _answer_later(self) -> None:
        for _ in range(min(AT_ONCE, len(self._later))):
            if not self.desk.is_ready(self._later[0][0]):
                return
            begun = time.monotonic()
            self._answer(*self._later.popleft())
            self._rest_after(time.monotonic() - begun)

    def _answer(self, message: Any, request_id: int) -> None:
        try:
            answer, how = self.desk.answer(self.team, message, set(self._instances.values()))
        except Exception as error:  # noqa: BLE001 - a database that is away is the platform's trouble, and told as such
            self.process_log.error("The platform could not answer", error_type=type(error).__name__)
            trouble = {"status_code": 503, "message": "the platform could not answer; try again"}
            answer, how = ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=trouble), {}
        if isinstance(answer, ErrorResponse):
            self.send_msg(None, request_id, answer)
        else:
            self.send_msg(answer, request_id, **how)

    def _on_state(self, message: Any, request_id: int) -> None:
        """What became of triggers: of those that it was given, and of no others."""
        if not (message.events or message.failures or message.finished):
            self._asked_at = time.monotonic()
            self._asked.append(request_id)
            if len(self._asked) > AT_ONCE:
                raise SpoiledError("it asks for orders again and again")
            return
        self.events.extend(entry for entry in message.events or () if entry.trigger_id in self.running_triggers)
        for trigger_id, told in message.failures or ():
            if trigger_id in self.running_triggers:
                self.failed_triggers.append((trigger_id, _cut(told)))
        for trigger_id in set(message.finished or ()) & self.running_triggers:
            self._forget(trigger_id)
        self._behind = True  # what watches an asset and has ended is begun again
        self._sync(request_id, [])

    def _forget(self, trigger_id: int) -> None:
        self.running_triggers.discard(trigger_id)
        self.cancelling_triggers.discard(trigger_id)
        self._told.discard(trigger_id)
        self._instances.pop(trigger_id, None)
        self._lasting.discard(trigger_id)
        self._watching.discard(trigger_id)
        if (log := self.logger_cache.pop(trigger_id, None)) is not None:
            log.close()

    # --- what it is told ---------------------------------------------------------------------------------------------

    def _answer_questions(self) -> None:
        cancel = self.cancelling_triggers - self._told
        due = time.monotonic() - self._asked_at > ASK_AGAIN
        if self._asked and (self.creating_triggers or cancel or self.persisted_event_seqs or due):
            self._sync(self._asked.popleft(), self._next_workloads(), cancel)
            self._told |= cancel

    def _next_workloads(self) -> list[Any]:
        """As many as make one message of a bearable length, and one in any case."""
        chosen: list[Any] = []
        left = MOST_SENT
        while self.creating_triggers and left > 0:
            workload = self.creating_triggers.popleft()
            if workload.id not in self.wanted:
                continue
            left -= len(workload.encrypted_kwargs) + (len(json.dumps(workload.dag_data)) if workload.dag_data else 0)
            chosen.append(workload)
        self.running_triggers.update(workload.id for workload in chosen)
        return chosen

    def _sync(self, request_id: int, to_create: Sequence[Any], to_cancel: set[int] | None = None) -> None:
        persisted = list(self.persisted_event_seqs)
        self.persisted_event_seqs.clear()
        orders = messages.TriggerStateSync(
            to_create=list(to_create), to_cancel=to_cancel or set(), events_persisted=persisted or None
        )
        self.send_msg(orders, request_id)

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
                raise SpoiledError(_UNREADABLE)
            log = self._log_of(event.pop("trigger_id", None))
            if log is not None:
                log.write(event)
            else:
                self.team_log.write(msgspec.json.encode(event) + b"\n")

    def _log_of(self, trigger_id: object) -> TriggerLog | None:
        own = isinstance(trigger_id, int) and trigger_id in self.running_triggers
        found = self.logger_cache.get(trigger_id) if own else None
        return found if isinstance(found, TriggerLog) else None


def _clear(encrypted: str) -> str:
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


def _cut(told: Sequence[str] | None) -> list[str] | None:
    text = "".join(told or ())
    return [text[-MOST_TOLD:]] if text else None


def work(team: str, values: Mapping[str, str]) -> dict[str, Any]:
    """What the team's zygote is told to do."""
    return sandbox_child.order(sandbox_child.TRIGGER, f"airspace triggers: {team}", values)
