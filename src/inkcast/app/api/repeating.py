"""Idempotency keys: a POST sent twice with the same `Idempotency-Key` is done once and answered twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from sqlmodel import col, delete

from inkcast.app.accounts_tables import AccountsDatabase, AnswerRow
from inkcast.app.problems import problem

KEPT = 86400  # seconds
LOST = 900  # seconds after which an unanswered request counts as died
LONGEST_KEY = 255
Handler = Callable[[Request], Coroutine[Any, Any, Response]]

IdempotencyKey = Annotated[
    str | None,
    Header(
        max_length=LONGEST_KEY,
        description="Any text of your own. The same request with the same key is done once; later ones within a day "
        "are answered as the first was, with `Idempotency-Replayed: true`.",
    ),
]


class Repeatable(APIRoute):
    """A route whose POST keeps what it answered under the request's key."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def once(request: Request) -> Response:
            key = request.headers.get("idempotency-key", "")
            if request.method != "POST" or not 0 < len(key) <= LONGEST_KEY:
                return await handle(request)
            answers = Answers(request.app.state.accounts.database)
            owner = request.app.state.studio.user(request).id
            hashed = hashlib.sha256(key.encode("latin-1", "replace")).hexdigest()
            known = await run_in_threadpool(answers.begin, owner, hashed, await fingerprint(request))
            if known is not None:
                return known
            try:
                response = await handle(request)
            except Exception:
                await run_in_threadpool(answers.forget, owner, hashed)
                raise
            if response.status_code < 400:
                await run_in_threadpool(answers.keep, owner, hashed, response)
            else:
                await run_in_threadpool(answers.forget, owner, hashed)
            return response

        return once


class Answers:
    """What requests with keys were answered, by owner and key."""

    def __init__(self, database: AccountsDatabase) -> None:
        self._database = database

    def begin(self, owner: str, key: str, request: str) -> Response | None:
        """None where the request is new, and is now being worked on; else what to answer instead of working."""
        now = int(time.time())
        with self._database.writing() as session:
            session.exec(delete(AnswerRow).where(col(AnswerRow.created) < now - KEPT))
            known = session.get(AnswerRow, (owner, key))
            if known is not None and known.status == 0 and known.created < now - LOST:
                session.delete(known)
                session.flush()
                known = None
            if known is None:
                session.add(AnswerRow(owner=owner, key=key, request=request, created=now))
                return None
            if known.request != request:
                return problem("invalid", "this Idempotency-Key came with another request before: use a new key")
            if known.status == 0:
                detail = "the same request is being worked on: ask again in a moment"
                return problem("conflict", detail, headers={"Retry-After": "1"})
            headers = {**json.loads(known.headers), "Idempotency-Replayed": "true"}
            return Response(known.body, known.status, headers)

    def keep(self, owner: str, key: str, response: Response) -> None:
        kept = {name: response.headers[name] for name in ("content-type", "location") if name in response.headers}
        with self._database.writing() as session:
            row = session.get(AnswerRow, (owner, key))
            if row is not None:
                row.status, row.headers, row.body = response.status_code, json.dumps(kept), bytes(response.body)

    def forget(self, owner: str, key: str) -> None:
        with self._database.writing() as session:
            row = session.get(AnswerRow, (owner, key))
            if row is not None:
                session.delete(row)


async def fingerprint(request: Request) -> str:
    """Equal for the same request sent again; the boundary of a form, which programs choose anew, does not count."""
    body = await request.body()
    kind, _, rest = request.headers.get("content-type", "").partition("boundary=")
    if kind.startswith("multipart/") and rest:
        body = body.replace(rest.split(";")[0].strip().strip('"').encode("latin-1"), b"")
    whole = hashlib.sha256()
    for piece in (request.method.encode(), request.url.path.encode(), request.url.query.encode(), body):
        whole.update(len(piece).to_bytes(8, "big") + piece)
    return whole.hexdigest()
