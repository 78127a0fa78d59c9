"""Who calls the API, as its operations ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from inkcast.app.accounts import Accounts
from inkcast.app.context import Studio, User
from inkcast.cast.store import CastLibrary
from inkcast.errors import CastError, NotFoundError
from inkcast.files import shown

if TYPE_CHECKING:
    from inkcast.app.jobs import Jobs
    from inkcast.app.projects import Projects


@dataclass(frozen=True)
class Caller:
    """A signed-in user of a studio; all that operations read or change is theirs."""

    studio: Studio
    accounts: Accounts
    user: User

    @property
    def library(self) -> CastLibrary:
        return self.studio.library(self.user)

    @property
    def projects(self) -> Projects:
        return self.studio.projects(self.user)

    @property
    def jobs(self) -> Jobs:
        return self.studio.jobs(self.user)

    def character_name(self, character_id: str) -> str:
        """The name of the caller's character with that id; raises NotFoundError."""
        try:
            return self.library.name_of(character_id)
        except CastError as error:
            raise NotFoundError(f"there is no character {shown(character_id)}") from error


def caller(request: Request) -> Caller:
    state = request.app.state
    return Caller(state.studio, state.accounts, state.studio.user(request))


Signed = Annotated[Caller, Depends(caller)]
