"""Reading what browsers and scripts send: small, typed, and never repeated back in an error."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from airflow.api_fastapi.app import AUTH_MANAGER_FASTAPI_APP_PREFIX, get_cookie_path
from airflow.api_fastapi.core_api.security import is_safe_url
from fastapi import HTTPException, Request
from pydantic import BaseModel, StringConstraints, ValidationError

MAX_BODY = 16 * 1024  # bytes; a sign-in is far smaller

_Text = Annotated[str, StringConstraints(strict=True, min_length=1)]


class Credentials(BaseModel):
    """A user name and a password; other keys (``grant_type`` …) are ignored."""

    username: _Text
    password: _Text


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a URL-encoded form, the last one of each name."""
    body = await _body(request)
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise HTTPException(422, "The form cannot be read.") from None
    return {name: values[-1] for name, values in fields.items()}


async def read_credentials(request: Request) -> Credentials:
    """Credentials as JSON or as a form.

    :raises HTTPException: 413, 415 or 422
    """
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    try:
        if content_type == "application/x-www-form-urlencoded":
            return Credentials.model_validate(await read_form(request))
        if content_type == "application/json":
            return Credentials.model_validate_json(await _body(request))
    except ValidationError as error:
        # Without the input: it may hold the password.
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        raise HTTPException(422, problems) from None
    raise HTTPException(415, "Send application/json or application/x-www-form-urlencoded.")


def is_cross_site(request: Request) -> bool:
    """Whether another site's page sent this: nobody may be signed in, or out, by following a link there."""
    if site := request.headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return False  # not a browser, or too old to say
    return not urlsplit(origin).netloc or not is_safe_url(origin + get_cookie_path(), request=request)


def safe_next(request: Request, wanted: str | None) -> str:
    """Where to go after signing in: the wanted page if it is one of ours, else the home page."""
    home = get_cookie_path()
    if not wanted or any(ord(char) < 33 for char in wanted) or "\\" in wanted:
        return home
    if not is_safe_url(wanted, request=request):
        return home
    return home if urlsplit(wanted).path.startswith(AUTH_MANAGER_FASTAPI_APP_PREFIX) else wanted


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, "That is too much for a sign-in.")
    return body
