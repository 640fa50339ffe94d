"""What browsers are told about every answer below ``/auth``."""

from __future__ import annotations

from typing import Any

_POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'"
_ALWAYS = {
    "content-security-policy": f"{_POLICY}; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityHeadersMiddleware:
    """No framing, no foreign content, nothing kept in a cache but the style sheet."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                static = scope["path"].endswith(".css")
                added = {**_ALWAYS, "cache-control": "public, max-age=3600" if static else "no-store"}
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in added.items())]
            await send(message)

        await self._app(scope, receive, with_headers)
