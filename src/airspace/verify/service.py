"""``airspace verify isolation``: plant, attack, judge, take back."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from airspace.backends.airflow_rest import Airflow
from airspace.model.errors import NotRunningError
from airspace.platform.health import RUNNING, STARTING, UNRESPONSIVE, Status
from airspace.platform.service import Platform
from airspace.verify import outside, planting
from airspace.verify.attempt import Attempt, Tell
from airspace.verify.catalogue import ATTACKS
from airspace.verify.inside.facts import Facts
from airspace.verify.judge import Verdicts
from airspace.verify.target import PlatformTarget

_READY_SECONDS = 30.0
_COMING = frozenset({RUNNING, STARTING, UNRESPONSIVE})


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    :param only: surfaces; empty: all
    :param keep: leave what was planted
    """

    destructive: bool = False
    only: frozenset[str] = frozenset()
    keep: bool = False


@dataclass(frozen=True)
class Findings:
    """The end of a verify.

    :param left: what could not be taken back, in words
    """

    verdicts: Verdicts
    isolation: str
    seconds: float
    left: tuple[str, ...] = ()


def _ready(platform: Platform, tell: Tell) -> Status:
    """The platform's status, once it is ready: right after a start, or beside heavy work, a part may be slow to answer.

    :raises NotRunningError: it is not running, or is not ready in time
    """
    deadline = time.monotonic() + _READY_SECONDS
    while not (status := platform.status()).ready:
        late = [f"{part.name} is {part.state}" for part in status.components if part.state != RUNNING]
        coming = status.components and all(part.state in _COMING for part in status.components)
        if not coming or time.monotonic() > deadline:
            why = f" ({', '.join(late)})" if late else ""
            fix = "airspace up; airspace status"
            raise NotRunningError(f"the platform is not ready{why}: nothing can be verified", fix=fix)
        tell(f"wait: {', '.join(late)}")
        time.sleep(1.0)
    return status


def verify(platform: Platform, options: Options, tell: Tell) -> Findings:
    """Attack the running platform.

    :raises NotRunningError: it is not ready
    """
    started = time.monotonic()
    status = _ready(platform, tell)
    wanted = [attack for attack in ATTACKS if not options.only or attack.surface in options.only]
    chosen = [attack for attack in wanted if options.destructive or not attack.harmful]
    skipped = tuple(attack.id for attack in wanted if attack not in chosen)
    left: list[str] = []
    with planting.alone(platform):
        tell("plant two throwaway teams")
        try:
            secret, nonce = f"verify-{secrets.token_hex(12)}", secrets.token_hex(4)
            target = PlatformTarget(platform)
            with Airflow(platform.url) as airflow, target.decoys(nonce) as decoys:
                ports = (decoys.reach, decoys.trap)
                password = planting.plant(platform, secret, ports, limited=options.destructive)
                known = Facts(nonce, str(platform.layout.root), secret, f"verify-hold-{nonce}")
                attempt = Attempt(target, planting.sign_in(airflow, password), decoys, known, tell)
                with Airflow(platform.url) as another:
                    outsider = planting.sign_in(another, password, planting.OUTSIDER)
                    verdicts = attempt.run(chosen, skipped, outsider)
        finally:
            if not options.keep:
                outside.ignore_interrupts()
                tell("take back what was planted")
                left = planting.take_back(platform)
    return Findings(verdicts, status.isolation, time.monotonic() - started, tuple(left))
