"""In the sandbox: Airflow's runner of triggers, for the triggers of one team.

Airflow's asks its parent every second. This one asks once and is answered when there is something to do, and says at
once what became of a trigger; so nothing waits for a second, and triggers that only wait cost nobody anything.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from airflow.jobs.triggerer_job_runner import TriggerRunner, messages

from airspace.airflow.team_environment import BUNDLES


def main() -> None:
    """Run the team's triggers until there are none. Their classes may lie in the team's bundle."""
    for bundle in json.loads(os.environ.get(BUNDLES, "[]")):
        sys.path.append(bundle["kwargs"]["path"])
    TeamTriggerRunner().run()


class TeamTriggerRunner(TriggerRunner):
    """Airflow's runner, told instead of asking."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()
        self._creating = asyncio.Lock()
        self._cleaning = asyncio.Lock()
        self._orders: deque[Any] = deque()
        self.events: deque[Any] = _Heard(self._news.set)
        self._beside: list[asyncio.Task[None]] = []

    async def init_comms(self) -> None:
        """As Airflow does; then listen for orders, and report beside Airflow's own loop."""
        await super().init_comms()
        self._beside = [asyncio.create_task(self._listen()), asyncio.create_task(self._report())]

    async def _listen(self) -> None:
        """An empty message is answered when there is something to do."""
        while True:
            orders = await self.asend(messages.TriggerStateChanges())
            if orders is None:
                return
            self._orders.extend(orders.to_create)
            self.to_cancel.extend(orders.to_cancel)
            if orders.events_persisted:
                self._shared_streams.confirm_persisted(orders.events_persisted)
            await self.create_triggers()
            await self.cancel_triggers()

    async def _report(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self.sync_state_to_supervisor(await self.cleanup_finished_triggers())

    async def create_triggers(self) -> None:
        """One after the other: what is wrong with one trigger, whatever it is, fails that one alone."""
        async with self._creating:
            while self._orders:
                workload = self._orders.popleft()
                self.to_create.append(workload)
                try:
                    await super().create_triggers()
                except Exception as error:  # noqa: BLE001  # the team's code: Airflow expects a TypeError only
                    self.failed_triggers.append((workload.id, error))
                if (details := self.triggers.get(workload.id)) is not None:
                    details["task"].add_done_callback(lambda _: self._news.set())
        if self.failed_triggers:
            self._news.set()

    async def cleanup_finished_triggers(self) -> list[int]:
        """As Airflow does, never twice at once."""
        async with self._cleaning:
            finished: list[int] = await super().cleanup_finished_triggers()
            return finished

    async def sync_state_to_supervisor(self, finished_ids: list[int]) -> None:
        """Only if there is something to say."""
        if finished_ids or self.events or self.failed_triggers:
            await super().sync_state_to_supervisor(finished_ids)


class _Heard(deque[Any]):
    """A queue that tells when something was put into it."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, item: Any) -> None:
        super().append(item)
        self._tell()
