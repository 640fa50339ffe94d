"""The door: an ASGI middleware around the whole API server, which lets everything pass but the Execution API."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from airspace.access.tasks import Refusal
from airspace.airflow.guard import presence, rewriting
from airspace.airflow.guard.database import TROUBLE, Database
from airspace.airflow.guard.facts import Facts
from airspace.airflow.guard.judge import Granted, Judge, Question, RefusedError
from airspace.airflow.guard.matching import Matched, Matcher, UnknownVersionError, execution_mounts
from airspace.airflow.guard.routes import Rule, Target
from airspace.airflow.guard.tokens import BadTokenError, TokenReader

log = logging.getLogger(__name__)

_PRESENCE = (presence.HEADER.encode(), presence.VALUE.encode())

# In the words and with the statuses that Airflow's own workers know: at 404, 409 and 410 a supervisor ends its task.
_STATUS: Mapping[Refusal, tuple[int, str]] = {
    Refusal.GONE: (410, "not_found"),
    Refusal.NO_TEAM: (403, "no_team"),
    Refusal.EARLIER_TURN: (409, "earlier_turn"),
    Refusal.NOT_QUEUED: (409, "invalid_state"),
    Refusal.NOT_RUNNING: (409, "not_running"),
    Refusal.WRONG_TOKEN: (403, "wrong_token"),
    Refusal.SOMEBODY_ELSE: (403, "access_denied"),
    Refusal.NOT_YOURS: (403, "access_denied"),
    Refusal.NOT_FOUND: (404, "not_found"),
    Refusal.UNCLEAR: (422, "unclear"),
    Refusal.UNKNOWN: (404, "not_found"),
}


class ExecutionGuard:
    """Holds every request for the Execution API against its caller's team before Airflow sees it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tokens = TokenReader()
        self._matchers: list[Matcher] | None = None

    @cached_property
    def _judge(self) -> Judge:
        from airflow import settings  # where the database is stands there once the server is set up

        return Judge(Facts(Database(settings.SQL_ALCHEMY_CONN_ASYNC)), self._tokens.leeway)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for the Execution API or let it pass; everything else passes."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._matchers is None:
            self._matchers = [Matcher(mount) for mount in execution_mounts(scope["app"])]
        matcher = next((each for each in self._matchers if each.concerns(scope)), None)
        if matcher is None:
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            await self._guarded(matcher, scope, receive, send)

    async def _guarded(self, matcher: Matcher, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            matched = await matcher.find(scope)
            if matched is None or matched.rule is None or matched.rule.target is Target.NOBODY:
                raise RefusedError(Refusal.UNKNOWN, "Not Found")
            if matched.rule.target is Target.EVERYBODY:
                await self._forward(matcher, scope, receive, _announcing(send))
                return
            receive, granted = await self._judged(matched, matched.rule, scope, receive)
        except RefusedError as error:
            await _refuse(error, scope, receive, send)
        except BadTokenError as error:
            status = 401 if error.missing else 403
            await JSONResponse({"detail": str(error)}, status)(scope, receive, send)
        except UnknownVersionError:
            await _answer(400, "unknown_version", "Unknown version of the Execution API")(scope, receive, send)
        except rewriting.BadBodyError as error:
            await _answer(422, "unclear", str(error))(scope, receive, send)
        except TROUBLE as error:
            log.warning("The guard cannot reach the database, so it refuses: %s", type(error).__name__)
            message = "Whether this is allowed cannot be told now: the database does not answer"
            await _answer(503, "unavailable", message)(scope, receive, send)
        else:
            await self._forward(matcher, scope, receive, self._outgoing(matched, granted, send))

    async def _forward(self, _matcher: Matcher, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def _judged(self, matched: Matched, rule: Rule, scope: Scope, receive: Receive) -> tuple[Receive, Granted]:
        token = await self._tokens.read(scope["headers"])
        body = None
        if rule.emits:
            body = await rewriting.read_json(receive)
        question = Question(matched, rule, token, QueryParams(scope["query_string"]), body)
        granted = await self._judge.verdict(question)
        if rule.emits:
            receive = rewriting.replay_json(scope, body, receive)
        if granted.variable is not None:
            rewriting.rename_in_path(scope, matched.params["variable_key"], granted.variable)
        if granted.prefix is not None:
            rewriting.set_query(scope, "prefix", granted.prefix)
        return receive, granted

    def _outgoing(self, matched: Matched, granted: Granted, send: Send) -> Send:
        """Where the answer goes: through a filter where it may hold what is not the caller's."""
        team, prefix = granted.team, granted.prefix
        if team is None:
            return send
        if prefix is not None:

            async def short(answer: Any) -> Any:
                cut = len(team) + 1
                return {**answer, "keys": [key[cut:] for key in answer["keys"]]}

            return rewriting.Transformed(send, short)
        if matched.rule is not None and matched.rule.target in (Target.ALIAS, Target.ASSET_EVENTS):

            async def shown(answer: Any) -> Any:
                return await self._judge.visible(team, answer)

            return rewriting.Transformed(send, shown)
        return send


class DirectGuard(ExecutionGuard):
    """The same door, put up outside what Airflow wraps around its pages: what it lets in goes to the API by itself.

    Compression and the renewal of a browser's session are nothing to a supervisor, and cost it a tenth of each request.
    Whatever does not come in here meets the other guard further inside.
    """

    async def _forward(self, matcher: Matcher, scope: Scope, receive: Receive, send: Send) -> None:
        await matcher.forward(scope, receive, send)


def _announcing(send: Send) -> Send:
    """Say on the open routes that the guard is here: whoever hands tasks to this server asks for it first."""

    async def announce(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], _PRESENCE]}
        await send(message)

    return announce


async def _refuse(error: RefusedError, scope: Scope, receive: Receive, send: Send) -> None:
    status, reason = _STATUS[error.refusal]
    more = {"previous_state": error.state, "current_state": error.state} if error.state else {}
    log.info("Refused: %s %s: %s", scope["method"], scope["path"], error.refusal)
    await _answer(status, reason, error.message, **more)(scope, receive, send)


def _answer(status: int, reason: str, message: str, **more: str) -> JSONResponse:
    return JSONResponse({"detail": {"reason": reason, "message": message, **more}}, status)
