"""The studio's server: the API at `/api/v1` and the web app at `/`, behind one door, on one port."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inkcast.app.accounts import Accounts
from inkcast.app.accounts_tables import AccountsDatabase
from inkcast.app.context import Studio
from inkcast.app.door import LOOPBACK, Door, Rules
from inkcast.app.limits import PerMinute
from inkcast.app.problems import PREFIX, declare
from inkcast.app.settings import listed, studio_settings
from inkcast.errors import StudioError, UsageError
from inkcast.files import shown

PATIENCE = 0.0005  # seconds that a request waits for the drawing thread to let go of Python; 10 times less than usual
LEFT = 86400  # seconds after which a file that was on its way is nobody's any more


@dataclass(frozen=True)
class Serving:
    """Where and how a studio is served. `insecure` lets another host than this machine's in without accounts."""

    host: str = "127.0.0.1"
    port: int = 7860
    insecure: bool = False
    web: bool = True
    worker: bool = True


def make_app(studio: Studio, serving: Serving) -> Any:
    """The ASGI application of a studio; on its shutdown the studio is closed.

    Raises:
        UsageError: others could come in without an account.
    """
    from fastapi import FastAPI

    from inkcast.app.api.app import api_app
    from inkcast.app.sign_in import sign_in_routes

    local = serving.host in LOOPBACK
    if not (local or studio.auth or serving.insecure):
        raise UsageError(
            f"--host {serving.host} lets others in, who would see and change everything: give --auth, or --insecure "
            "if all who reach it may"
        )
    chosen = studio_settings()
    accounts = Accounts(AccountsDatabase(studio.database_url, studio.home), session_days=chosen.session_days)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        try:
            with _drawing(studio) if serving.worker else nullcontext():
                yield
        finally:
            accounts.database.close()
            studio.close()

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=running)
    declare(app)
    if studio.auth:
        app.include_router(
            sign_in_routes(accounts, per_minute=chosen.sign_ins_per_minute, session_days=chosen.session_days)
        )
    app.mount(PREFIX, api_app(studio, accounts))
    if serving.web:
        _mount_web(app, studio, int(chosen.upload_megabytes * 10**6))
    hosts = listed(chosen.hosts) or (LOOPBACK if local and not studio.auth else ())
    rules = Rules(
        hosts,
        accounts if studio.auth else None,
        int(chosen.upload_megabytes * 10**6),
        PerMinute(chosen.requests_per_minute),
    )
    return Door(app, rules)


def _drawing(studio: Studio) -> AbstractContextManager[object]:
    from inkcast.app.worker import worker_thread

    return worker_thread(studio.database_url, studio.home)


def serve(studio: Studio, serving: Serving, announce: Callable[[str], None]) -> None:
    """Runs the studio until it is told to stop; `announce` hears its address once it answers.

    Raises:
        StudioError: the address or port cannot be had.
        UsageError: as `make_app`.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # Gradio would call its makers
    import uvicorn

    sys.setswitchinterval(PATIENCE)
    with listening(serving.host, serving.port) as listener:
        app = make_app(studio, serving)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,  # longer than clients keep idle connections, which else meet a closed one
            timeout_graceful_shutdown=5,
        )
        host = f"[{serving.host}]" if ":" in serving.host else serving.host
        announce(f"http://{host}:{listener.getsockname()[1]}/")
        uvicorn.Server(config).run(sockets=[listener])


def listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=256)
        # Connections inherit it. Without it each answer's last packet waits 40 ms for the client to acknowledge the one
        # before; asyncio sets it only on sockets that were made with TCP's number, which create_server leaves at 0.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StudioError(f"cannot listen at {host} port {port}: {reason}; choose another --port or --host") from error


def _uploads(home: Path) -> Path:
    """Where files on their way wait: Gradio's own choice is a folder of /tmp that everybody on the machine can read,
    and these are pictures of people. What a studio left there that was killed goes after a day.

    Raises:
        StudioError: the folder cannot be made.
    """
    folder = home / "uploads"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        for left in folder.iterdir():
            if left.stat().st_mtime < time.time() - LEFT:
                shutil.rmtree(left, ignore_errors=True)
    except OSError as error:
        raise StudioError(f"the folder {shown(folder)} for uploads cannot be made: {error.strerror}") from error
    return folder


def _mount_web(app: Any, studio: Studio, largest: int) -> None:
    os.environ["GRADIO_TEMP_DIR"] = str(_uploads(studio.home))
    import gradio

    from inkcast.app.web import WEB_LOOK, build_web

    gradio.mount_gradio_app(
        app,
        build_web(studio),
        path="/",
        auth_dependency=lambda request: studio.user(request).id,
        max_file_size=largest,
        allowed_paths=[],
        show_error=True,
        footer_links=[],
        run_history=False,
        **WEB_LOOK,
    )
