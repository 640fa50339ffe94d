"""A server below a path: every address as one with the path, however it came in.

People's addresses have it, and some proxies take it away; tasks and the command line ask this machine without it. What
is mounted in a server (sign-in, the tasks' API, our pages) is found only by the whole address.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi.responses import RedirectResponse


class WholePath:
    """The outermost of what we put around the server, so that all who look at an address see the same one."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        root = str(scope.get("root_path", ""))
        if not root or scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = str(scope["path"])
        if path == root and scope["type"] == "http":
            query = scope.get("query_string", b"").decode("latin-1")
            await RedirectResponse(f"{quote(root)}/{'?' if query else ''}{query}", 307)(scope, receive, send)
            return
        if not path.startswith(f"{root}/"):
            raw = quote(root).encode() + (scope.get("raw_path") or quote(path).encode())
            scope = {**scope, "path": f"{root}{path}", "raw_path": raw}
        await self._app(scope, receive, send)
