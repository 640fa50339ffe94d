"""The planted trigger: it attacks, or waits to be attacked, and ends its task with what it found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airspace.verify.inside.facts import Facts, team
from airspace.verify.inside.runner import Result, as_json, attempt, attempt_here, load
from airspace.verify.inside.task import REPORT, STOP
from airspace.verify.inside.triggering import ASKING, FORGED, FORGED_LINE, OWN_LINE


class Probe(BaseTrigger):  # type: ignore[misc]  # untyped where Airflow is not looked into
    """Does these acts; without any it waits until the victim's tasks are released."""

    def __init__(self, acts: list[str], facts: Mapping[str, Any]) -> None:
        super().__init__()
        self.acts, self.facts = acts, facts

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """As Airflow keeps it."""
        return f"{Probe.__module__}.Probe", {"acts": self.acts, "facts": dict(self.facts)}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, which ends the task."""
        facts = Facts.from_dict(self.facts, role=team())
        self.log.info(OWN_LINE)
        if not self.acts:
            while not (facts.own_storage / f"{STOP}-{facts.nonce}").exists():
                await asyncio.sleep(0.2)
            yield TaskSuccessEvent()
            return
        load()
        results = {name: await self._do(name, facts) for name in self.acts}
        yield TaskSuccessEvent(xcoms={REPORT: {"results": as_json(results)}})

    async def _do(self, name: str, facts: Facts) -> Result:
        if name in FORGED:
            await (self._event(facts) if name == "triggers.event" else self._line(facts))
            return Result("done", "nobody refused it")
        return await asyncio.to_thread(attempt_here if name in ASKING else attempt, name, facts)

    async def _event(self, facts: Facts) -> None:
        """In the name of the victim's trigger: it has fired, it has failed, it has ended."""
        from airflow.jobs.triggerer_job_runner import TriggerEventEntry, messages
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        told: Any = messages.TriggerStateChanges(
            events=[TriggerEventEntry(facts.victim_trigger, TriggerEvent("forged"), None)],
            failures=[(facts.victim_trigger, ["forged"])],
            finished=[facts.victim_trigger],
        )
        await SUPERVISOR_COMMS.asend(told)

    async def _line(self, facts: Facts) -> None:
        import structlog

        structlog.get_logger().info(FORGED_LINE, trigger_id=facts.victim_trigger)
