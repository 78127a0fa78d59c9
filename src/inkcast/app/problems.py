"""Errors as RFC 9457 problem details: one JSON form for everything that goes wrong over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from inkcast.errors import (
    AccountError,
    CastError,
    ConflictError,
    DatabaseError,
    InkcastError,
    LimitError,
    MissingExtraError,
    NotFoundError,
    OutputError,
    PictureError,
    PolicyError,
)

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

PREFIX = "/api/v1"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its address below `/api/v1/problems/`, the usual status, and what to do about it."""

    name: str
    status: int
    title: str
    advice: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("bad-request", 400, "The request cannot be read", "Send the form that the OpenAPI document shows."),
        Kind("not-signed-in", 401, "Nobody is signed in", "Send a token: Authorization: Bearer ink_…"),
        Kind("forbidden", 403, "Not from there", "Call the studio by its own name and from its own pages."),
        Kind("not-found", 404, "Nothing is there", "Check the address; what belongs to others is not there either."),
        Kind("method-not-allowed", 405, "Not done that way", "Use a method that the OpenAPI document lists."),
        Kind("conflict", 409, "Not in this state", "Look at the present state, then decide."),
        Kind("too-large", 413, "Too large", "Send less at once; INKCAST_STUDIO_UPLOAD_MEGABYTES sets what is read."),
        Kind("unsupported", 415, "Not of a known kind", "Send the media type that the OpenAPI document names."),
        Kind("invalid", 422, "Something does not fit", "Correct what `errors` or `detail` name."),
        Kind("refused", 422, "Refused by this studio's policy", "Write it in another way, or use another picture."),
        Kind("too-many", 429, "Too much at once", "Wait as long as Retry-After says, or until other work is done."),
        Kind("internal", 500, "The studio failed", "Try again; the studio's log tells more."),
        Kind("unavailable", 503, "Not there now", "Do what `detail` says: install, configure, or try again later."),
        Kind("no-room", 507, "No room", "Make room on the studio's disk."),
    )
}
_BY_STATUS = {kind.status: kind for kind in reversed(KINDS.values())}


class FieldError(BaseModel):
    """What is wrong with one value; `pointer` is its JSON pointer in the body, or names a parameter."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": f"{PREFIX}/problems/not-found",
                    "title": "Nothing is there",
                    "status": 404,
                    "detail": "there is no character '5d41402abc4b2a76b9719d911017c592'",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default_factory=list)


def problem(
    name: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    status: int | None = None,
) -> Response:
    """The response that tells of a problem of the kind called `name`."""
    from fastapi import Response as Plain

    kind = KINDS[name]
    found = Problem(
        type=f"{PREFIX}/problems/{name}",
        title=kind.title,
        status=status or kind.status,
        detail=" ".join(detail.split()),
        errors=list(errors),
    )
    body = found.model_dump(exclude=set() if errors else {"errors"})
    return Plain(
        json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        found.status,
        {**(headers or {}), "Cache-Control": "no-store"},
        MEDIA_TYPE,
    )


def kind_of(error: InkcastError) -> str:
    """The kind of problem that an error of ours is."""
    for known, name in (
        (DatabaseError, "no-room" if any(sign in str(error) for sign in ("is full", "No space")) else "unavailable"),
        (NotFoundError, "not-found"),
        (ConflictError, "conflict"),
        (LimitError, "too-many"),
        (PolicyError, "refused"),
        (AccountError, "invalid"),
        (PictureError, "invalid"),
        (CastError, "invalid"),
        (MissingExtraError, "unavailable"),
        (OutputError, "no-room" if "disk is full" in str(error) else "invalid"),
    ):
        if isinstance(error, known):
            return name
    return "invalid"


def answer(error: InkcastError) -> Response:
    """An error of ours as its problem details."""
    name = kind_of(error)
    return problem(name, str(error), headers={"Retry-After": "60"} if name == "too-many" else None)


def declare(app: FastAPI) -> None:
    """Lets `app` answer every error with problem details."""
    import logging

    from fastapi.exceptions import RequestValidationError
    from fastapi.exceptions import StarletteHTTPException as HTTPException

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, InkcastError)
        return answer(error)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [FieldError(pointer=_pointer(found["loc"]), detail=_told(found)) for found in error.errors()]
        broken = any(found["type"] == "json_invalid" for found in error.errors())
        first = f"{errors[0].pointer}: {errors[0].detail}"
        return problem("bad-request" if broken else "invalid", first, errors=errors)

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = _BY_STATUS.get(error.status_code, KINDS["bad-request"])
        return problem(kind.name, error.detail, headers=error.headers, status=error.status_code)

    async def unexpected(request: Request, error: Exception) -> Response:
        logging.getLogger("inkcast.studio").error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem("internal", f"the studio failed at this ({type(error).__name__}); its log tells more")

    app.add_exception_handler(InkcastError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)


def responses(*names: str) -> dict[int | str, dict[str, Any]]:
    """The declaration of problems for an operation's `responses`."""
    grouped: dict[int | str, dict[str, Any]] = {}
    for name in names:
        kind = KINDS[name]
        entry = grouped.setdefault(
            kind.status,
            {
                "description": kind.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        example = {"type": f"{PREFIX}/problems/{name}", "title": kind.title, "status": kind.status, "detail": "…"}
        entry["content"][MEDIA_TYPE]["examples"][name] = {"value": example}
    return grouped


def _pointer(where: Sequence[Any]) -> str:
    place, *rest = [str(part) for part in where] or ["body"]
    if place == "body":
        return "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in rest)
    return f"{place}:{'.'.join(rest)}"


def _told(found: Mapping[str, Any]) -> str:
    """What pydantic says, in our words where it is an error of ours."""
    return str(found["msg"]).removeprefix("Value error, ")
