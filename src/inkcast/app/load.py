"""A studio under load: many clients that list, while one worker draws a queue of comics."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from PIL import Image

from inkcast.client import Job, ProblemError, Studio
from inkcast.errors import StudioError
from inkcast.images import save_png

LISTS = ("/characters", "/projects", "/jobs", "/engines")
PAUSE = 1.0  # seconds a client looks at a list, on the average


@dataclass(frozen=True)
class Load:
    """`clients` that list while `jobs` comics of two panels are drawn with the usual `steps`, for `seconds` at most."""

    clients: int = 50
    jobs: int = 8
    steps: int = 25
    seconds: float = 120.0
    characters: int = 20


@dataclass(frozen=True)
class Felt:
    """What the clients felt: milliseconds of list requests at the median, the 95th and 99th percentile.

    `errors` are the failed requests and jobs, each in a line.
    """

    requests: int
    errors: tuple[str, ...]
    p50: float
    p95: float
    p99: float
    jobs_done: int
    seconds: float


def measure_load(load: Load) -> Felt:
    """Runs a studio with one worker in a process and a folder of its own, and loads it.

    Raises:
        StudioError: it did not start.
    """
    with TemporaryDirectory(prefix="inkcast-load-") as folder, running_studio(Path(folder)) as address:
        with Studio(address) as studio:
            names = fill(studio, Path(folder), load.characters)
            jobs = [studio.draw(**comic(number, names, load.steps)) for number in range(load.jobs)]
        start = time.perf_counter()
        times, errors = asyncio.run(list_together(address, load, jobs))
        took = time.perf_counter() - start
        with Studio(address) as studio:
            ended = [studio.job(job.id) for job in jobs]
    errors += [f"job: {job.error}" for job in ended if job.state == "failed"]
    times.sort()
    p50, p95, p99 = (round(1000 * at(times, share), 1) for share in (0.5, 0.95, 0.99))
    done = sum(job.state == "done" for job in ended)
    return Felt(len(times), tuple(errors), p50, p95, p99, done, round(took, 1))


@contextmanager
def running_studio(home: Path) -> Iterator[str]:
    """The address of `inkcast studio` as a process of its own, stopped at the end of the block."""
    environment = {**os.environ, "INKCAST_HOME": str(home), "INKCAST_STUDIO_REQUESTS_PER_MINUTE": "1000000"}
    environment.pop("INKCAST_DATABASE_URL", None)
    command = [sys.executable, "-m", "inkcast", "studio", "--port", "0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        address = next((part for part in process.stdout.readline().split() if part.startswith("http")), "")
        if not address:
            raise StudioError("the studio did not start: see why with  inkcast studio")
        with Studio(address) as studio:
            await_answer(studio, process)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def await_answer(studio: Studio, process: subprocess.Popen[str]) -> None:
    """The port is open before the application is loaded: the first request waits for that."""
    while process.poll() is None:
        try:
            next(studio.characters(), None)
            return
        except ProblemError as error:
            if error.status:
                raise
    raise StudioError("the studio ended while it started: see why with  inkcast studio")


def fill(studio: Studio, folder: Path, count: int) -> list[str]:
    """Characters to list and draw; answers with their names."""
    names = []
    for number in range(count):
        picture = folder / f"{number}.png"
        save_png(Image.new("RGB", (128, 128), (number * 11 % 255, 90, 200)), picture)
        names.append(studio.add_character(f"Person {number + 1}", picture).name)
    return names


def comic(number: int, names: list[str], steps: int) -> dict[str, Any]:
    who = names[number % len(names)]
    drawing = {"steps": steps, "engine": "ip-adapter", "seed": number}
    return {"title": f"Comic {number + 1}", "story": f"{who} sits. {who} walks.", "cast": [who], "drawing": drawing}


async def list_together(address: str, load: Load, jobs: list[Job]) -> tuple[list[float], list[str]]:
    """Seconds of every list request, and what failed, until all jobs have ended or the time is up."""
    times: list[float] = []
    errors: list[str] = []
    done = asyncio.Event()

    async def client(number: int, http: httpx.AsyncClient) -> None:
        chance = random.Random(number)
        while not done.is_set():
            await asyncio.sleep(chance.uniform(0, 2 * PAUSE))
            start = time.perf_counter()
            try:
                answer = await http.get(f"/api/v1{chance.choice(LISTS)}")
                if answer.is_error:
                    errors.append(f"{answer.status_code} {answer.text[:200]}")
            except httpx.HTTPError as error:
                errors.append(f"{type(error).__name__} {error}")
            times.append(time.perf_counter() - start)

    async def watch(http: httpx.AsyncClient) -> None:
        deadline = time.perf_counter() + load.seconds
        while time.perf_counter() < deadline:
            states = [(await http.get(f"/api/v1/jobs/{job.id}")).json()["state"] for job in jobs]
            if all(state in ("done", "failed", "cancelled") for state in states):
                break
            await asyncio.sleep(PAUSE)
        done.set()

    limits = httpx.Limits(max_connections=load.clients + 1)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits, trust_env=False) as http:
        await asyncio.gather(watch(http), *(client(number, http) for number in range(load.clients)))
    return times, errors


def at(ordered: list[float], share: float) -> float:
    """The value below which `share` of ascending values lie; 0 of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
