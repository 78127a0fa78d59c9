"""A studio served on a free port, and a browser to use it with."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def serving(home: Path, *, auth: bool = False, worker: bool = True) -> Iterator[str]:
    """The address of a studio in `home` while the block runs."""
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("gradio")
    from inkcast.app.context import Studio
    from inkcast.app.server import Serving, make_app

    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = make_app(Studio(home, "", auth), Serving(worker=worker))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the studio did not start"
            thread.join(0.05)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(20)


@contextmanager
def browsing() -> Iterator[Any]:
    """Headless Chromium; skips, saying why, where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium on this machine: install Debian's package 'chromium' to run the browser tests")
    api = pytest.importorskip("playwright.sync_api", reason="the browser tests need the package 'playwright'")
    api.expect.set_options(timeout=30_000)  # as long as clicks wait: a busy machine answers late
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(ARGUMENTS))
        yield browser
        browser.close()
