"""Several users at once, for the admin worker: starting it costs seconds, a user costs a hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow import settings

from airspace.access.passwords import hash_password, verify_password
from airspace.backends.tables import UserStore
from airspace.model.errors import InvalidInputError
from airspace.model.names import USER_RULE, is_user_name
from airspace.model.roles import PlatformRole

Payload = Mapping[str, Any]


def ensure_users(payload: Payload) -> dict[str, Any]:
    """Make each user exist, enabled, with exactly this password and platform role; memberships stay as they are."""
    store = UserStore(settings.get_engine())
    wanted = payload["users"]
    for user in wanted:
        if not is_user_name(user["name"]):
            raise InvalidInputError("this is no user name", fix=f"a user name is {USER_RULE}")
    return {"changed": [user["name"] for user in wanted if _ensure(store, user)]}


def _ensure(store: UserStore, user: Payload) -> bool:
    name, password = user["name"], user["password"]
    role = PlatformRole(user["platform_role"]) if user.get("platform_role") else None
    known = store.user(name)
    if known is None:
        store.add(name, hash_password(password, name=name), role)
        return True
    changed = False
    if not verify_password(password, known.password_hash):
        store.set_password(name, hash_password(password, name=name))
        changed = True
    if known.platform_role != role:
        store.set_platform_role(name, role)
        changed = True
    if known.disabled:
        store.set_disabled(name, False)
        changed = True
    return changed
