"""Files on their way through the web app: nobody else on the machine reads them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.app.studio_kit import portrait, studio_client

pytest.importorskip("gradio")

UPLOAD = "/gradio_api/upload"


def test_uploads_lie_in_the_home_folder_for_its_owners_eyes_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # put back after the test
    for name in ("old", "new"):
        (tmp_path / "uploads" / name).mkdir(parents=True)
    os.utime(tmp_path / "uploads" / "old", (0, 0))
    with studio_client(tmp_path, web=True) as client:
        assert not (tmp_path / "uploads" / "old").exists()
        assert (tmp_path / "uploads" / "new").exists()
        (path,) = client.post(UPLOAD, files=[("files", ("ann.png", portrait(), "image/png"))]).json()
        kept = tmp_path / "uploads"
        assert kept in Path(path).parents
        assert Path(path).read_bytes() == portrait()
        assert kept.stat().st_mode & 0o077 == 0
        assert client.get(f"/gradio_api/file={path}").content == portrait()
        assert client.get(f"/gradio_api/file={tmp_path / 'cast.sqlite3'}").status_code in (403, 404)


def test_uploads_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    monkeypatch.setenv("INKCAST_STUDIO_REQUESTS_PER_MINUTE", "2")
    files = [("files", ("ann.png", portrait(), "image/png"))]
    with studio_client(tmp_path, web=True) as client:
        assert [client.post(UPLOAD, files=files).status_code for _ in range(3)] == [200, 200, 429]
        assert client.get("/").status_code == 200


def test_with_accounts_nobody_uploads_or_reads_unsigned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    with studio_client(tmp_path, auth=True, web=True) as client:
        assert client.post(UPLOAD, files=[("files", ("ann.png", portrait(), "image/png"))]).status_code == 401
        (tmp_path / "uploads" / "x.png").write_bytes(portrait())
        assert client.get(f"/gradio_api/file={tmp_path / 'uploads' / 'x.png'}").status_code in (303, 401)
