"""Local users and their tokens, for the admin worker."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow import settings
from airflow.api_fastapi.app import create_auth_manager
from airflow.configuration import conf

from airspace.access.passwords import generate_password, hash_password
from airspace.backends.tables import UserStore
from airspace.model.errors import InvalidInputError
from airspace.model.names import USER_RULE, is_user_name
from airspace.model.roles import PlatformRole, Role

MAX_TOKEN_SECONDS = 366 * 24 * 3600

Payload = Mapping[str, Any]


def add_user(payload: Payload) -> dict[str, Any]:
    """Add a local user; without a password one is made and told once."""
    name = payload["name"]
    if not is_user_name(name):
        raise InvalidInputError("this is no user name", fix=f"a user name is {USER_RULE}")
    users = _users()
    twin = next((row.name for row in users.users() if row.name.casefold() == name.casefold()), name)
    if twin != name:
        raise InvalidInputError(f"there is already a user {twin}", fix="choose a name that differs in more than case")
    password = payload.get("password") or generate_password()
    role, support_role = _roles(payload)
    users.add(name, hash_password(password, name=name), role, support_role)
    return {"name": name, "password": password}


def set_password(payload: Payload) -> dict[str, Any]:
    """Replace a user's password; without one it is made and told once."""
    name = payload["name"]
    password = payload.get("password") or generate_password()
    _users().set_password(name, hash_password(password, name=name))
    return {"name": name, "password": password}


def set_role(payload: Payload) -> dict[str, Any]:
    """Replace what a user holds across teams."""
    role, support_role = _roles(payload)
    _users().set_platform_role(payload["name"], role, support_role)
    return {"name": payload["name"], "platform_role": role, "support_role": support_role}


def list_users(payload: Payload) -> dict[str, Any]:  # noqa: ARG001 - every command takes one
    """All users with what they hold."""
    store = _users()
    members = store.members()
    return {
        "users": [
            {
                "name": row.name,
                "platform_role": row.platform_role,
                "support_role": row.support_role if row.platform_role == PlatformRole.SUPPORT else None,
                "disabled": row.disabled,
                "teams": [
                    {"team": team, "role": found[row.name]}
                    for team, found in sorted(members.items())
                    if row.name in found
                ],
            }
            for row in store.users()
        ]
    }


def token(payload: Payload) -> dict[str, Any]:
    """An API token, signed by the auth manager as its own are: it ends, and so do the user's rights, at once."""
    seconds = int(payload.get("expires_in") or conf.getint("api_auth", "jwt_expiration_time"))
    if not 1 <= seconds <= MAX_TOKEN_SECONDS:
        raise InvalidInputError("a token lives from 1 second to 366 days", fix="give --expires-in within that")
    name = payload["name"]
    if _users().principal(name) is None:
        raise InvalidInputError(f"there is no user {name}, or it is disabled", fix=f"airspace user add {name}")
    manager = create_auth_manager()
    manager.init()
    user = manager.deserialize_user({"sub": name})
    expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=seconds)
    return {"token": manager.generate_jwt(user, expiration_time_in_seconds=seconds), "expires": expires.isoformat()}


def _users() -> UserStore:
    return UserStore(settings.get_engine())


def _roles(payload: Payload) -> tuple[PlatformRole | None, Role | None]:
    try:
        role = PlatformRole(payload["platform_role"]) if payload.get("platform_role") else None
        support_role = Role(payload["support_role"]) if payload.get("support_role") else None
    except ValueError:
        raise InvalidInputError("there is no such role", fix="airspace user add --help") from None
    if support_role is not None and role != PlatformRole.SUPPORT:
        raise InvalidInputError(
            "a support role goes with the platform role support", fix="add --platform-role support, or leave it out"
        )
    return role, support_role
