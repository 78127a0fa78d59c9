"""The studio as it is started, web app and worker included, under a little of what `inkcast bench` loads it with."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from inkcast.app.load import Load, at, measure_load, running_studio
from inkcast.cli import app


@pytest.mark.slow
def test_clients_list_while_a_comic_is_drawn() -> None:
    felt = measure_load(Load(clients=4, jobs=1, steps=2, seconds=120, characters=2))
    assert felt.errors == ()
    assert felt.jobs_done == 1
    assert felt.requests > 0
    assert felt.p50 <= felt.p95 <= felt.p99


@pytest.mark.slow
def test_the_web_app_is_on_the_same_port_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    with running_studio(tmp_path) as address, httpx.Client(base_url=address, trust_env=False) as client:
        page = client.get("/", headers={"Accept": "text/html"})
        assert page.status_code == 200
        loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"'](https?:)?//([^/\"']+)", page.text)
        assert {host for _, host in loaded} <= {address.split("/")[2]}
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert client.get("/gradio_api/file=/etc/passwd").status_code in (403, 404)
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
        assert client.get("/api/v1/nothing").headers["content-type"] == "application/problem+json"


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(app, ["studio", "--port", str(taken.getsockname()[1]), "--no-worker"])
    assert result.exit_code == 1
    assert re.fullmatch(
        r"inkcast: cannot listen at 127\.0\.0\.1 port \d+: .*choose another --port or --host\n", result.stderr
    )


def test_percentiles() -> None:
    assert [at([1.0, 2.0, 3.0, 4.0], share) for share in (0.0, 0.5, 0.95, 1.0)] == [1.0, 3.0, 4.0, 4.0]
    assert at([], 0.95) == 0.0
