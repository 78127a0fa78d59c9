"""The API as one application, mounted at `/api/v1`, and its OpenAPI document."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from inkcast import __version__
from inkcast.app.accounts import Accounts
from inkcast.app.api import about, characters, jobs, panels, projects, references, scripts, tokens
from inkcast.app.context import Studio
from inkcast.app.limits import AtOnce
from inkcast.app.problems import Problem, declare, responses
from inkcast.app.settings import studio_settings

TAGS = [
    {"name": "characters", "description": "The caller's cast library: characters, their pictures and words."},
    {"name": "scripts", "description": "Stories become scripts: what each panel shows and who says what."},
    {"name": "projects", "description": "What an author works on; every edit is saved at once and can be undone."},
    {"name": "panels", "description": "A project's panels: words, pictures, locks, poses, who stands where."},
    {"name": "comics", "description": "Comics being drawn, and all other long work: jobs, with their progress."},
    {"name": "exports", "description": "Finished comics as files."},
    {"name": "studio", "description": "The studio itself."},
    {"name": "tokens", "description": "Keys for programs, where the studio has accounts."},
]
ROUTERS = (
    characters.router,
    references.router,
    scripts.router,
    projects.router,
    panels.router,
    jobs.router,
    about.router,
    tokens.router,
)
ALWAYS = ("bad-request", "not-signed-in", "forbidden", "too-large", "invalid", "refused", "too-many", "unavailable")


def api_app(studio: Studio, accounts: Accounts) -> FastAPI:
    """The application behind the door."""
    app = FastAPI(
        title="Inkcast studio",
        version=__version__,
        summary="Comics whose characters stay themselves.",
        description="Errors are problem details (RFC 9457). Lists come in parts: `next` is the `cursor` of the next.",
        openapi_tags=TAGS,
        docs_url=None,  # their pages load scripts from other hosts
        redoc_url=None,
        responses=responses(*ALWAYS),
        generate_unique_id_function=_operation_id,
    )
    app.state.studio, app.state.accounts = studio, accounts
    app.state.streams = AtOnce(studio_settings().streams_per_user, "streams of events")
    declare(app)
    for router in ROUTERS:
        app.include_router(router)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: problem details as the one form of errors, and how a caller signs in."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
            servers=[{"url": "/api/v1"}],
        )
        parts = made["components"]
        parts["schemas"]["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        parts["schemas"]["FieldError"] = parts["schemas"]["Problem"].pop("$defs")["FieldError"]
        for unused in ("HTTPValidationError", "ValidationError"):
            parts["schemas"].pop(unused, None)
        parts["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "A token of `POST /tokens`."},
            "session": {"type": "apiKey", "in": "cookie", "name": "inkcast_session", "description": "Signed in."},
        }
        made["security"] = [{"token": []}, {"session": []}, {}]
        made["paths"]["/health"]["get"]["security"] = []
        app.openapi_schema = made
    return app.openapi_schema
