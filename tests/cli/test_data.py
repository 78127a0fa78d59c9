"""`inkcast data` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.training.data_pictures import subject_tree

from inkcast.cli import main
from inkcast.images import open_picture


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(["data", *map(str, arguments)])
    return int(end.value.code or 0)


def test_data_are_built_and_inspected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = subject_tree(tmp_path / "in", subjects=3), tmp_path / "out"
    (source / "subject-1" / "0.png").write_bytes(b"broken")
    assert run("build", source, "--out", out, "--kind", "subjects", "--per-shard", 2) == 0
    assert capsys.readouterr().out == f"3 samples in 2 shards, 1 set aside: {out}\n"
    assert run("inspect", out, "--json", "--sheet", tmp_path / "sheet.png") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["samples"], found["pictures"], found["labels"], found["subjects"]) == (
        3,
        8,
        {"block": 3},
        {"2": 1, "3": 2},
    )
    assert found["reasons"] == {"… is not a picture of a known format; save it as PNG, JPEG or WebP": 1}
    assert open_picture(tmp_path / "sheet.png").size == (6 * 160, 160)
    assert run("inspect", out, "--broken") == 0
    assert "0.png: " in capsys.readouterr().out.splitlines()[-1]
    (out / "shard-000000.tar").unlink()
    assert run("inspect", out, "--json") == 1


def test_toon_samples_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("toon", "--out", tmp_path / "out", "--count", 2, "--kind", "people", "--size", 48) == 0
    assert capsys.readouterr().out.startswith("2 samples in 1 shards")


def test_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", tmp_path / "absent.jsonl", "--out", tmp_path / "out") == 1
    assert run("inspect", tmp_path) == 1
    assert run("build", tmp_path, "--out", tmp_path / "out", "--kind", "cats") == 2
    errors = capsys.readouterr().err
    assert "cannot read" in errors
    assert "no training data in" in errors
