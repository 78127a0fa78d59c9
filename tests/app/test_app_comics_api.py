"""The API's projects, panels, jobs and exports, drawn by a worker whose easel is a fake."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.app.jobs_kit import JournalEasels
from tests.app.studio_kit import add_character, add_user, bearer, portrait, studio_client

from inkcast.app.limits import AtOnce
from inkcast.app.worker import Worker
from inkcast.errors import LimitError

API = "/api/v1"
ORDER = {"new": {"title": "A walk", "story": "Ann walks. Ann waves at Bo.", "cast": ["Ann", "Bo"], "page": {"dpi": 40}}}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with studio_client(tmp_path) as found:
        add_character(found, "Ann", pronouns="she")
        add_character(found, "Bo", "blue")
        yield found


def work(home: Path) -> None:
    """A worker until the queue is empty."""
    Worker("", home, easels=JournalEasels(home / "journal"), once=True, report=lambda line: None).run()


def ask(client: TestClient, method: str, path: str, status: int = 200, **content: Any) -> Any:
    answer = client.request(method, f"{API}{path}", **content)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def test_a_comic_from_story_to_pdf(client: TestClient, tmp_path: Path) -> None:
    key = {"Idempotency-Key": "walk"}
    job = ask(client, "POST", "/comics", 202, json=ORDER, headers=key)
    assert (job["kind"], job["state"], job["position"], job["panels"]) == ("draw", "queued", 0, 2)
    assert ask(client, "POST", "/comics", 202, json=ORDER, headers=key) == job
    assert [entry["id"] for entry in ask(client, "GET", "/projects")["items"]] == [job["project"]]
    below = f"/projects/{job['project']}"
    first, second = ask(client, "GET", f"{below}/panels")
    assert [who["name"] for who in second["script"]["characters"]] == ["Ann", "Bo"]
    ask(client, "GET", f"{below}/panels/{first['id']}/picture", 404)
    ask(client, "DELETE", below, 409)  # while its job waits
    work(tmp_path)
    assert ask(client, "GET", f"/jobs/{job['id']}")["state"] == "done"
    picture = client.get(f"{API}{below}/panels/{first['id']}/picture")
    tag = {"If-None-Match": picture.headers["etag"]}
    assert client.get(f"{API}{below}/panels/{first['id']}/picture", headers=tag).status_code == 304
    drawn = ask(client, "GET", below)
    chosen = drawn["panels"][0]["candidates"][0]
    assert chosen["id"] == drawn["panels"][0]["chosen"]
    same = client.get(f"{API}{below}/pictures/{chosen['picture']}")
    assert same.content == picture.content
    assert Image.open(io.BytesIO(same.content)).size == tuple(chosen["size"])
    small = Image.open(io.BytesIO(client.get(f"{API}{below}/pictures/{chosen['picture']}?side=32").content))
    assert max(small.size) == 32
    export = client.post(f"{API}{below}/exports", json={"format": "pdf"})
    assert export.status_code == 202
    work(tmp_path)
    (file,) = ask(client, "GET", f"{export.headers['location'].removeprefix(API)}/files")
    book = client.get(f"{export.headers['location']}/files/{file['name']}")
    assert (book.content[:5], len(book.content), book.headers["content-type"]) == (
        b"%PDF-",
        file["size"],
        "application/pdf",
    )
    assert book.headers["content-disposition"].startswith("attachment")
    assert ask(client, "GET", f"/jobs?project={job['project']}")["items"][0]["kind"] == "export"


def test_a_panel_is_steered_drawn_again_chosen_and_locked(client: TestClient, tmp_path: Path) -> None:
    job = ask(client, "POST", "/comics", 202, json=ORDER)
    work(tmp_path)
    below = f"/projects/{job['project']}/panels"
    first, second = ask(client, "GET", below)
    here = f"{below}/{second['id']}"
    boxes = {"Ann": [0.0, 0.1, 0.4, 1.0], "Bo": [0.6, 0.1, 1.0, 1.0]}
    steered = ask(client, "PUT", f"{here}/regions", json={"boxes": boxes})
    assert {who["name"]: who["box"] for who in steered["script"]["characters"]} == boxes
    assert "Cy" in ask(client, "PUT", f"{here}/regions", 404, json={"boxes": {"Cy": None}})["detail"]
    ask(client, "PUT", f"{here}/regions", 422, json={"boxes": {"Ann": [0.5, 0, 0.4, 1]}})
    posed = client.put(f"{API}{here}/pose", files={"picture": ("pose.png", portrait())}).json()
    assert client.get(f"{API}/projects/{job['project']}/pictures/{posed['pose']}").status_code == 200
    assert ask(client, "DELETE", f"{here}/pose")["pose"] is None
    words = {"description": "Ann and Bo dance", "characters": ["Ann", "Bo"], "caption": "At last."}
    assert ask(client, "PUT", here, json=words)["script"]["caption"] == "At last."
    ask(client, "PUT", here, 422, json={**words, "caption": "porn"})
    ask(client, "PUT", here, json={**words, "engine": {"clothes.Ann": "Cy"}})
    refused = ask(client, "POST", f"{here}/redraw", 422, json={})
    assert refused["detail"].startswith(
        "panel 2 sets 'clothes.Ann' to 'Cy', which is nobody of the cast and no outfit of Ann"
    )
    ask(client, "PUT", here, json=words)
    ask(client, "POST", f"{here}/redraw", 202, json={"candidates": 2, "seed": 7})
    work(tmp_path)
    panel = ask(client, "GET", here)
    assert len(panel["candidates"]) == 3
    assert panel["chosen"] == second["chosen"]
    last = panel["candidates"][-1]["id"]
    assert ask(client, "PUT", f"{here}/chosen", json={"candidate": last})["chosen"] == last
    fewer = ask(client, "DELETE", f"{here}/candidates/{second['chosen']}")
    assert len(fewer["candidates"]) == 2
    ask(client, "PUT", f"{here}/chosen", 404, json={"candidate": second["chosen"]})
    assert ask(client, "PUT", f"{here}/lock", json={"locked": True})["locked"] is True
    again = ask(client, "POST", "/comics", 202, json={"project": job["project"]})
    assert again["panels"] == 1
    work(tmp_path)
    assert ask(client, "GET", here)["candidates"] == fewer["candidates"]
    assert len(ask(client, "GET", f"{below}/{first['id']}")["candidates"]) == 2


def test_a_project_s_edits_are_saved_undone_and_told(client: TestClient) -> None:
    fields = {"title": "One", "story": "Ann walks.", "cast": ["Ann"], "drawing": {"seed": 3}}
    made = ask(client, "POST", "/projects", 201, json=fields)
    here = f"/projects/{made['id']}"
    changed = ask(client, "PATCH", here, json={"title": "Two", "page": {"layout": "hero"}, "drawing": {"steps": 9}})
    assert (changed["title"], changed["page"]["layout"], changed["drawing"]) == ("Two", "hero", {"seed": 3, "steps": 9})
    assert changed["revision"] == made["revision"] + 3
    ask(client, "PATCH", here, 422, json={"page": {"layout": "nonsense"}})
    ask(client, "PATCH", here, 422, json={"drawing": {"style": "nonsense"}})
    ask(client, "PATCH", here, 422, json={"drawing": {"device": "cuda"}})
    undone = ask(client, "POST", f"{here}/undo")
    assert undone["page"] != changed["page"]
    assert ask(client, "POST", f"{here}/redo")["page"] == changed["page"]
    ask(client, "POST", f"{here}/redo", 409)
    history = ask(client, "GET", f"{here}/history")["items"]
    assert [revision["number"] for revision in history] == sorted((one["number"] for one in history), reverse=True)
    copy = ask(client, "POST", f"{here}/duplicate", 201)
    assert copy["id"] != made["id"]
    assert copy["script"]["panels"] == made["script"]["panels"]
    ask(client, "DELETE", here, 204)
    ask(client, "GET", here, 404)
    assert [entry["id"] for entry in ask(client, "GET", "/projects")["items"]] == [copy["id"]]


def test_what_cannot_be_drawn_is_refused_at_once(client: TestClient) -> None:
    for new, detail in (
        ({"story": "Ann walks.", "cast": ["Nobody"]}, "nobody in the cast library is called 'Nobody'"),
        ({"story": "The end.", "cast": ["Ann"]}, "names nobody of the cast"),
        ({"story": "Ann makes porn.", "cast": ["Ann"]}, "policy"),
        ({"story": "Ann walks.", "cast": ["Ann"], "drawing": {"steps": 0}}, "greater than or equal to 1"),
    ):
        assert detail in ask(client, "POST", "/comics", 422, json={"new": new})["detail"]
    ask(client, "POST", "/comics", 422, json={})
    ask(client, "POST", "/comics", 404, json={"project": "nothing"})
    assert ask(client, "GET", "/jobs")["items"] == []
    assert ask(client, "GET", "/projects")["items"] == []


def test_a_job_is_paused_resumed_cancelled_and_retried(client: TestClient, tmp_path: Path) -> None:
    job = f"/jobs/{ask(client, 'POST', '/comics', 202, json=ORDER)['id']}"
    ask(client, "POST", f"{job}/resume", 409)
    assert ask(client, "POST", f"{job}/pause")["state"] == "paused"
    assert ask(client, "POST", f"{job}/resume")["state"] == "queued"
    assert ask(client, "POST", f"{job}/cancel")["state"] == "cancelled"
    ask(client, "POST", f"{job}/pause", 409)
    assert ask(client, "POST", f"{job}/retry")["state"] == "queued"
    work(tmp_path)
    assert ask(client, "GET", job)["state"] == "done"
    ask(client, "POST", f"{job}/cancel", 409)
    ask(client, "GET", f"{job}/preview", 404)
    ask(client, "GET", f"{job}/files/../../secret", 404)


def test_events_follow_a_job_to_its_end(client: TestClient, tmp_path: Path) -> None:
    job = ask(client, "POST", "/comics", 202, json=ORDER)
    work(tmp_path)
    address = f"{API}/jobs/{job['id']}/events"
    told = client.get(address)
    assert told.headers["content-type"].startswith("text/event-stream")
    fields = dict(line.split(": ", 1) for line in told.text.splitlines() if line and not line.startswith(":"))
    assert fields["event"] == "done"
    assert json.loads(fields["data"]) == ask(client, "GET", f"/jobs/{job['id']}")
    assert int(fields["id"]) == json.loads(fields["data"])["version"]
    assert "data:" not in client.get(address, headers={"Last-Event-ID": fields["id"]}).text
    ask(client, "GET", "/jobs/nothing/events", 404)


def test_a_user_holds_only_so_many_streams() -> None:
    streams = AtOnce(2, "streams")
    with (
        streams.one_of("ann"),
        streams.one_of("ann"),
        streams.one_of("bo"),
        pytest.raises(LimitError, match="2 streams open already"),
        streams.one_of("ann"),
    ):
        pass
    with streams.one_of("ann"), streams.one_of("ann"):
        pass


def test_projects_jobs_and_their_pictures_are_their_owner_s(tmp_path: Path) -> None:
    ann, bo = bearer(add_user(tmp_path, "Ann")), bearer(add_user(tmp_path, "Bo"))
    with studio_client(tmp_path, auth=True) as client:
        for who in (ann, bo):
            add_character(client, "Ann", headers=who)
            add_character(client, "Bo", "blue", headers=who)
        job = ask(client, "POST", "/comics", 202, json=ORDER, headers=ann)
        work(tmp_path)
        export = ask(client, "POST", f"/projects/{job['project']}/exports", 202, json={"format": "cbz"}, headers=ann)
        work(tmp_path)
        panel = ask(client, "GET", f"/projects/{job['project']}/panels", headers=ann)[0]
        project, picture = f"/projects/{job['project']}", panel["candidates"][0]["picture"]
        own = ask(client, "POST", "/projects", 201, json=ORDER["new"], headers=bo)
        below = f"{project}/panels/{panel['id']}"
        hidden = [
            ("GET", project, None),
            ("GET", f"{project}/pictures/{picture}", None),
            ("GET", f"/projects/{own['id']}/pictures/{picture}", None),
            ("GET", f"{below}/picture", None),
            ("PUT", f"{below}/lock", {"locked": True}),
            ("POST", f"{below}/redraw", {}),
            ("POST", "/comics", {"project": job["project"]}),
            ("PATCH", project, {"title": "stolen"}),
            ("DELETE", project, None),
            ("GET", f"/jobs/{job['id']}", None),
            ("GET", f"/jobs/{job['id']}/events", None),
            ("POST", f"/jobs/{job['id']}/retry", None),
            ("GET", f"/jobs/{export['id']}/files/comic.cbz", None),
        ]
        for method, path, body in hidden:
            ask(client, method, path, 404, json=body, headers=bo)
        assert ask(client, "GET", "/jobs", headers=bo)["items"] == []
        for path in (project, f"{project}/pictures/{picture}", f"/jobs/{export['id']}/files/comic.cbz"):
            assert client.get(f"{API}{path}", headers=ann).status_code == 200


def test_users_with_accounts_name_no_paths_and_spend_no_keys(tmp_path: Path) -> None:
    ann = bearer(add_user(tmp_path, "Ann"))
    with studio_client(tmp_path, auth=True) as client:
        add_character(client, "Ann", headers=ann)
        fields = {"story": "Ann walks.", "cast": ["Ann"], "drawing": {"base": "/etc"}}
        told = ask(client, "POST", "/projects", 422, json=fields, headers=ann)
        assert told["type"].endswith("refused")
        story = {"story": "Ann walks.", "llm": "openai:gpt-x"}
        assert ask(client, "POST", "/scripts/parse", 422, json=story, headers=ann)["type"].endswith("refused")
