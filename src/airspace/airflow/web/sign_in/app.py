"""The routes below ``/auth``."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.api_fastapi.app import AUTH_MANAGER_FASTAPI_APP_PREFIX, get_cookie_path
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.configuration import conf
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jwt import InvalidTokenError
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool

from airspace.access.service import SignIn, Throttle, TooManyAttemptsError, WrongCredentialsError
from airspace.access.views import as_seen_by
from airspace.airflow.web import view_as
from airspace.airflow.web.sign_in.documented import ABOUT
from airspace.airflow.web.sign_in.headers import SecurityHeadersMiddleware
from airspace.airflow.web.sign_in.pages import Notice, render
from airspace.airflow.web.sign_in.requests import is_cross_site, read_credentials, read_form, safe_next
from airspace.model.home import HomeLayout, home_root
from airspace.model.roles import Principal
from airspace.platform.contact import read_contact

log = logging.getLogger(__name__)

# Tells, at the sign-in page, a session that has ended from a first visit. It says nothing else.
MARKER = "airspace_session"
DATABASE_DOWN = "The platform cannot reach its database, so nobody can sign in. Please try again in a moment."


def create_app(manager: Any) -> FastAPI:
    """The application that Airflow mounts at ``/auth``; ``manager`` is the auth manager."""
    app = FastAPI(title="Airspace sign-in", docs_url=None, redoc_url=None)
    app.add_middleware(SecurityHeadersMiddleware)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    doors = _Doors(manager)
    for path, method, handler in (
        ("/login", "GET", doors.page),
        ("/login", "POST", doors.login),
        ("/logout", "GET", doors.logout),
        ("/no-team", "GET", doors.no_team),
        ("/token", "POST", doors.token),
        ("/token/cli", "POST", doors.token_cli),
        ("/whoami", "GET", whoami),
        ("/as/{name}", "GET", doors.look),
    ):
        app.add_api_route(path, handler, methods=[method], **ABOUT[handler.__name__])
    return app


class _Doors:
    """The routes, over one throttle for this process."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._throttle = Throttle(time.monotonic)

    async def page(self, request: Request) -> Response:
        """The sign-in page; says so when a session has ended, or when somebody is signed in already."""
        user = getattr(request.state, "user", None)
        notice = None
        if user is None and "signed-out" in request.query_params:
            notice = Notice("done", "You are signed out.")
        elif user is None and MARKER in request.cookies:
            notice = Notice("info", "Your session has ended. Please sign in again.")
        following = safe_next(request, request.query_params.get("next"))
        return render("login.html", following=following, notice=notice, signed_in=user.get_name() if user else None)

    async def login(self, request: Request) -> Response:
        """Sign a browser in."""
        form = await read_form(request)
        name, following = form.get("username", "").strip(), safe_next(request, form.get("next"))
        if is_cross_site(request):
            problem = "That came from another site. Please sign in here."
            return _again(following, "", problem, 403)
        if not name or not form.get("password"):
            return _again(following, name, "Please enter your user name and your password.", 422)
        try:
            principal = await self._sign_in(request, name, form["password"])
        except WrongCredentialsError as error:
            return _again(following, name, error.message, 401)
        except TooManyAttemptsError as error:
            return _again(following, name, error.message, 429, {"retry-after": str(error.seconds)})
        except OperationalError:
            log.exception("the database cannot be reached")
            return _again(following, name, DATABASE_DOWN, 503)
        return self._signed_in(request, principal, following)

    async def logout(self, request: Request) -> Response:
        """Revoke the session and forget it."""
        if is_cross_site(request):
            return render("logout.html", status=403)
        if token := request.cookies.get(COOKIE_NAME_JWT_TOKEN):
            try:
                await run_in_threadpool(self._manager.revoke_token, token)
            except InvalidTokenError:
                log.debug("nothing to revoke")
        response = RedirectResponse(f"{AUTH_MANAGER_FASTAPI_APP_PREFIX}/login?signed-out", 303)
        for name, path in ((COOKIE_NAME_JWT_TOKEN, get_cookie_path()), (MARKER, AUTH_MANAGER_FASTAPI_APP_PREFIX)):
            response.delete_cookie(name, path=path, secure=_secure(request), httponly=True, samesite="lax")
        return response

    async def no_team(self, request: Request) -> Response:
        """Whom to ask, for somebody who holds no role."""
        user = getattr(request.state, "user", None)
        if user is None:
            return RedirectResponse(f"{AUTH_MANAGER_FASTAPI_APP_PREFIX}/login", 303)
        contact = await run_in_threadpool(read_contact, HomeLayout(home_root()))
        return render("no_team.html", name=user.get_name(), home=get_cookie_path(), contact=contact)

    def look(self, name: str, user: GetUserDep) -> Response:
        """Into the read-only view of what that user sees; the same refusal for a user who does not exist."""
        target = self._manager.users.principal(name)
        if target is None or as_seen_by(user.whole, target) is None:
            raise HTTPException(404, "There is no such user, or you may not look through their eyes.")
        return RedirectResponse(f"{get_cookie_path().rstrip('/')}{view_as.PREFIX}{quote(name)}/", 303)

    async def token(self, request: Request) -> dict[str, str]:
        """An API token for scripts, from a user name and a password."""
        return await self._token(request, "jwt_expiration_time")

    async def token_cli(self, request: Request) -> dict[str, str]:
        """An API token for Airflow's command line: a shorter life."""
        return await self._token(request, "jwt_cli_expiration_time")

    async def _token(self, request: Request, option: str) -> dict[str, str]:
        credentials = await read_credentials(request)
        try:
            principal = await self._sign_in(request, credentials.username, credentials.password)
        except WrongCredentialsError as error:
            raise HTTPException(401, error.message) from None
        except TooManyAttemptsError as error:
            raise HTTPException(429, error.message, headers={"retry-after": str(error.seconds)}) from None
        except OperationalError:
            log.exception("the database cannot be reached")
            raise HTTPException(503, DATABASE_DOWN) from None
        return {"access_token": self._jwt(principal, conf.getint("api_auth", option))}

    async def _sign_in(self, request: Request, name: str, password: str) -> Principal:
        source = request.client.host if request.client else "unknown"
        check = SignIn(self._manager.users, self._throttle)
        return await run_in_threadpool(check, name, password, source=source)

    def _signed_in(self, request: Request, principal: Principal, following: str) -> Response:
        nothing = not principal.teams and principal.platform_role is None
        response = RedirectResponse(f"{AUTH_MANAGER_FASTAPI_APP_PREFIX}/no-team" if nothing else following, 303)
        token = self._jwt(principal, conf.getint("api_auth", "jwt_expiration_time"))
        for name, value, path in (
            (COOKIE_NAME_JWT_TOKEN, token, get_cookie_path()),
            (MARKER, "1", AUTH_MANAGER_FASTAPI_APP_PREFIX),
        ):
            response.set_cookie(name, value, path=path, secure=_secure(request), httponly=True, samesite="lax")
        return response

    def _jwt(self, principal: Principal, seconds: int) -> str:
        from airspace.airflow.web.auth_manager import AirspaceUser  # it imports this package to mount it

        token: str = self._manager.generate_jwt(AirspaceUser(principal), expiration_time_in_seconds=seconds)
        return token


def whoami(user: GetUserDep) -> dict[str, Any]:
    """The signed-in user and what they hold; for somebody who holds nothing, whom to ask."""
    principal: Principal = user.whole
    nothing = not principal.teams and principal.platform_role is None
    support = principal.support_role if principal.platform_role == "support" else None
    return {
        **({"seen_by": user.signed_in, "read_only": True} if user.signed_in else {}),
        "name": principal.name,
        "platform_role": principal.platform_role,
        "support_role": support,
        "teams": sorted(principal.teams),
        "roles": dict(sorted(principal.teams.items())),
        **({"contact": read_contact(HomeLayout(home_root()))} if nothing else {}),
    }


def _again(following: str, name: str, problem: str, status: int, headers: dict[str, str] | None = None) -> Response:
    notice = Notice("error", problem)
    return render("login.html", status=status, headers=headers, following=following, name=name, notice=notice)


def _secure(request: Request) -> bool:
    return request.base_url.scheme == "https" or bool(conf.get("api", "ssl_cert", fallback=""))
