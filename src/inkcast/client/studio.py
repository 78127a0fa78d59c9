"""The studio as Python sees it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import httpx

from inkcast.client.problem import ProblemError, problem_of
from inkcast.client.results import (
    Character,
    File,
    Job,
    Panel,
    Parsed,
    Project,
    ProjectEntry,
    character_of,
    made,
    panel_of,
    project_of,
)
from inkcast.client.streams import read_events
from inkcast.files import write_bytes

Box = tuple[float, float, float, float]
LONG = 90.0  # seconds without a word after which a stream counts as broken; the studio sends a comment every 15


class Studio:
    """A studio at an address such as http://127.0.0.1:7860; `token` where it has accounts.

    Every method raises ProblemError where the studio refuses or does not answer. What makes something is sent with
    an idempotency key, so that it is done once even where the network fails and it is tried again.
    """

    def __init__(
        self, address: str, token: str = "", *, timeout: float = 60.0, http: httpx.Client | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = http or httpx.Client(timeout=timeout, trust_env=False)
        self._http.base_url = httpx.URL(f"{address.rstrip('/')}/api/v1")
        self._http.headers.update(headers)

    def __enter__(self) -> Studio:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def characters(self, containing: str = "") -> Iterator[Character]:
        """The caller's cast, by name."""
        return (character_of(one) for one in self._listed("/characters", q=containing))

    def character(self, character_id: str) -> Character:
        return character_of(self._ask("GET", f"/characters/{character_id}").json())

    def add_character(
        self,
        name: str,
        *pictures: str | Path,
        pronouns: str = "",
        aliases: Sequence[str] = (),
        description: str = "",
        consent: str = "",
        real_person: bool = False,
    ) -> Character:
        """A new character from pictures of it; `consent` says why they may be used."""
        form = {
            "name": name,
            "alias": list(aliases),
            "description": description,
            "consent": consent,
            "real_person": str(real_person).lower(),
            **({"pronouns": pronouns} if pronouns else {}),
        }
        files = [("picture", (Path(path).name, Path(path).read_bytes())) for path in pictures]
        return character_of(self._make("/characters", data=form, files=files).json())

    def add_reference(self, character_id: str, picture: str | Path, **form: str) -> Character:
        """Another picture; `form` may hold view, state, source, consent and real_person."""
        files = [("picture", (Path(picture).name, Path(picture).read_bytes()))]
        return character_of(self._make(f"/characters/{character_id}/references", data=form, files=files).json())

    def remove_character(self, character_id: str) -> None:
        self._ask("DELETE", f"/characters/{character_id}")

    def parse(self, story: str, **choices: Any) -> Parsed:
        """A story as a script, without storing it; `choices` as `POST /scripts/parse` takes them."""
        told = self._ask("POST", "/scripts/parse", json={"story": story, **choices}).json()
        return Parsed(told["script"], tuple(f"{one['message']}: {one['sentence']}" for one in told["notes"]))

    def projects(self) -> Iterator[ProjectEntry]:
        """The caller's projects, the newest change first."""
        return (made(ProjectEntry, one) for one in self._listed("/projects"))

    def project(self, project_id: str) -> Project:
        return project_of(self._ask("GET", f"/projects/{project_id}").json())

    def make_project(self, **fields: Any) -> Project:
        """`fields`: title, story or script, cast (names), drawing, page."""
        return project_of(self._make("/projects", json=fields).json())

    def change_project(self, project_id: str, **fields: Any) -> Project:
        return project_of(self._ask("PATCH", f"/projects/{project_id}", json=fields).json())

    def remove_project(self, project_id: str) -> None:
        self._ask("DELETE", f"/projects/{project_id}")

    def draw(self, project_id: str | None = None, *, missing_only: bool = False, **fields: Any) -> Job:
        """Begins to draw a project, or a new one of these fields."""
        order: dict[str, Any] = {"missing_only": missing_only}
        order |= {"project": project_id} if project_id else {"new": fields}
        return made(Job, self._make("/comics", json=order).json())

    def redraw(self, project_id: str, panel_id: str, *, candidates: int = 1, seed: int | None = None) -> Job:
        """Begins to draw one panel again; of several candidates, `choose` says which is shown."""
        order = {"candidates": candidates, "seed": seed}
        return made(Job, self._make(f"/projects/{project_id}/panels/{panel_id}/redraw", json=order).json())

    def choose(self, project_id: str, panel_id: str, candidate_id: str) -> Panel:
        address = f"/projects/{project_id}/panels/{panel_id}/chosen"
        return panel_of(self._ask("PUT", address, json={"candidate": candidate_id}).json())

    def lock(self, project_id: str, panel_id: str, locked: bool = True) -> Panel:
        address = f"/projects/{project_id}/panels/{panel_id}/lock"
        return panel_of(self._ask("PUT", address, json={"locked": locked}).json())

    def set_regions(self, project_id: str, panel_id: str, boxes: Mapping[str, Box | None]) -> Panel:
        """Who shall stand where, as fractions of the panel: x0, y0, x1, y1."""
        address = f"/projects/{project_id}/panels/{panel_id}/regions"
        return panel_of(self._ask("PUT", address, json={"boxes": dict(boxes)}).json())

    def panel_picture(self, project_id: str, panel_id: str) -> bytes:
        """The chosen picture, a PNG file."""
        return self._ask("GET", f"/projects/{project_id}/panels/{panel_id}/picture").content

    def picture(self, project_id: str, name: str) -> bytes:
        """A picture of the project by its name: a candidate's, its routes, a panel's pose; a PNG file."""
        return self._ask("GET", f"/projects/{project_id}/pictures/{name}").content

    def learn(self, character_id: str, *, base: str = "toon", steps: int = 500) -> Job:
        """Begins to learn a face for the engine stable-identity."""
        return made(Job, self._make(f"/characters/{character_id}/learn", json={"base": base, "steps": steps}).json())

    def job(self, job_id: str) -> Job:
        return made(Job, self._ask("GET", f"/jobs/{job_id}").json())

    def jobs(self, project_id: str | None = None) -> Iterator[Job]:
        """The caller's jobs, newest first."""
        chosen = {"project": project_id} if project_id else {}
        return (made(Job, one) for one in self._listed("/jobs", **chosen))

    def cancel(self, job_id: str) -> Job:
        return self._steer(job_id, "cancel")

    def pause(self, job_id: str) -> Job:
        return self._steer(job_id, "pause")

    def resume(self, job_id: str) -> Job:
        return self._steer(job_id, "resume")

    def retry(self, job_id: str) -> Job:
        return self._steer(job_id, "retry")

    def events(self, job_id: str) -> Iterator[Job]:
        """The job as it is, then whenever it changes, until it ends or pauses; goes on where a connection broke."""
        job = self.job(job_id)
        yield job
        idle = 0
        while not (job.final or job.state == "paused"):
            seen, reason = job.version, "it went silent"
            try:
                for changed in self._stream(job):
                    job = changed
                    yield job
            except httpx.TransportError as error:
                reason = str(error)
            idle = 0 if job.version > seen else idle + 1
            if idle > 5:
                raise _unreachable(reason)
            time.sleep(min(idle, 5))

    def wait(self, job: Job, told: Callable[[Job], None] = lambda job: None) -> Job:
        """Waits until the job is done; `told` hears of every change.

        Raises:
            ProblemError: it failed, was cancelled or paused; `kind` is that state.
        """
        last = job
        for last in self.events(job.id):
            told(last)
        if last.state != "done":
            raise ProblemError(last.error or f"the job was {last.state}", kind=last.state)
        return last

    def files(self, job_id: str) -> tuple[File, ...]:
        return tuple(made(File, one) for one in self._ask("GET", f"/jobs/{job_id}/files").json())

    def file(self, job_id: str, name: str) -> bytes:
        return self._ask("GET", f"/jobs/{job_id}/files/{name}").content

    def export(self, project_id: str, form: str, folder: str | Path) -> tuple[Path, ...]:
        """Waits for the comic's files in a format and writes them below `folder`; answers with their paths."""
        job = self.wait(made(Job, self._make(f"/projects/{project_id}/exports", json={"format": form}).json()))
        written = []
        for file in self.files(job.id):
            parts = PurePosixPath(file.name).parts
            if any(part in ("/", "..") or "\\" in part for part in parts):
                raise ProblemError(f"the studio names a file {file.name!r}, which leads out of the folder")
            path = Path(folder, *parts)
            write_bytes(path, self.file(job.id, file.name))
            written.append(path)
        return tuple(written)

    def _stream(self, job: Job) -> Iterator[Job]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(job.version)}
        with self._http.stream("GET", f"/jobs/{job.id}/events", headers=headers, timeout=LONG) as response:
            if response.is_error:
                response.read()
                raise problem_of(response)
            for event in read_events(response.iter_lines()):
                yield made(Job, json.loads(event.data))

    def _steer(self, job_id: str, verb: str) -> Job:
        return made(Job, self._ask("POST", f"/jobs/{job_id}/{verb}").json())

    def _listed(self, path: str, **chosen: str) -> Iterator[dict[str, Any]]:
        cursor: str | None = ""
        while cursor is not None:
            page = self._ask("GET", path, params={**chosen, "cursor": cursor, "limit": 200}).json()
            yield from page["items"]
            cursor = page["next"]

    def _make(self, path: str, **content: Any) -> httpx.Response:
        """A POST that may safely be tried again."""
        return self._ask("POST", path, tries=3, headers={"Idempotency-Key": uuid.uuid4().hex}, **content)

    def _ask(self, method: str, path: str, *, tries: int = 1, **content: Any) -> httpx.Response:
        tries = 3 if method == "GET" else tries
        for attempt in range(tries):
            try:
                response = self._http.request(method, path, **content)
            except httpx.TransportError as error:
                if attempt == tries - 1:
                    raise _unreachable(str(error)) from error
                continue
            if response.is_error:
                raise problem_of(response)
            return response
        raise AssertionError("unreachable")


def _unreachable(reason: str) -> ProblemError:
    return ProblemError(f"no studio answers there ({reason}): start one with  inkcast studio, or check the address")
