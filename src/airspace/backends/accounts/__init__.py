"""Unix users: the platform's own system user, giving up root's rights for good, and what that user may reach.

Nothing here opens the permissions of a folder that is not ours: where the user cannot reach the interpreter or the home
by path, it gets a mount namespace in which it can.
"""

from airspace.backends.accounts.privileges import FETCHER, SPAWNER, drop_prefix, root_prefix, unreachable
from airspace.backends.accounts.users import (
    Account,
    AccountError,
    create,
    create_numbered,
    delete,
    describe,
    find,
    is_taken,
    me,
)
from airspace.backends.accounts.view import view_prefix

__all__ = [
    "FETCHER",
    "SPAWNER",
    "Account",
    "AccountError",
    "create",
    "create_numbered",
    "delete",
    "describe",
    "drop_prefix",
    "find",
    "is_taken",
    "me",
    "root_prefix",
    "unreachable",
    "view_prefix",
]
