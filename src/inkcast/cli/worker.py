"""`inkcast worker`: draws what studios ask for."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def worker(
    once: Annotated[bool, typer.Option("--once", help="End when the queue is empty.")] = False,
) -> None:
    """Take jobs from the studio's queue and do them, one at a time, until Ctrl-C.

    Start it on as many machines as there are GPUs; the INKCAST_DATABASE_URL of all names the same PostgreSQL. The job
    at hand goes back to the queue when the worker is stopped.
    """
    from inkcast.app.worker import Worker
    from inkcast.config import settings

    chosen = settings()
    running = Worker(chosen.database_url, chosen.home, report=typer.echo, once=once)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: running.stop())
    typer.echo("Inkcast worker: waiting for jobs  (stop it with Ctrl-C)")
    running.run()
