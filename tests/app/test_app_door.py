"""The door: who comes in, from where, with how much and how often."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.studio_kit import LOCAL, PASSWORD, add_character, add_user, bearer, studio_client

from inkcast.app.context import Studio
from inkcast.app.door import COOKIE, safe_next
from inkcast.app.limits import PerMinute
from inkcast.app.server import Serving, make_app
from inkcast.errors import UsageError

ME = "/api/v1/me"
PARSE = "/api/v1/scripts/validate"
YAML = {"yaml": "panels: []"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    add_user(tmp_path, "Ann")
    return tmp_path


def test_the_local_studio_answers_by_its_own_names_alone(tmp_path: Path) -> None:
    with studio_client(tmp_path) as client:
        for host in ("127.0.0.1:7860", "localhost", "LOCALHOST.:9000", "[::1]:7860"):
            assert client.get(ME, headers={"Host": host}).json()["id"] == "local"
        for host in ("evil.example", "127.0.0.1.evil.example:7860", "", "[", "192.168.0.1"):
            refused = client.get(ME, headers={"Host": host})
            assert refused.status_code == 403
            assert refused.headers["content-type"] == "application/problem+json"


def test_another_site_s_page_changes_and_reads_nothing(tmp_path: Path) -> None:
    with studio_client(tmp_path) as client:
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:3000"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            assert client.post(PARSE, json=YAML, headers=headers).status_code == 403, headers
        for headers in ({"Origin": LOCAL}, {"Sec-Fetch-Site": "same-origin"}, {}):
            assert client.post(PARSE, json=YAML, headers=headers).status_code == 200, headers
        assert client.get(ME, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}).status_code == 403
        assert client.get(ME, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).status_code == 200
        allowed = client.options(ME, headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"})
        assert "access-control-allow-origin" not in allowed.headers


def test_with_accounts_nobody_comes_in_unsigned(home: Path) -> None:
    with studio_client(home, auth=True) as client:
        refused = client.get(ME)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get(ME, headers=bearer("ink_guessed")).status_code == 401
        assert client.get(ME, headers={"Cookie": f"{COOKIE}=guessed"}).status_code == 401
        assert client.get("/api/v1/openapi.json").status_code == 401
        assert client.get("/api/v1/health").status_code == 200
        page = client.get("/projects?x=1", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=/projects")


def test_signing_in_and_out(home: Path) -> None:
    with studio_client(home, auth=True) as client:
        form = {"name": "ann", "password": PASSWORD, "next": "/projects"}
        entered = client.post("/sign-in", data=form, headers={"Origin": LOCAL})
        assert (entered.status_code, entered.headers["location"]) == (303, "/projects")
        held = entered.headers["set-cookie"].lower()
        assert "httponly" in held
        assert "samesite=lax" in held
        assert client.get(ME).json()["name"] == "Ann"
        cookie = client.cookies[COOKIE]
        assert client.post("/sign-out", headers={"Origin": "http://evil.example"}).status_code == 403
        assert client.post("/sign-out").headers["location"] == "/sign-in"
        assert client.get(ME, headers={"Cookie": f"{COOKIE}={cookie}"}).status_code == 401


def test_a_wrong_password_is_told_on_the_page_and_tries_are_counted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INKCAST_STUDIO_SIGN_INS_PER_MINUTE", "2")
    with studio_client(home, auth=True) as client:
        form = {"name": "<b>Ann", "password": "wrong", "next": "//evil.example"}
        for _ in range(2):
            page = client.post("/sign-in", data=form)
            assert page.status_code == 401
            assert 'role="alert">Name and password do not fit' in page.text
            assert "<b>" not in page.text
            assert 'name="next" value="/"' in page.text
        refused = client.post("/sign-in", data={**form, "name": "Ann", "password": PASSWORD})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1", "/\nx", ""]
)
def test_after_signing_in_nobody_is_sent_elsewhere(address: str) -> None:
    assert safe_next(address) == "/"
    assert safe_next("/projects/1") == "/projects/1"


def test_too_much_at_once_is_refused_told_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_STUDIO_UPLOAD_MEGABYTES", "0.01")
    large = b'{"yaml": "' + b"x" * 20_000 + b'"}'
    with studio_client(tmp_path) as client:
        told = client.post(PARSE, content=large, headers={"Content-Type": "application/json"})
        untold = client.post(PARSE, content=iter([large]), headers={"Content-Type": "application/json"})
        assert [told.status_code, untold.status_code] == [413, 413]
        assert told.json()["detail"] == untold.json()["detail"]
        assert client.post(PARSE, json=YAML).status_code == 200


def test_one_user_s_haste_does_not_hold_up_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_STUDIO_REQUESTS_PER_MINUTE", "3")
    ann, bo = add_user(tmp_path, "Ann"), add_user(tmp_path, "Bo")
    with studio_client(tmp_path, auth=True) as client:
        found = [client.get(ME, headers=bearer(ann)).status_code for _ in range(4)]
        assert found == [200, 200, 200, 429]
        assert 0 < int(client.get(ME, headers=bearer(ann)).headers["retry-after"]) <= 61
        assert client.get(ME, headers=bearer(bo)).status_code == 200


def test_a_refused_request_does_not_count() -> None:
    limit = PerMinute(1)
    assert limit.wait("ann") == 0
    assert limit.wait("ann") > 0
    assert limit.wait("bo") == 0


def test_every_answer_forbids_other_hosts(tmp_path: Path) -> None:
    with studio_client(tmp_path) as client:
        for answer in (client.get(ME), client.get("/api/v1/nothing"), client.get(ME, headers={"Host": "evil.example"})):
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'self';")
            assert "http" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_two_users_see_nothing_of_each_other(tmp_path: Path) -> None:
    ann, bo = add_user(tmp_path, "Ann"), add_user(tmp_path, "Bo")
    with studio_client(tmp_path, auth=True) as client:
        one = add_character(client, "Rolf", headers=bearer(ann))
        other = add_character(client, "Rolf", "blue", headers=bearer(bo))
        listed = client.get("/api/v1/characters", headers=bearer(bo)).json()["items"]
        assert [character["id"] for character in listed] == [other["id"]]
        below = f"/api/v1/characters/{one['id']}"
        reference = f"{below}/references/{one['references'][0]['id']}"
        nowhere = client.get("/api/v1/characters/0", headers=bearer(bo)).json()
        for address in (below, reference, f"{reference}/mask", f"{reference}/preview", f"{below}/file"):
            assert client.get(address, headers=bearer(ann)).status_code == 200, address
            hidden = client.get(address, headers=bearer(bo))
            assert hidden.status_code == 404, address
            assert hidden.json()["type"] == nowhere["type"]
        assert client.delete(below, headers=bearer(bo)).status_code == 404
        assert client.patch(below, json={"name": "Stolen"}, headers=bearer(bo)).status_code == 404
        assert client.get(below, headers=bearer(ann)).json() == one


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "::"])
def test_others_are_let_in_only_with_accounts_or_said_so(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="--auth"):
        make_app(Studio(tmp_path, ""), Serving(host=host, web=False, worker=False))
    with studio_client(tmp_path, host=host, insecure=True) as client:
        assert client.get(ME, headers={"Host": "studio.example"}).status_code == 200
