"""The teams' places on this machine: a Unix user each, folders with the right owner, what their sandboxes are made of.

Done as the home's owner, by descriptor and never through a link: teams can write in some of these folders. Everything
may be repeated; what an earlier, cut-off call has begun is carried on with.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from airspace.backends import accounts
from airspace.model.errors import HomeError
from airspace.model.home import HomeLayout
from airspace.platform import home
from airspace.sandbox.spec import TeamPlace, read_places, write_places
from airspace.sdk.layout import PUBLISHED

# Numbers of teams' users: a block for each home, far from those of people, of system users and of containers.
_FIRST, _BLOCKS, _BLOCK = 1_000_000_000, 57_344, 16_384


def known(layout: HomeLayout) -> dict[str, TeamPlace]:
    """Team → its place, of all that were made.

    :raises HomeError: the list is damaged
    """
    try:
        return read_places(layout.sandboxes.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise HomeError(f"{layout.sandboxes} is damaged", fix="restore it from a backup") from None


def settle(
    layout: HomeLayout, home_id: str, wanted: Iterable[TeamPlace], control: tuple[int, int] | None, *, walls: bool
) -> None:
    """Make the places of these teams, and keep those of all others.

    :param control: user and group of the control user when root calls; its folders become the teams' own
    :param walls: False: the teams' code runs as the control user, so all is that user's
    """
    there = known(layout)
    places, asked = dict(there), []
    for place in wanted:
        before = there.get(place.team)
        place = replace(place, uid=before.uid, gid=before.gid, user=before.user) if before else place
        if control is not None and place.uid is None:
            place = _with_user(place, home_id, places.values(), _highest(layout))
        places[place.team] = place
        asked.append(place)
    if places != there or not layout.sandboxes.exists():
        # Written before anything is given to new users: a number that was used once is never used again.
        home.write_atomically(layout.sandboxes, write_places(places.values()), mode=0o644)
    for place in asked:
        if control is not None and place.user is not None and place.uid is not None:
            accounts.create_numbered(place.user, place.uid, place.team)
        _make_folders(layout, place, control, walls=walls)


def remove_users(layout: HomeLayout) -> None:
    """Remove the Unix users of all teams; their processes have ended."""
    with suppress(HomeError):
        for place in known(layout).values():
            if place.user is not None:
                accounts.delete(place.user)


def retire(layout: HomeLayout, team: str) -> None:
    """Give up a team's place: its Unix user, its entry, and its name where others published to it. Its files are gone.

    Its number is written down before that, and never given to anybody again.
    """
    places = known(layout)
    place = places.get(team)
    if place is not None and place.uid is not None:
        home.write_atomically(layout.highest_user, f"{max(place.uid, _highest(layout))}\n", mode=0o644)
        if place.user is not None and os.getuid() == 0:
            accounts.delete(place.user)
    kept = [_without_consumer(other, team) for name, other in places.items() if name != team]
    if kept != list(places.values()):
        home.write_atomically(layout.sandboxes, write_places(kept), mode=0o644)


def _without_consumer(place: TeamPlace, team: str) -> TeamPlace:
    assets = {asset: tuple(each for each in teams if each != team) for asset, teams in place.assets.items()}
    return place if assets == dict(place.assets) else replace(place, assets=assets)


def _highest(layout: HomeLayout) -> int:
    """The highest number that a team which is gone had; 0: none."""
    try:
        return int(layout.highest_user.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    except ValueError:
        raise HomeError(f"{layout.highest_user} is damaged", fix="restore it from a backup") from None


def _with_user(place: TeamPlace, home_id: str, others: Iterable[TeamPlace], gone: int) -> TeamPlace:
    first = _FIRST + int(home_id, 16) % _BLOCKS * _BLOCK
    taken = [other.uid for other in others if other.uid is not None] + ([gone] if gone >= first else [])
    number = max((uid - first + 1 for uid in taken), default=1)
    while accounts.is_taken(first + number):
        number += 1
    return replace(place, uid=first + number, gid=first + number, user=f"airspace-{home_id}-{number}")


def _make_folders(layout: HomeLayout, place: TeamPlace, control: tuple[int, int] | None, *, walls: bool) -> None:
    """``storage/<team>``, and in it what others may read.

    The team may write there but not rename or replace what is the platform's: these folders are root's, in folders
    with the sticky bit. Where an ordinary user runs the platform, the sandbox's mounts do the same.
    """
    uid, gid = (place.uid, place.gid) if walls and control else (control or (os.getuid(), os.getgid()))
    if uid is None or gid is None:
        raise HomeError(f"team {place.team} has no Unix user", fix="airspace apply")
    shared, changes = walls and control is not None, False
    owner, sticky = (0, 0o1770) if shared else (uid, 0o750)
    formerly = control[0] if control and walls else place.uid
    with suppress(OSError):
        changes = (layout.storage / place.team).lstat().st_uid != owner
    if changes and formerly not in (None, uid):
        # Before the folder itself: an `up` that is cut off here finds it as it was, and does it again.
        with _opened(layout.storage / place.team) as own:
            _give(own, formerly, uid, gid)
    folder = layout.storage / place.team
    with (
        _folder(layout.storage, place.team, owner, gid, sticky) as own,
        _below(own, PUBLISHED, owner, gid, sticky, folder) as published,
    ):
        for asset in sorted(place.assets):
            with _below(published, asset, owner, gid, 0o2775 if shared else 0o755, folder / PUBLISHED):
                pass


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _folder(parent: Path, name: str, uid: int, gid: int, mode: int) -> Iterator[int]:
    try:
        above = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise HomeError(f"the folder {parent} cannot be used: {error.strerror}", fix="airspace doctor") from None
    try:
        with _below(above, name, uid, gid, mode, parent, aside=False) as handle:
            yield handle
    finally:
        os.close(above)


@contextmanager
def _below(above: int, name: str, uid: int, gid: int, mode: int, shown: Path, *, aside: bool = True) -> Iterator[int]:
    """A folder with this owner and mode, made if there is none.

    :param aside: what is no folder is put aside under another name: it is the team's, and must not be in anybody's way
    """
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=above)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(name, flags, dir_fd=above)
    except OSError as error:
        if not aside:
            path = shown / name
            raise HomeError(f"{path} is in the way: {error.strerror}", fix=f"look at it, then: rm {path}") from None
        os.rename(name, f".in-the-way-{secrets.token_hex(8)}", src_dir_fd=above, dst_dir_fd=above)
        os.mkdir(name, 0o700, dir_fd=above)
        handle = os.open(name, flags, dir_fd=above)
    try:
        found = os.fstat(handle)
        if os.getuid() == 0 and (found.st_uid, found.st_gid) != (uid, gid):
            os.fchown(handle, uid, gid)
        if stat.S_IMODE(os.fstat(handle).st_mode) != mode:
            os.fchmod(handle, mode)
        yield handle
    finally:
        os.close(handle)


def _give(folder: int, formerly: int | None, uid: int, gid: int) -> None:
    """What belonged to the user that the team's code ran as before becomes that of the one it runs as now.

    Nothing else, and nothing that has a second name: a team could have given a name to somebody else's file.
    """
    if os.getuid() != 0:
        return
    for _, folders, files, handle in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
        for name in (*folders, *files):
            with suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=handle, follow_symlinks=False)
                if found.st_uid == formerly and (found.st_nlink == 1 or stat.S_ISDIR(found.st_mode)):
                    os.chown(name, uid, gid, dir_fd=handle, follow_symlinks=False)
