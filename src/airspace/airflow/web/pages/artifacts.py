"""Artifacts: what a team published, what others share with it, and the files of its storage.

What is known is read from the database. What lies in storage is a team's, so it is looked at in the sandbox of the
team through which somebody looks: what its consumers may not read is not there for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.team import Team
from airflow.utils.session import create_session
from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool

from airspace.access.rules import Resource
from airspace.access.table import Action, Kind
from airspace.airflow.web import assets, held
from airspace.airflow.web.homes.reading import CANCELLED, PATIENCE
from airspace.airflow.web.pages.showing import Shown
from airspace.airflow.web.pages.turns import NoTurnError
from airspace.airflow.web.pages.viewings import AwayError, SlowError, ask, open_file, question
from airspace.backends import tables
from airspace.model.hold import HoldKind
from airspace.storage.viewing import reader
from airspace.storage.viewing.answers import Failed, Folder, Preview, Versions
from airspace.storage.viewing.places import Place, PlaceError

router = APIRouter(prefix="/artifacts", tags=["artifacts"])

NO_TEAM = "There is no team `{}` whose artifacts you may see."
NOTHING = "There is nothing at `{}`."
SLOW = "What is known of this team's assets takes too long to be found. Try again in a moment."
_FAILED: dict[str, tuple[int, str]] = {
    "missing": (404, NOTHING),
    "no folder": (404, "`{}` is no folder."),
    "no file": (422, "`{}` is no plain file."),
    "link": (422, "`{}` is a link, or behind one: links are not followed."),
    "refused": (403, "The team's own code may not read `{}`."),
    "too large": (413, "`{}` is too large to be shown. Download it."),
    "not shown": (422, "`{}` is nothing that a browser shows. Download it."),
    "memory": (422, "`{}` takes more memory than looking at it may."),
    "broken": (422, "`{}` cannot be read."),
}


class Update(BaseModel):
    """One version, as its task told; which task it was is known to the producer's team only."""

    at: datetime
    version: str | None
    rows: int | None
    bytes: int | None
    dag_id: str | None
    run_id: str | None
    task_id: str | None
    map_index: int | None


class Asset(BaseModel):
    """What is published: by the team itself, or by another one to it. See :class:`airspace.airflow.web.assets`."""

    name: str
    owner: str
    consumers: list[str]
    tables: list[str]
    updates: list[Update]


class Artifacts(BaseModel):
    """What a team published, and what is published to it."""

    team: str
    own: list[Asset]
    consumed: list[Asset]


def seen_team(team: str, user: GetUserDep) -> str:
    """The team in the address, if the reader may see its artifacts; the same no for one that does not exist."""
    allowed = get_auth_manager().decide(user, Action.READ, Resource(Kind.ARTIFACT, team, team)).allowed
    if allowed:
        with create_session(scoped=False) as session:
            allowed = session.scalar(select(Team.__table__.c.name).where(Team.__table__.c.name == team)) is not None
    if not allowed:
        raise HTTPException(404, NO_TEAM.format(team[:100]))
    return team


SeenTeam = Annotated[str, Depends(seen_team)]
At = Annotated[str, Query(description="files/…, or published/<team>/<asset>/…", max_length=4096)]
After = Annotated[str | None, Query(description="the page before this one's `next`", pattern="^([0-9a-f]{2})*$")]


@contextmanager
def known() -> Iterator[Any]:
    """A session for what the database knows, in which no statement takes long, whatever a team piled up.

    :raises HTTPException: one would have
    """
    try:
        with create_session(scoped=False) as session:
            session.execute(text(f"SET LOCAL statement_timeout = {PATIENCE}"))
            yield session
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != CANCELLED:
            raise
        raise HTTPException(503, SLOW, headers={"retry-after": "5"}) from None


@router.get("/{team}")
def artifacts(team: SeenTeam) -> Artifacts:
    """What the database knows of a team's assets and of those that it consumes."""
    with known() as session:
        seen = assets.assets_of(team, session)
        updates = assets.updates_of(seen, session)
    shown = [(asset.own, _asset(asset, updates.get(asset.asset_id or -1, []))) for asset in seen]
    return Artifacts(
        team=team,
        own=[asset for own, asset in shown if own],
        consumed=[asset for own, asset in shown if not own],
    )


@router.get("/{team}/versions")
async def versions(team: SeenTeam, at: At) -> Versions:
    """What lies in storage of an asset: versions, their files, columns and inputs, as their manifests say."""
    place = await _place(team, at)
    if place.owner is None or place.parts:
        raise HTTPException(422, "An asset is at published/<team>/<asset>.")
    found: Versions = await _answer(team, place, at, reader.VERSIONS, Versions)
    if place.owner != team:  # of what others made theirs is no consumer's to be told
        found.versions = [version.model_copy(update={"inputs": []}) for version in found.versions]
    return found


@router.get("/{team}/files")
async def files(
    team: SeenTeam, at: At, after: Annotated[str | None, Query(pattern="^([0-9a-f]{2})*$")] = None
) -> Folder:
    """A page of a folder; the next one is asked for with its ``next``."""
    return await _answer(team, await _place(team, at), at, reader.FOLDER, Folder, after)


@router.get("/{team}/preview")
async def preview(team: SeenTeam, at: At) -> Preview:
    """The beginning of a file: rows, text, or what else it is."""
    place = await _place(team, at)
    return await _answer(team, place, at, reader.PREVIEW, Preview)


@router.get("/{team}/open", response_class=Response)
async def show(team: SeenTeam, at: At) -> Response:
    """A picture or a page, in a document of its own that can do nothing."""
    return await _file(team, at, reader.SHOW)


@router.get("/{team}/download", response_class=Response)
async def download(team: SeenTeam, at: At) -> Response:
    """Any file, to be saved."""
    return await _file(team, at, reader.SAVE)


async def _file(team: str, at: str, what: str) -> Response:
    place = await _place(team, at)
    if not place.parts:
        raise HTTPException(404, NOTHING.format(at))
    found = await _heard(open_file(team, question(what, place.inside(team))))
    if isinstance(found, Failed):
        raise _no(found, at)
    opened, viewing = found
    return Shown(opened, viewing, place.name)


async def _answer(team: str, place: Place, at: str, what: str, wanted: Any, after: str | None = None) -> Any:
    if what == reader.PREVIEW and not place.parts:
        raise HTTPException(404, NOTHING.format(at))
    return await answered(ask(team, question(what, place.inside(team), after), wanted), at)


async def answered(answer: Any, at: str) -> Any:
    """What a reader in the team's sandbox says of this place.

    :raises HTTPException: nothing, for a reason that can be told
    """
    found = await _heard(answer)
    if isinstance(found, Failed):
        raise _no(found, at)
    return found


async def _heard(answer: Any) -> Any:
    try:
        return await answer
    except NoTurnError:
        detail = "Others of this team are looking at files or tables: two at once. Try again in a moment."
        raise HTTPException(429, detail, headers={"retry-after": "2"}) from None
    except AwayError as error:
        raise HTTPException(503, str(error), headers={"retry-after": "2"}) from None
    except SlowError as error:
        raise HTTPException(422, str(error)) from None


def _no(found: Failed, at: str) -> HTTPException:
    status, words = _FAILED[found.failed]
    return HTTPException(status, words.format(at))


async def _place(team: str, at: str) -> Place:
    """What is asked for, if the team may be shown it at all.

    :raises HTTPException: it is no place, or not the team's to read, or the team is on its way
    """
    try:
        place = Place.read(at)
    except PlaceError as error:
        raise HTTPException(422, f"This is no place in storage: {error}.") from None
    await run_in_threadpool(_check, team, place, at)
    return place


def _check(team: str, place: Place, at: str) -> None:
    with create_session(scoped=False) as session:
        readable = place.owner is None or assets.may_read(team, place.owner, str(place.asset), session)
        check(team, at, readable, session)


def check(team: str, at: str, readable: bool, session: Any) -> None:
    """Whether something may be looked at through this team now.

    :raises HTTPException: it is not the team's to read, or the team is being removed
    """
    if not readable:
        raise HTTPException(404, NOTHING.format(at))
    hold = tables.hold_of(team, session)
    if hold is not None and hold.kind is not HoldKind.SUSPENDED:
        raise HTTPException(409, held.words(hold))


def _asset(asset: assets.SeenAsset, updates: list[assets.Update]) -> Asset:
    return Asset(
        name=asset.name,
        owner=asset.owner,
        consumers=list(asset.consumers),
        tables=list(asset.tables),
        updates=[Update(**{field: getattr(update, field) for field in Update.model_fields}) for update in updates],
    )
