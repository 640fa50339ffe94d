"""What a browser is told when a person opens an address: where they land, in whose view, and which page it is.

Only whole pages come here. What pages and scripts ask for stays at the address that they name.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager, get_cookie_path
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from jwt import InvalidTokenError
from starlette.concurrency import run_in_threadpool

from airspace.access.views import landing
from airspace.airflow.web import addresses, request_scope, team_view, view_as, whereabouts
from airspace.airflow.web.pages import bundle
from airspace.airflow.web.sign_in.pages import render

RECENT = "airspace_view"
"""The cookie in which a browser remembers the team that was looked at last. It opens nothing: it is held against the
person's teams."""
SWITCHED = "airspace_switched"
"""The cookie by which the next page learns that it was not the one asked for, and says so."""
_A_YEAR, _A_MOMENT = 31_536_000, 120  # seconds; the next page may come over a slow line
_PLATFORM = "plugin/platform"
_NOWHERE = "nowhere"  # in the request's notes


def is_page(scope: Any) -> bool:
    """Whether a browser asks for a whole page, to be shown to a person."""
    headers = dict(scope["headers"])
    document = headers.get(b"sec-fetch-dest", b"document") == b"document"
    return scope["method"] == "GET" and document and b"text/html" in headers.get(b"accept", b"")


async def elsewhere(scope: Any) -> Response | None:
    """Where to go instead of the page that was asked for; None: it is the right one.

    Whoever opens the front door goes into the team that they looked at last, and whoever opens what only another one
    of their teams sees goes into that team's view. ``~`` was asked for by name, and stays. What they see nowhere is
    noted, whether it exists or not: Airflow's page, which says so in words, is then a 404.
    """
    request, view, path = Request(scope), team_view.named(), request_scope.route_path(scope)
    named = addresses.named_in(path, request.url.query)
    token = request.cookies.get(COOKIE_NAME_JWT_TOKEN)
    if token is None or not (named or (view is None and path == "/")):
        return None
    try:
        user: Any = await get_auth_manager().get_user_from_token(token)
    except InvalidTokenError:
        return None  # the page finds out, and leads to the sign-in
    if team_view.is_refused():
        return None
    recent = request.cookies.get(RECENT)
    if named is None:
        return _to(scope, front_door(user.principal, recent))
    team = None if view == team_view.ALL else await run_in_threadpool(_best, named, user.whole, view, recent)
    if team is None and not await run_in_threadpool(whereabouts.shown_to, named, user.principal):
        request_scope.notes()[_NOWHERE] = True
    if team is None or team == view:
        return None
    return _switch(scope, team, told=team != (view or recent or team))


def _best(named: addresses.Named, whole: Any, view: str | None, recent: str | None) -> str | None:
    teams = whereabouts.teams_showing(named, whole)
    if view is None:  # who reaches every team and named none stays with all of them
        teams = [team for team in teams if team in whole.teams]
    return whereabouts.best(teams, view or recent)


def front_door(principal: Any, recent: str | None) -> str | None:
    """Where somebody begins, below what is in no view; None: at Airflow's own first page."""
    if principal.platform_role is not None:
        return _PLATFORM if bundle.is_built() else None
    team = landing(principal, recent)
    return None if team is None else f"{team_view.PREFIX[1:]}{team}/"


def whole_page(scope: Any, send: Any) -> Any:
    """Airflow's page of a view: what all pages share comes from one address, and the browser remembers the team."""
    send = _nowhere(send) if request_scope.notes().get(_NOWHERE) else send
    if scope.get("root_path", "") == _root():
        return send
    start: Any = None
    parts: list[bytes] = []

    async def told(message: Any) -> None:
        nonlocal start
        if start is None:
            if _is_text(message):
                start = message
            else:
                await send(message)
            return
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            body = shared(b"".join(parts), _root())
            headers = request_scope.with_header(start["headers"], b"content-length", str(len(body)).encode())
            await send({**start, "headers": [*headers, *_recent(scope)]})
            await send({"type": "http.response.body", "body": body})

    return told


def _nowhere(send: Any) -> Any:
    async def told(message: Any) -> None:
        if _is_text(message):
            headers = request_scope.with_header(message["headers"], b"cache-control", b"no-store")
            message = {**message, "status": 404, "headers": headers}
        await send(message)

    return told


def shared(page: bytes, root: str) -> bytes:
    """Airflow's page with its scripts at the addresses that they have outside of views: one copy for all of them.

    A redirect would not do: a script that comes from another address is another script, and React would be there twice.
    What draws our bar is named as well, so that it comes along with Airflow's own scripts and not after them.
    """
    if b"<base " not in page:
        return page
    found = page.replace(b'"./static/', f'"{root}/static/'.encode())
    return found.replace(b"</head>", f"{_early()}</head>".encode(), 1)


@cache
def _early() -> str:
    if not bundle.is_built():
        return ""
    asked = '<link rel="preload" as="fetch" crossorigin href="./airspace/api/me" />'
    return f'<link rel="modulepreload" href="{bundle.address()}" />{asked}'


def keeping(scope: Any, send: Any) -> Any:
    """Airflow's scripts have their hash in their names: a browser keeps them, and asks no more."""
    path = request_scope.route_path(scope)
    if not path.startswith(("/static/assets/", "/static/i18n/")):
        return send

    async def told(message: Any) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            long = b"public, max-age=31536000, immutable" if path.startswith("/static/assets/") else b"max-age=3600"
            message = {**message, "headers": request_scope.with_header(message["headers"], b"cache-control", long)}
        await send(message)

    return told


def missing(scope: Any) -> Response:
    """What is said of a view that is not for who asks: the same whether there is such a team or not."""
    if not is_page(scope):
        return team_view.missing()
    return render("no_view.html", status=404, headers={"cache-control": "no-store"}, home=get_cookie_path())


def _switch(scope: Any, team: str, *, told: bool) -> Response:
    rest = quote(request_scope.route_path(scope), safe="/:@!$&'()*+,;=~")
    answer = _to(scope, f"{team_view.PREFIX[1:]}{team}{rest}")
    assert answer is not None  # noqa: S101 # for the type: there is somewhere to go
    if told:
        answer.set_cookie(SWITCHED, team, max_age=_A_MOMENT, path=get_cookie_path(), samesite="lax")
    return answer


def _to(scope: Any, place: str | None) -> Response | None:
    if place is None:
        return None
    query = scope.get("query_string", b"").decode("latin-1")
    root = quote(team_view.outside(scope), safe="/~@+")
    return RedirectResponse(f"{root}/{place}{'?' if query else ''}{query}", 307, {"cache-control": "no-store"})


def _recent(scope: Any) -> list[tuple[bytes, bytes]]:
    """Nothing is remembered of what somebody sees through another's eyes."""
    request, view = Request(scope), team_view.named()
    if view in (None, team_view.ALL, request.cookies.get(RECENT)) or view_as.viewed():
        return []
    secure = request.base_url.scheme == "https"
    answer = Response()
    answer.set_cookie(
        RECENT, str(view), max_age=_A_YEAR, path=get_cookie_path(), secure=secure, httponly=True, samesite="lax"
    )
    return [(name, value) for name, value in answer.raw_headers if name == b"set-cookie"]


def _is_text(message: Any) -> bool:
    if message["type"] != "http.response.start" or message["status"] != 200:
        return False
    return dict(message["headers"]).get(b"content-type", b"").startswith(b"text/html")


def _root() -> str:
    """What the addresses of this server begin with, outside of all views."""
    path: str = get_cookie_path()
    return path.rstrip("/")
