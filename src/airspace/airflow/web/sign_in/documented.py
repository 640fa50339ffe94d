"""What the OpenAPI document of ``/auth`` says of each route: bodies, and every answer that it gives."""

from __future__ import annotations

from typing import Any

from fastapi import Response

_TEXT = {"type": "string", "minLength": 1}
_CREDENTIALS = {
    "type": "object",
    "properties": {"username": _TEXT, "password": _TEXT},
    "required": ["username", "password"],
}
_FORM = {
    "type": "object",
    "properties": {"username": {**_TEXT, "pattern": r"\S"}, "password": _TEXT, "next": {"type": "string"}},
    "required": ["username", "password"],
}
_PAGE = {"content": {"text/html": {"schema": {"type": "string"}}}}
_DETAIL = {"content": {"application/json": {"schema": {"type": "object", "required": ["detail"]}}}}
_TOKEN = {"type": "object", "properties": {"access_token": {"type": "string"}}, "required": ["access_token"]}


def _answers(kind: dict[str, Any], words: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {**kind, "description": text} for status, text in words.items()}


def _elsewhere(text: str) -> dict[int | str, dict[str, Any]]:
    return {303: {"description": text, "headers": {"location": {"schema": {"type": "string"}}}}}


_TOKEN_ROUTE: dict[str, Any] = {
    "status_code": 201,
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _CREDENTIALS},
                "application/x-www-form-urlencoded": {"schema": _CREDENTIALS},
            },
        }
    },
    "responses": {
        201: {"description": "A token", "content": {"application/json": {"schema": _TOKEN}}},
        **_answers(
            _DETAIL,
            {
                401: "The user name or the password is wrong",
                413: "Too long",
                415: "Neither JSON nor a form",
                422: "Not credentials",
                429: "Too many attempts: wait",
                503: "The database cannot be reached",
            },
        ),
    },
}

# FastAPI would else say of them that they are JSON.
_NO_JSON: dict[str, Any] = {"response_class": Response}

# handler → what FastAPI is told about its route
ABOUT: dict[str, dict[str, Any]] = {
    "page": {**_NO_JSON, "responses": _answers(_PAGE, {200: "The sign-in page"})},
    "login": {
        **_NO_JSON,
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": _FORM}}}
        },
        "status_code": 303,
        "responses": {
            **_elsewhere("Signed in"),
            **_answers(
                _PAGE,
                {
                    401: "The user name or the password is wrong",
                    403: "Sent by another site",
                    422: "Something is missing",
                    429: "Too many attempts: wait",
                    503: "The database cannot be reached",
                },
            ),
            **_answers(_DETAIL, {413: "Too long"}),
        },
    },
    "logout": {
        **_NO_JSON,
        "status_code": 303,
        "responses": {**_elsewhere("Signed out"), **_answers(_PAGE, {403: "Another site's"})},
    },
    "no_team": {**_NO_JSON, "responses": {**_elsewhere("Not signed in"), **_answers(_PAGE, {200: "Whom to ask"})}},
    "token": _TOKEN_ROUTE,
    "token_cli": _TOKEN_ROUTE,
    "whoami": {"responses": _answers(_DETAIL, {401: "Not signed in"})},
    "look": {
        **_NO_JSON,
        "status_code": 303,
        "responses": {
            **_elsewhere("Into the read-only view"),
            **_answers(_DETAIL, {401: "Not signed in", 404: "No such user, or not for you"}),
        },
    },
}
