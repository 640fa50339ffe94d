"""Sign-in with a password: throttled, and without an answer that tells whether a user exists."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from airspace.access.passwords import hash_password, needs_rehash, verify_password
from airspace.access.ports import UserStore
from airspace.model.errors import AirspaceError
from airspace.model.roles import Principal

MAX_NAME = 64


class WrongCredentialsError(AirspaceError):
    """Unknown user, wrong password, disabled, no password: always these words."""

    def __init__(self) -> None:
        super().__init__("The user name or the password is wrong.")


class TooManyAttemptsError(AirspaceError):
    """Wait ``seconds``; it says the same for names that do not exist."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts. Please try again in {_seconds(seconds)}.")
        self.seconds = seconds


@dataclass(frozen=True)
class ThrottleSettings:
    """How many failures are free, and what the next ones cost.

    The wait doubles from one second and ends at ``longest`` (seconds), so nobody can be locked out for good by others.
    ``forget_after`` (seconds without a failure) clears the record; ``remembered`` bounds the memory (records).
    """

    free_per_user: int = 10
    free_per_source: int = 50
    longest: float = 60.0
    forget_after: float = 900.0
    remembered: int = 10_000


@dataclass
class _Record:
    failures: int
    last: float
    before: float


class Throttle:
    """Counts failures per key in bounded memory; the least recently failing key is forgotten first. Thread-safe."""

    def __init__(self, clock: Callable[[], float], settings: ThrottleSettings | None = None) -> None:
        self.settings = settings or ThrottleSettings()
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, key: str, free: int) -> float:
        """Seconds to wait; 0 counts this attempt as failed until :meth:`succeeded` says otherwise.

        Counting first means that attempts running side by side cannot all pass before the first one has failed.
        """
        now = self._clock()
        with self._lock:
            record = self._records.get(key)
            if record is None or now - record.last > self.settings.forget_after:
                record = _Record(0, now, now)
            excess = record.failures - free
            wait = record.last + min(self.settings.longest, 2.0 ** min(excess, 10)) - now if excess >= 0 else 0.0
            if wait > 0:
                return wait
            self._records[key] = _Record(record.failures + 1, now, record.last)
            self._records.move_to_end(key)
            while len(self._records) > self.settings.remembered:
                self._records.popitem(last=False)
            return 0.0

    def succeeded(self, key: str, *, forget: bool) -> None:
        """The attempt was good: forget the key, or only take this attempt back, its time included."""
        with self._lock:
            record = self._records.get(key)
            if record is None:
                return
            record.failures, record.last = record.failures - 1, record.before
            if forget or record.failures <= 0:
                del self._records[key]

    def __len__(self) -> int:
        return len(self._records)


class SignIn:
    """Checks a name and a password."""

    def __init__(self, users: UserStore, throttle: Throttle) -> None:
        self._users = users
        self._throttle = throttle

    def __call__(self, name: str, password: str, *, source: str) -> Principal:
        """The principal behind these credentials; ``source`` is where the attempt comes from, for the throttle.

        :raises WrongCredentialsError: whatever is wrong with them
        :raises TooManyAttemptsError: this user or this source has failed too often
        """
        settings = self._throttle.settings
        user_key, source_key = f"user:{name[:MAX_NAME]}", f"source:{source}"
        # The source first: one that is refused must not be able to count against a user.
        for key, free in ((source_key, settings.free_per_source), (user_key, settings.free_per_user)):
            if (wait := self._throttle.begin(key, free)) > 0:
                raise TooManyAttemptsError(math.ceil(wait))
        known = len(name) <= MAX_NAME and "\0" not in name
        password_hash = self._users.password_hash(name) if known else None
        if not verify_password(password, password_hash):
            raise WrongCredentialsError
        principal = self._users.principal(name)
        if principal is None:
            raise WrongCredentialsError
        self._throttle.succeeded(user_key, forget=True)
        self._throttle.succeeded(source_key, forget=False)
        if password_hash is not None and needs_rehash(password_hash):
            self._rehash(name, password)
        return principal

    def _rehash(self, name: str, password: str) -> None:
        try:
            self._users.set_password(name, hash_password(password))
        except AirspaceError:
            return  # an older password shorter than today's rule, or a user removed just now: the sign-in still counts


def _seconds(seconds: int) -> str:
    return "1 second" if seconds == 1 else f"{seconds} seconds"
