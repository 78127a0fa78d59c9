"""The studio itself: its health, engines, styles and layouts; the caller; what the problems mean."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from inkcast import __version__
from inkcast.app.api.caller import Signed
from inkcast.app.api.models import example
from inkcast.app.problems import KINDS, responses
from inkcast.app.settings import studio_settings
from inkcast.engines.survey import survey
from inkcast.errors import NotFoundError
from inkcast.page.export import FORMATS
from inkcast.page.options import SIZES
from inkcast.page.patterns import LAYOUTS
from inkcast.story.styles import Style, load_styles

router = APIRouter(tags=["studio"])


class Health(BaseModel):
    """Whether the studio answers; `classifier` says whether pictures are looked at."""

    model_config = example({"status": "ok", "version": "0.1.0", "classifier": False})

    status: Literal["ok"]
    version: str
    classifier: bool


class Me(BaseModel):
    """Who calls, and whether the studio has accounts."""

    model_config = example({"id": "local", "name": "local", "accounts": False})

    id: str
    name: str
    accounts: bool


class EngineModel(BaseModel):
    """A method that keeps characters consistent, what the toon base lacks for it, and the licences.

    `non_commercial` names weights that must not be used for money.
    """

    model_config = example(
        {
            "name": "any-story",
            "title": "AnyStory: subject tokens, ReferenceNet and an instance-aware router",
            "source": "arXiv 2501.09503",
            "families": ["sdxl"],
            "licence": "Apache-2.0",
            "weights": "trained by this project's recipes; no SDXL weights are published",
            "non_commercial": [],
            "missing": [],
            "ready": True,
        }
    )

    name: str
    title: str
    source: str
    families: list[str]
    licence: str
    weights: str
    non_commercial: list[str]
    missing: list[str]
    ready: bool


class Choices(BaseModel):
    """What exports and pages may be asked for."""

    model_config = example({"layouts": ["auto"], "page_sizes": ["comic", "a4"], "formats": ["pdf", "cbz"]})

    layouts: list[str]
    page_sizes: list[str]
    formats: list[str]


class ProblemKind(BaseModel):
    """What a problem's `type` means."""

    name: str
    status: int
    title: str
    advice: str


@router.get("/health", summary="Whether the studio answers")
def health() -> Health:
    """Open to all."""
    return Health(status="ok", version=__version__, classifier=bool(studio_settings().looks_with))


@router.get("/me", summary="Who I am")
def me(caller: Signed) -> Me:
    return Me(id=caller.user.id, name=caller.user.name, accounts=caller.studio.auth)


@router.get("/engines", summary="List engines")
def engines(caller: Signed) -> list[EngineModel]:
    """Every engine with its licences, and whether the toon base has its weights."""
    return [EngineModel.model_validate(engine, from_attributes=True) for engine in survey()]


@router.get("/styles", summary="List styles")
def styles(caller: Signed) -> list[Style]:
    """The drawing styles, group by group."""
    return list(load_styles().values())


@router.get("/choices", summary="Layouts, page sizes and formats")
def choices(caller: Signed) -> Choices:
    return Choices(layouts=list(LAYOUTS), page_sizes=list(SIZES), formats=[form.removeprefix(".") for form in FORMATS])


@router.get("/problems/{name}", summary="What a problem means", responses=responses("not-found"))
def problem_kind(caller: Signed, request: Request, name: Annotated[str, Path(max_length=40)]) -> ProblemKind:
    """Where a problem's `type` leads."""
    if name not in KINDS:
        raise NotFoundError("there is no such kind of problem")
    return ProblemKind(**vars(KINDS[name]))
