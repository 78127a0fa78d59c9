"""Pictures over HTTP: tagged, so that a browser that has one is not sent it again, and kept by that browser alone."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import Query, Request, Response
from PIL import Image

from inkcast.images import encode_png

PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}, "description": "The picture."},
    304: {"description": "The caller has it already."},
}
Side = Annotated[int | None, Query(ge=16, le=4096, description="Scaled down to this longer side, in px.")]
FOREVER = "private, max-age=31536000, immutable"
FRESH = "private, no-cache"


def tagged(request: Request, data: bytes, media_type: str, *, tag: str = "", keep: str = FRESH) -> Response:
    """`data`, or 304 where the request's If-None-Match has its tag (by default its SHA-256)."""
    etag = f'"{tag or hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": keep}
    if matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)


def matches(header: str, etag: str) -> bool:
    """Whether an If-None-Match header names the tag."""
    named = [part.strip().removeprefix("W/") for part in header.split(",")]
    return etag in named or named == ["*"]


def thumbnail(picture: Image.Image, side: int | None) -> bytes:
    """The picture as PNG, its longer side at most `side` pixels."""
    if side is not None and max(picture.size) > side:
        picture = picture.copy()
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return encode_png(picture)
