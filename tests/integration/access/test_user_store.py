"""What sign-in needs from a user store: the real one and the one for tests keep the same promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, insert

from airspace.access.ports import InMemoryUserStore, UserStore
from airspace.backends import tables
from airspace.model.errors import InvalidInputError
from airspace.model.roles import PlatformRole, Principal, Role

pytestmark = pytest.mark.integration


class RealStore(tables.UserStore):
    """The real store, with the one thing that the team files do otherwise."""

    def join(self, name: str, team: str, role: Role) -> None:
        with self._engine.begin() as connection:
            connection.execute(insert(tables.members).values(team=team, user_name=name, role=role.value))


@pytest.fixture(params=["real", "in-memory"])
def store(request: pytest.FixtureRequest, new_database: Callable[[], str]) -> Iterator[Any]:
    if request.param == "in-memory":
        yield InMemoryUserStore()
        return
    engine = create_engine(new_database())
    tables.metadata.create_all(engine)
    yield RealStore(engine)
    engine.dispose()


def test_it_is_a_user_store(store: Any) -> None:
    port: UserStore = store
    assert port.principal("ada") is None
    assert port.password_hash("ada") is None


def test_a_user_holds_what_was_given(store: Any) -> None:
    store.add("ada", "hash")
    store.add("sue", None, PlatformRole.SUPPORT, Role.AUTHOR)
    store.join("ada", "data_science", Role.AUTHOR)
    store.join("ada", "data_analytics", Role.VIEWER)
    assert store.principal("ada") == Principal(
        "ada", None, Role.OPERATOR, {"data_science": Role.AUTHOR, "data_analytics": Role.VIEWER}
    )
    assert store.principal("sue") == Principal("sue", PlatformRole.SUPPORT, Role.AUTHOR, {})
    assert (store.password_hash("ada"), store.password_hash("sue")) == ("hash", None)


def test_names_are_exact(store: Any) -> None:
    store.add("ada", "hash")
    assert store.principal("Ada") is None
    assert store.principal("ada ") is None
    assert store.principal("a%") is None
    assert store.password_hash("ad_") is None


def test_a_disabled_user_is_nobody_until_let_in_again(store: Any) -> None:
    store.add("ada", "hash")
    store.set_disabled("ada", True)
    assert store.principal("ada") is None
    assert store.password_hash("ada") is None
    store.set_disabled("ada", False)
    assert store.principal("ada") is not None


def test_a_password_is_replaced_for_those_who_exist(store: Any) -> None:
    store.add("ada", "old")
    store.set_password("ada", "new")
    assert store.password_hash("ada") == "new"
    with pytest.raises(InvalidInputError):
        store.set_password("nobody", "new")
