"""The client against a studio that is played: networks that fail, streams that break, answers that surprise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import inkcast.client
from inkcast.client import ProblemError, Studio
from inkcast.client.streams import Event, read_events

ADDRESS = "http://127.0.0.1:7860/"
JOB = {
    "id": "j1",
    "project": "p1",
    "kind": "draw",
    "state": "running",
    "position": None,
    "stage": "panels",
    "panel": 1,
    "panels_done": 0,
    "panels": 2,
    "fraction": 0.1,
    "eta": 3.0,
    "error": "",
    "notes": ["a note"],
    "version": 1,
    "from a newer studio": {},
}

Handler = Callable[[httpx.Request], httpx.Response]


def played(handler: Handler, token: str = "") -> Studio:
    return Studio(ADDRESS, token, http=httpx.Client(transport=httpx.MockTransport(handler)))


def stream(*jobs: dict[str, Any]) -> httpx.Response:
    lines = [f"event: {job['state']}\nid: {job['version']}\ndata: {json.dumps(job)}\n\n" for job in jobs]
    return httpx.Response(200, text=": ping\n\n" + "".join(lines), headers={"Content-Type": "text/event-stream"})


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_the_public_names_are_sorted_and_there() -> None:
    assert sorted(inkcast.client.__all__) == inkcast.client.__all__
    assert all(hasattr(inkcast.client, name) for name in inkcast.client.__all__)


def test_a_token_goes_with_every_request() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer ink_x"
        assert str(request.url) == "http://127.0.0.1:7860/api/v1/jobs/j1"
        return httpx.Response(200, json=JOB)

    with played(handler, "ink_x") as studio:
        assert studio.job("j1").notes == ("a note",)


def test_what_makes_something_is_tried_again_under_the_same_key() -> None:
    keys = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) < 3:
            raise httpx.ReadError("cut off")
        return httpx.Response(202, json=JOB)

    with played(handler) as studio:
        assert studio.draw("p1").id == "j1"
        first = set(keys)
        studio.draw("p1")
    assert (len(keys), len(first), len(set(keys))) == (4, 1, 2)


def test_a_refusal_is_told_with_all_that_is_wrong() -> None:
    told = {
        "type": "/api/v1/problems/invalid",
        "title": "Something does not fit",
        "status": 422,
        "detail": "#/story: too long",
        "errors": [{"pointer": "#/story", "detail": "too long"}],
    }
    with played(lambda _: httpx.Response(422, json=told)) as studio, pytest.raises(ProblemError) as caught:
        studio.parse("x")
    assert str(caught.value) == "#/story: too long"
    assert (caught.value.status, caught.value.kind, caught.value.errors[0]["pointer"]) == (422, "invalid", "#/story")
    with played(lambda _: httpx.Response(502, text="<html>")) as studio, pytest.raises(ProblemError, match="502"):
        studio.parse("x")


@pytest.mark.usefixtures("_no_pauses")
def test_a_stream_that_breaks_goes_on_behind_the_last_event() -> None:
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/events"):
            return httpx.Response(200, json=JOB)
        asked.append(request.headers["last-event-id"])
        if len(asked) == 2:
            raise httpx.ConnectError("refused")
        if len(asked) == 1:
            return stream(JOB | {"version": 2}, JOB | {"version": 3})
        return stream(JOB | {"version": 4, "state": "done", "fraction": 1.0})

    with played(handler) as studio:
        assert [job.version for job in studio.events("j1")] == [1, 2, 3, 4]
    assert asked == ["1", "3", "3"]


@pytest.mark.usefixtures("_no_pauses")
def test_a_studio_that_does_not_come_back_is_given_up() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return stream() if request.url.path.endswith("/events") else httpx.Response(200, json=JOB)

    with played(handler) as studio, pytest.raises(ProblemError, match="no studio answers there"):
        list(studio.events("j1"))


@pytest.mark.parametrize("state", ["failed", "cancelled", "paused"])
def test_waiting_for_what_does_not_get_done_is_an_error(state: str) -> None:
    ended = JOB | {"state": state, "error": "the disk is full" if state == "failed" else ""}
    with played(lambda _: httpx.Response(200, json=ended)) as studio, pytest.raises(ProblemError) as caught:
        studio.wait(studio.job("j1"))
    assert caught.value.kind == state
    assert ("the disk is full" in str(caught.value)) == (state == "failed")


def test_lists_are_read_to_their_end() -> None:
    pages = {"": ([1, 2], "a"), "a": ([3], "b"), "b": ([], None)}

    def handler(request: httpx.Request) -> httpx.Response:
        items, following = pages[request.url.params["cursor"]]
        found = [{"id": str(one), "title": "", "panels": one, "drawn": 0} for one in items]
        return httpx.Response(200, json={"items": found, "next": following})

    with played(handler) as studio:
        assert [entry.panels for entry in studio.projects()] == [1, 2, 3]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil"])
def test_no_export_is_written_outside_its_folder(tmp_path: Path, name: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/files"):
            return httpx.Response(200, json=[{"name": name, "size": 1, "media_type": "text/plain"}])
        return httpx.Response(200, json=JOB | {"state": "done"})

    with played(handler) as studio, pytest.raises(ProblemError, match="leads out of the folder"):
        studio.export("p1", "pdf", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_events_are_read_as_the_standard_says() -> None:
    text = ": hello\nevent: running\nid: 7\ndata: one\ndata:two\n\n\ndata\n\nid: 8\n\nevent: done\ndata: cut"
    assert list(read_events(text.split("\n"))) == [Event("running", "one\ntwo", "7"), Event("message", "", "7")]
