"""Reading a task's token: checked with Airflow's own validator, as Airflow does again after the guard."""

from __future__ import annotations

import uuid
from functools import cached_property
from typing import Any

from airflow.api_fastapi.auth.tokens import JWTValidator, get_sig_validation_args
from fastapi.security.utils import get_authorization_scheme_param

from airspace.access.tasks import STARTING_TOKEN, WORKING_TOKEN, Token


class BadTokenError(Exception):
    """There is no token, or none to trust."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


class TokenReader:
    """Reads the one token of a request."""

    @cached_property
    def leeway(self) -> int:
        """By how many seconds the clocks of this deployment may differ."""
        from airflow.configuration import conf

        return conf.getint("api_auth", "jwt_leeway")

    @cached_property
    def _validator(self) -> Any:
        from airflow.configuration import conf

        issuer = conf.get("api_auth", "jwt_issuer", fallback=None)
        return JWTValidator(
            required_claims=frozenset({"aud", "exp", "iat", "sub"} | ({"iss"} if issuer else set())),
            issuer=issuer,
            audience=conf.get_mandatory_list_value("execution_api", "jwt_audience"),
            **get_sig_validation_args(make_secret_key_if_needed=False),
        )

    async def read(self, headers: list[tuple[bytes, bytes]]) -> Token:
        """What the request's token says.

        :raises BadTokenError: none, several, or none that is valid
        """
        values = [value for name, value in headers if name.lower() == b"authorization"]
        if len(values) > 1:
            raise BadTokenError("Several authorization headers")
        scheme, credentials = get_authorization_scheme_param(values[0].decode("latin-1") if values else None)
        if scheme.lower() != "bearer" or not credentials:
            raise BadTokenError("Missing auth token", missing=True)
        try:
            claims = await self._validator.avalidated_claims(credentials, {})
            subject = str(uuid.UUID(claims["sub"]))
            issued_at = int(claims["iat"])
        except Exception as error:  # a door: whatever a hostile token makes the libraries raise, it is not valid
            raise BadTokenError("Invalid auth token") from error
        scope = claims.get("scope", WORKING_TOKEN)
        if scope not in (STARTING_TOKEN, WORKING_TOKEN):
            raise BadTokenError("Invalid auth token")
        return Token(subject, scope, issued_at)
