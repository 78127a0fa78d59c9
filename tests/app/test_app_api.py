"""The API without jobs: characters, references, scripts, tokens; problems, pages, repeated requests."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.app.studio_kit import add_character, add_user, bearer, portrait, studio_client

from inkcast.app.problems import KINDS, kind_of
from inkcast.errors import (
    CastError,
    ConflictError,
    DatabaseError,
    InkcastError,
    LimitError,
    NotFoundError,
    OutputError,
    PolicyError,
)

CHARACTERS = "/api/v1/characters"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with studio_client(tmp_path) as found:
        yield found


def is_problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert told["type"] == f"/api/v1/problems/{kind}"
    assert told["status"] == status
    assert "\n" not in told["detail"]
    return told


def test_a_character_from_upload_to_removal(client: TestClient, tmp_path: Path) -> None:
    made = add_character(client, "Ann Lee", pronouns="she", alias=["Annie"], consent="drawn by me")
    below = f"{CHARACTERS}/{made['id']}"
    assert (made["name"], made["aliases"], made["pronouns"]) == ("Ann Lee", ["Annie"], "she")
    assert made["references"][0] | {"id": ""} == {
        "id": "",
        "view": "front",
        "state": "",
        "source": "Ann Lee.png",
        "consent": "drawn by me",
        "masked": False,
    }
    changed = client.patch(below, json={"name": "Anna", "states": [{"name": "armour", "description": "steel"}]}).json()
    assert changed == made | {"name": "Anna", "states": [{"name": "armour", "description": "steel"}]}
    mask = io.BytesIO()
    Image.new("L", (64, 64), 255).save(mask, "PNG")
    files = {"picture": ("side.jpg", portrait("blue", form="JPEG")), "mask": ("mask.png", mask.getvalue())}
    more = client.post(f"{below}/references", data={"view": "side", "state": "armour"}, files=files).json()
    assert [reference["masked"] for reference in more["references"]] == [False, True]
    Image.new("L", (64, 64)).save(black := io.BytesIO(), "PNG")
    nobody = {"picture": ("side.png", portrait("blue")), "mask": ("black.png", black.getvalue())}
    assert "has no white" in is_problem(client.post(f"{below}/references", files=nobody), 422, "invalid")["detail"]
    exported = client.get(f"{below}/file").content
    assert client.delete(f"{below}/references/{more['references'][0]['id']}").status_code == 204
    is_problem(client.delete(f"{below}/references/{more['references'][1]['id']}"), 422, "invalid")  # the last one
    assert client.delete(below).status_code == 204
    is_problem(client.get(below), 404, "not-found")
    assert list(tmp_path.rglob("cast-pictures/??/*")) == []
    back = client.post(f"{CHARACTERS}/import", files={"file": ("../anna.inkcast", exported)})
    assert back.status_code == 201
    assert back.json() | {"id": ""} == more | {"id": ""}
    assert client.get(back.headers["location"]).json() == back.json()


def test_a_reference_s_picture_is_tagged_scaled_and_bare(client: TestClient) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    exif[0x0112] = 6  # lying on its side
    picture = io.BytesIO()
    Image.new("RGB", (80, 40), "green").save(picture, "JPEG", exif=exif)
    made = client.post(CHARACTERS, data={"name": "Ann"}, files=[("picture", ("a.jpg", picture.getvalue()))]).json()
    address = f"{CHARACTERS}/{made['id']}/references/{made['references'][0]['id']}"
    whole, small = client.get(address), client.get(address, params={"side": 32})
    assert b"where I live" not in whole.content
    assert [Image.open(io.BytesIO(answer.content)).size for answer in (whole, small)] == [(40, 80), (16, 32)]
    assert whole.headers["etag"] != small.headers["etag"]
    assert whole.headers["cache-control"].startswith("private")
    again = client.get(address, headers={"If-None-Match": f'"x", {whole.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(address, headers={"If-None-Match": small.headers["etag"]}).status_code == 200


def test_what_the_engines_will_see_of_a_reference(client: TestClient) -> None:
    made = add_character(client, "Ann")
    address = f"{CHARACTERS}/{made['id']}/references/{made['references'][0]['id']}"
    seen = client.get(f"{address}/preview").json()
    assert seen["how"] == "plain background"
    mask = Image.open(io.BytesIO(client.get(f"{address}/mask").content)).convert("L")
    assert mask.size == (64, 64)
    assert (mask.getpixel((32, 40)), mask.getpixel((1, 1))) == (255, 0)
    assert seen["covers"] == pytest.approx(sum(value == 255 for value in mask.get_flattened_data()) / 64**2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"<svg/>", "not a picture of a known format"),
        (portrait()[:200], "damaged or cut short"),
        (portrait(side=8), "only 8 x 8 pixels"),
    ],
)
def test_an_upload_that_is_no_picture_is_refused(client: TestClient, data: bytes, message: str) -> None:
    files = [("picture", ("/etc/passwd\x07.png", data))]
    told = is_problem(client.post(CHARACTERS, data={"name": "Ann"}, files=files), 422, "invalid")
    assert message in told["detail"]
    assert "/etc" not in told["detail"]
    assert client.get(CHARACTERS).json()["items"] == []


def test_a_request_sent_twice_with_one_key_is_done_once(client: TestClient) -> None:
    key = {"Idempotency-Key": "ann-1"}
    files = [("picture", ("a.png", portrait()))]
    first = client.post(CHARACTERS, data={"name": "Ann"}, files=files, headers=key)
    second = client.post(CHARACTERS, data={"name": "Ann"}, files=files, headers=key)
    assert first.headers["content-type"] != ""
    assert (second.status_code, second.json()) == (201, first.json())
    assert (second.headers["idempotency-replayed"], second.headers["location"]) == ("true", first.headers["location"])
    is_problem(client.post(CHARACTERS, data={"name": "Ann"}, files=files), 422, "invalid")  # without the key: twice
    is_problem(client.post(CHARACTERS, data={"name": "Bo"}, files=files, headers=key), 422, "invalid")
    assert len(client.get(CHARACTERS).json()["items"]) == 1


def test_a_key_may_be_used_again_after_a_failure(client: TestClient) -> None:
    key = {"Idempotency-Key": "ann-1"}
    assert client.post(CHARACTERS, data={"name": "Ann"}, files=[("picture", ("a.png", b"no"))], headers=key).is_error
    answer = client.post(CHARACTERS, data={"name": "Ann"}, files=[("picture", ("a.png", portrait()))], headers=key)
    assert answer.status_code == 201


def test_keys_of_different_users_do_not_meet(tmp_path: Path) -> None:
    ann, bo = add_user(tmp_path, "Ann"), add_user(tmp_path, "Bo")
    with studio_client(tmp_path, auth=True) as client:
        made = [add_character(client, "Rolf", headers=bearer(who) | {"Idempotency-Key": "1"}) for who in (ann, bo)]
    assert made[0]["id"] != made[1]["id"]


def test_lists_come_in_parts_that_miss_and_repeat_nothing(client: TestClient) -> None:
    names = ["bo", "Ann", "Čapek", "Dee", "ann b"]
    for name in names:
        add_character(client, name)
    seen, cursor = [], ""
    while cursor is not None:
        page = client.get(CHARACTERS, params={"limit": 2, "cursor": cursor}).json()
        seen += [entry["name"] for entry in page["items"]]
        cursor = page["next"]
        if len(seen) == 2:  # what is shown may go without a gap
            client.delete(f"{CHARACTERS}/{page['items'][1]['id']}")
    assert seen == sorted(names, key=str.casefold)
    assert [entry["name"] for entry in client.get(CHARACTERS, params={"q": "AN"}).json()["items"]] == ["Ann"]
    for cursor in ("nonsense", "WzFd", "e30"):
        is_problem(client.get(CHARACTERS, params={"cursor": cursor}), 422, "invalid")
    is_problem(client.get(CHARACTERS, params={"limit": 0}), 422, "invalid")


def test_every_error_is_problem_details(client: TestClient) -> None:
    is_problem(client.get("/api/v1/nothing"), 404, "not-found")
    is_problem(client.put(CHARACTERS), 405, "method-not-allowed")
    told = is_problem(client.post("/api/v1/scripts/parse", json={"story": "", "cast": [{"name": 3}]}), 422, "invalid")
    assert [error["pointer"] for error in told["errors"]] == ["#/story", "#/cast/0/name"]
    broken = client.post("/api/v1/scripts/parse", content=b"{", headers={"Content-Type": "application/json"})
    is_problem(broken, 400, "bad-request")
    is_problem(client.post("/api/v1/tokens", json={"name": "x"}), 409, "conflict")
    for name in KINDS:
        assert client.get(f"/api/v1/problems/{name}").json()["name"] == name


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotFoundError("x"), "not-found"),
        (ConflictError("x"), "conflict"),
        (LimitError("x"), "too-many"),
        (PolicyError("x"), "refused"),
        (CastError("x"), "invalid"),
        (OutputError("cannot write 'x': the disk is full; make room"), "no-room"),
        (DatabaseError("the studio's database failed: database or disk is full; make room"), "no-room"),
        (DatabaseError("the cast library failed: disk I/O error; make room"), "unavailable"),
        (InkcastError("x"), "invalid"),
    ],
)
def test_each_error_of_ours_is_a_kind_of_problem(error: InkcastError, kind: str) -> None:
    assert kind_of(error) == kind


def test_a_database_that_another_program_holds_is_said_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inkcast.database.PATIENCE", 0.01)
    with studio_client(tmp_path) as client:
        assert client.post("/api/v1/projects", json={"title": "One"}).status_code == 201
        holder = sqlite3.connect(tmp_path / "cast.sqlite3")
        holder.execute("BEGIN IMMEDIATE")
        told = is_problem(client.post("/api/v1/projects", json={"title": "Two"}), 503, "unavailable")
        assert "database is locked; another program holds it" in told["detail"]
        holder.close()


def test_a_failure_of_ours_tells_no_secrets(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("inkcast.app.api.about.survey", broken)
    patient = TestClient(client.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    told = is_problem(patient.get("/api/v1/engines"), 500, "internal")
    assert "hunter2" not in str(told)


def test_a_story_becomes_a_script_and_back_yaml(client: TestClient) -> None:
    add_character(client, "Ann Lee", pronouns="she")
    story = {"story": "Ann Lee walks in the park. She smiles at Rolf.", "title": "A walk"}
    parsed = client.post("/api/v1/scripts/parse", json=story).json()
    assert parsed["script"]["title"] == "A walk"
    assert [panel["characters"][0]["name"] for panel in parsed["script"]["panels"]] == ["Ann Lee", "Ann Lee"]
    assert next(story["story"][start:end] for start, end in parsed["sources"]) == "Ann Lee walks in the park."
    yaml = client.post("/api/v1/scripts/yaml", json=parsed["script"])
    assert yaml.headers["content-type"].startswith("application/yaml")
    checked = client.post("/api/v1/scripts/validate", json={"yaml": yaml.text}).json()
    assert checked == {"valid": True, "problem": "", "script": parsed["script"]}
    wrong = client.post("/api/v1/scripts/validate", json={"yaml": "panels:\n  - descripton: x\n"}).json()
    assert wrong["valid"] is False
    assert "line 2" in wrong["problem"]
    unread = {"yaml": "panels:\n  - description: x\n    engine: {rooter: off}\n"}
    wrong = client.post("/api/v1/scripts/validate", json=unread).json()
    assert wrong["valid"] is False
    assert "line 3: panel 1 sets 'rooter', which no engine knows: did you mean 'router'" in wrong["problem"]
    assert "panels" in client.get("/api/v1/scripts/schema").json()["properties"]


def test_engines_are_told_with_their_licences(client: TestClient) -> None:
    engines = {engine["name"]: engine for engine in client.get("/api/v1/engines").json()}
    assert engines["story-maker"]["non_commercial"]
    assert engines["any-story"]["non_commercial"] == []
    assert all(engine["licence"] for engine in engines.values())


def test_tokens_over_http(tmp_path: Path) -> None:
    ann = bearer(add_user(tmp_path, "Ann"))
    with studio_client(tmp_path, auth=True) as client:
        made = client.post("/api/v1/tokens", json={"name": "laptop", "days": 2}, headers=ann)
        token = made.json()
        secret = token.pop("secret")
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        listed = client.get("/api/v1/tokens", headers=bearer(secret)).json()["items"]
        assert token in listed
        assert secret not in str(listed)
        assert client.delete(made.headers["location"], headers=ann).status_code == 204
        is_problem(client.get("/api/v1/me", headers=bearer(secret)), 401, "not-signed-in")
