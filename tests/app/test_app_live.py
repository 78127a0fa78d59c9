"""A studio that runs: the walk-through of the documents by curl, and the Python client."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest
import uvicorn
from PIL import Image
from tests.app.studio_kit import portrait

from inkcast.app.context import Studio as Place
from inkcast.app.server import Serving, listening, make_app
from inkcast.client import Job, ProblemError, Studio

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
DRAWING = {"steps": 2, "engine": "ip-adapter"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A studio with a worker, on a free port of loopback."""
    app = make_app(Place(tmp_path_factory.mktemp("studio"), ""), Serving(web=False))
    with listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_walk_through_of_the_documents(address: str, tmp_path: Path) -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Walk-through")[2].partition("\n## ")[0]
    script = "set -euo pipefail\n" + "\n".join(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
    (tmp_path / "ann.png").write_bytes(portrait())
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "STUDIO": address},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("event: done") == 3
    assert len(pypdf.PdfReader(tmp_path / "comic.pdf").pages) > 0
    with Image.open(tmp_path / "panel-01.png") as picture:
        assert picture.text["engine"] == "ip-adapter"  # type: ignore[attr-defined]
        assert picture.text["seed"] == "7"  # type: ignore[attr-defined]
        assert "walk" in picture.text["prompt"]  # type: ignore[attr-defined]


def test_the_client_from_a_picture_to_a_book(address: str, tmp_path: Path) -> None:
    (tmp_path / "bo.png").write_bytes(portrait("blue"))
    with Studio(address) as studio:
        bo = studio.add_character("Bo", tmp_path / "bo.png", pronouns="he", consent="drawn by me")
        assert (bo.pronouns, bo.references[0].consent) == ("he", "drawn by me")
        assert bo in studio.characters("bo")
        project = studio.make_project(title="Bo", story="Bo sits. Bo runs.", cast=["Bo"], drawing=DRAWING)
        assert [panel.script["description"] for panel in project.panels] == ["Bo sits.", "Bo runs."]
        told: list[Job] = []
        done = studio.wait(studio.draw(project.id), told.append)
        assert (done.state, done.panels_done, told[-1]) == ("done", 2, done)
        assert [job.version for job in told] == sorted({job.version for job in told})
        drawn = studio.project(project.id)
        first, second = drawn.panels
        assert first.chosen == first.candidates[-1].id
        picture = studio.panel_picture(project.id, first.id)
        assert Image.open(io.BytesIO(picture)).format == "PNG"
        studio.lock(project.id, second.id)
        studio.wait(studio.redraw(project.id, first.id, candidates=2))
        several = studio.project(project.id).panels[0]
        assert len(several.candidates) == 3
        assert several.chosen == first.chosen
        chosen = studio.choose(project.id, first.id, several.candidates[-1].id)
        assert chosen.chosen == several.candidates[-1].id
        assert studio.panel_picture(project.id, first.id) != picture
        files = studio.export(project.id, "cbz", tmp_path / "out")
        assert [path.suffix for path in files] == [".cbz"]
        assert [job.kind for job in studio.jobs(project.id)] == ["export", "redraw", "draw"]
        studio.remove_character(bo.id)
        with pytest.raises(ProblemError, match="there is no character") as caught:
            studio.character(bo.id)
        assert (caught.value.status, caught.value.kind) == (404, "not-found")


def test_a_job_that_does_not_end_well_is_an_error(address: str, tmp_path: Path) -> None:
    (tmp_path / "cy.png").write_bytes(portrait("green"))
    with Studio(address) as studio:
        studio.add_character("Cy", tmp_path / "cy.png")
        job = studio.draw(title="Cy", story="Cy sits.", cast=["Cy"], drawing={**DRAWING, "steps": 1000})
        states = []
        for seen in studio.events(job.id):
            states.append(seen.state)
            if seen.state == "running" and "running" not in states[:-1]:
                studio.cancel(job.id)
        assert states[-1] == "cancelled"
        with pytest.raises(ProblemError) as caught:
            studio.wait(job)
        assert caught.value.kind == "cancelled"


def test_where_no_studio_answers_the_client_says_so() -> None:
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    with (
        Studio(f"http://127.0.0.1:{port}") as studio,
        pytest.raises(ProblemError, match="start one with  inkcast studio"),
    ):
        studio.project("x")
