"""The caller's tokens: keys for programs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from inkcast.app.accounts import LONGEST_NAME, Token
from inkcast.app.api.caller import Caller, Signed
from inkcast.app.api.models import example
from inkcast.app.api.paging import Cursor, Limit, Page, part
from inkcast.app.problems import responses
from inkcast.errors import ConflictError

router = APIRouter(prefix="/tokens", tags=["tokens"])
TOKEN = {
    "id": "7c9e6679742540de944be07fc1f90ae7",
    "name": "script on my laptop",
    "created": 1767225600,
    "expires": None,
}


class TokenModel(BaseModel):
    """A token as it is listed; times are seconds since 1970, `expires` null for never."""

    model_config = example(TOKEN)

    id: str
    name: str
    created: int
    expires: int | None

    @classmethod
    def of(cls, token: Token) -> TokenModel:
        return cls(**vars(token))


class NewToken(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "my laptop", "days": 90}]})

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    days: float | None = Field(default=None, gt=0, le=3650, description="How long it is valid; null for ever.")


class ToldToken(TokenModel):
    """A new token; `secret` is told this once."""

    model_config = example({**TOKEN, "secret": "ink_…"})

    secret: str


@router.get("", summary="List tokens", responses=responses("conflict"))
def list_tokens(caller: Signed, limit: Limit = 50, cursor: Cursor = "") -> Page[TokenModel]:
    """Without their secrets."""
    _with_accounts(caller)
    page = part(caller.accounts.tokens(caller.user), lambda token: (token.created, token.id), limit, cursor)
    return Page(items=[TokenModel.of(token) for token in page.items], next=page.next)


@router.post("", status_code=201, summary="Make a token", responses=responses("conflict"))
def make_token(caller: Signed, new: NewToken, response: Response) -> ToldToken:
    """No idempotency key here: the studio does not keep the secret, so it could not tell it again."""
    _with_accounts(caller)
    token, secret = caller.accounts.add_token(caller.user, new.name, new.days)
    response.headers["Location"] = f"/api/v1/tokens/{token.id}"
    response.headers["Cache-Control"] = "no-store"
    return ToldToken(**vars(token), secret=secret)


@router.delete("/{token_id}", status_code=204, summary="Revoke a token", responses=responses("not-found", "conflict"))
def revoke(caller: Signed, token_id: Annotated[str, Path(max_length=64)]) -> None:
    """It ends at once."""
    _with_accounts(caller)
    caller.accounts.remove_token(caller.user, token_id)


def _with_accounts(caller: Caller) -> None:
    if not caller.studio.auth:
        raise ConflictError("this studio has one local user and needs no tokens: start it with --auth for accounts")
