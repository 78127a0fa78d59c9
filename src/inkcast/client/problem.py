"""What a studio answers where something is wrong."""

from __future__ import annotations

from typing import Any

import httpx

from inkcast.errors import StudioError


class ProblemError(StudioError):
    """`status` is HTTP's (0: nothing answered); `kind` names the problem ("not-found"); `errors` tells wrong values."""

    def __init__(self, detail: str, status: int = 0, kind: str = "", errors: tuple[dict[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.errors = errors


def problem_of(response: httpx.Response) -> ProblemError:
    """The problem details of an answer that is an error, whatever form it has."""
    try:
        told: Any = response.json()
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    detail = str(told.get("detail") or f"the studio answered {response.status_code}")
    kind = str(told.get("type", "")).rpartition("/")[2]
    return ProblemError(detail, response.status_code, kind, tuple(told.get("errors") or ()))
