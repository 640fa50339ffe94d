"""One team's runner of triggers, as the trusted process knows it: Airflow's own supervisor, with the sandbox around
its child.

The child is the team's. Its words count only for triggers that it was given, are read in bounded pieces and at a
bounded pace, and nothing here waits for it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import attrs
from airflow.configuration import conf
from airflow.jobs.job import Job
from airflow.jobs.triggerer_job_runner import messages
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from uuid6 import uuid7

from airspace.airflow import sandbox_child
from airspace.airflow.child_process import ending
from airspace.airflow.stream import Frames, RefilledMeter, SpoiledError
from airspace.airflow.triggers.desk import Desk
from airspace.airflow.triggers.logs import TeamLog
from airspace.airflow.triggers.own import AT_ONCE, OwnTriggers
from airspace.airflow.triggers.pace import Pace
from airspace.model.limits import CodeLimits
from airspace.platform import bells
from airspace.sandbox.ports import Child
from airspace.sandbox.relay.hearing import Hearing

MOST_SENT = 8 * 1024**2  # of workloads in one message: one with its whole Dag may be longer
SILENCE = conf.getfloat("triggerer", "runner_health_check_threshold")  # seconds without a question
ASK_AGAIN = SILENCE / 6  # after so many an empty question gets an empty answer, so that silence means something
BEGIN = 90.0  # seconds until the first one
LOG_REFILL = 256 * 1024
MOST_TOLD = 20_000  # characters of a failure
MOST_CONTAINERS = 200_000


@attrs.define(kw_only=True, slots=False)
class TeamTriggers(OwnTriggers):
    """The triggers of one team, in one process of its sandbox."""

    child: Child
    desk: Desk
    spoiled: str | None = attrs.field(default=None, init=False)
    """Why it was ended."""
    _stop_watching: Callable[[], None] = attrs.field(default=lambda: None, init=False)
    _stop_hearing: Callable[[], None] = attrs.field(default=lambda: None, init=False)
    _answers: sandbox_child.Answers = attrs.field(default=None, init=False)
    _requests: socket.socket = attrs.field(default=None, init=False)
    _resting: Any = attrs.field(default=None, init=False)
    """What the selector knew of its requests, while they are not read."""
    _pace: Pace = attrs.field(factory=Pace, init=False)
    _later: deque[tuple[Any, int]] = attrs.field(factory=deque, init=False)
    """Questions that cannot be answered yet."""
    _asked: deque[int] = attrs.field(factory=deque, init=False)
    """Its empty questions: answered when there is something to do."""
    _asked_at: float = attrs.field(default=math.inf, init=False)

    @classmethod
    def begin(
        cls, *, job: Job, team: str, limits: CodeLimits, launch: Callable[..., Child], **shared: Any
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
        hearing, told = Hearing(bells.run_dir(), team), SimpleNamespace(warning=runner._tell_of_refusal)
        runner._stop_hearing = sandbox_child.log_refusals(runner.selector, hearing, told)
        runner.send_msg(messages.StartTriggerer(), request_id=0)
        return runner

    def _tell_of_refusal(self, line: str) -> None:
        """Nobody knows which trigger it was, so their tasks' logs say it; some of them, where there are hundreds."""
        for log in itertools.islice(self.logger_cache.values(), AT_ONCE):
            log.say("warning", line)

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
        for stop in (self._stop_watching, self._stop_hearing):
            stop()
        self._stop_watching = self._stop_hearing = lambda: None
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
        self._requests = requests
        self._answers = sandbox_child.Answers(self.selector, requests, 4 * MOST_SENT)
        meter = RefilledMeter(self.limits.trigger_log_bytes, LOG_REFILL, "its triggers logged too much")
        sandbox_child.bound(self.selector, (stdout, stderr, logs), requests, meter, frames, self._guarded)

    def send_msg(self, msg: Any, request_id: int, error: ErrorResponse | None = None, **dump_opts: Any) -> None:
        """Answer without waiting for it to read."""
        self._answers.send(self, msg, request_id, error, **dump_opts)

    def _guarded(self, read: Callable[[Any], bool]) -> Callable[[socket.socket], bool]:
        """As everywhere where one loop serves all teams; and who keeps it busy has to wait for the others."""
        reading = sandbox_child.ending_alone(read, self.spoil)

        def guarded(sock: socket.socket) -> bool:
            begun = time.monotonic()
            try:
                return reading(sock)
            finally:
                self._rest_after(time.monotonic() - begun)

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
        request_id, message = sandbox_child.read_message(frame, self.decoder)
        if isinstance(message, messages.TriggerStateChanges):
            self._on_state(message, request_id)
        else:
            self._on_question(message, request_id)

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
            self._end(trigger_id)
        self._behind = True  # what watches an asset and has ended is begun again
        self._sync(request_id, [])

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


def _cut(told: Sequence[str] | None) -> list[str] | None:
    text = "".join(told or ())
    return [text[-MOST_TOLD:]] if text else None


def work(team: str, values: Mapping[str, str]) -> dict[str, Any]:
    """What the team's zygote is told to do."""
    return sandbox_child.order(sandbox_child.TRIGGER, f"airspace triggers: {team}", values)
