"""Passwords of local users: argon2id, with the same work for a name that does not exist."""

from __future__ import annotations

import secrets
import threading
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from airspace.model.errors import InvalidInputError

MIN_LENGTH = 10
MAX_LENGTH = 1024  # characters; longer ones only cost us work

# OWASP's second choice for argon2id: 19 MiB and two passes. Two at a time bounds what a flood of sign-ins can take.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_at_once = threading.BoundedSemaphore(2)


def hash_password(password: str, *, name: str = "") -> str:
    """The argon2id hash to store.

    :raises InvalidInputError: too short, too long, or the user's own name
    """
    if problem := password_problem(password, name=name):
        raise InvalidInputError(problem, fix="choose another password, or leave it out to have one generated")
    with _at_once:
        return _hasher.hash(password)


def verify_password(password: str, password_hash: str | None) -> bool:
    """Whether the password fits. Without a hash it is compared with a dummy, so that the time tells nothing."""
    if len(password) > MAX_LENGTH:
        password, password_hash = "", None
    with _at_once:
        try:
            fits = _hasher.verify(password_hash or _dummy(), password)
        except (VerificationError, InvalidHashError):
            return False
    return fits and password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    try:
        return _hasher.check_needs_rehash(password_hash)
    except InvalidHashError:
        return True


def generate_password() -> str:
    """A random password: 144 bits, safe to type and to paste into a shell."""
    return secrets.token_urlsafe(18)


def password_problem(password: str, *, name: str = "") -> str | None:
    """What is wrong with a new password; None when it will do."""
    if len(password) < MIN_LENGTH:
        return f"the password has {len(password)} characters; at least {MIN_LENGTH} are needed"
    if len(password) > MAX_LENGTH:
        return f"the password has more than {MAX_LENGTH} characters"
    if len(set(password)) < 4:
        return "the password repeats too few different characters"
    if name and name.lower() == password.lower():
        return "the password is the user's name"
    return None


@lru_cache(maxsize=1)
def _dummy() -> str:
    return _hasher.hash(secrets.token_urlsafe(18))
