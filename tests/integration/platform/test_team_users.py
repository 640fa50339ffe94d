"""The Unix users of teams: whoever comes later gets the number of nobody who was there before."""

from __future__ import annotations

import os
import pwd
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from airspace.model.home import HomeLayout
from airspace.platform import places
from airspace.sandbox.spec import TeamPlace

pytestmark = [pytest.mark.integration, pytest.mark.skipif(os.getuid() != 0, reason="only root makes Unix users")]


@pytest.fixture
def layout(folder: Path) -> Iterator[HomeLayout]:
    made = HomeLayout(folder)
    made.storage.mkdir()
    yield made
    places.remove_users(made)


def test_a_number_is_given_out_once(layout: HomeLayout) -> None:
    home_id = secrets.token_hex(3)
    control = (65534, 65534)

    def join(team: str) -> int:
        places.settle(layout, home_id, [TeamPlace(team, team)], control, walls=True)
        place = places.known(layout)[team]
        assert place.user is not None
        assert place.uid is not None
        assert pwd.getpwnam(place.user).pw_uid == place.uid == (layout.storage / team / "published").stat().st_gid
        return place.uid

    def leave(team: str) -> None:
        user = str(places.known(layout)[team].user)
        places.retire(layout, team)
        assert team not in places.known(layout)
        assert user not in {known.pw_name for known in pwd.getpwall()}

    used = [join("stays"), join("leaver")]
    assert join("stays") == used[0]
    leave("leaver")  # who had the highest number
    used.append(join("leaver"))
    leave("stays")  # who had the lowest
    used.append(join("stays"))
    leave("stays")
    leave("leaver")  # and nobody is left who could be asked
    used.append(join("newcomer"))
    assert used == sorted(set(used))
