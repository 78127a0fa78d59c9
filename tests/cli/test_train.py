"""`inkcast train` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState
from tests.training import toy

from inkcast.cli import main


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    toy.register()
    path = tmp_path / "toy.toml"
    path.write_text(f'name = "toy"\nobjective = "toy"\ndevice = "cpu"\nsteps = 3\nout = "{tmp_path / "run"}"\n')
    return path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["train", *arguments])
    AcceleratorState._reset_state(reset_partial_state=True)
    return int(end.value.code or 0)


def test_train_prints_where_the_run_lies(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(recipe), "--set", "loader.workers=0") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'run'}\n"
    assert run(str(recipe), "--set", "loader.workers=0", "--set", "steps=4", "--resume") == 0


def test_a_run_without_a_record_of_its_data_is_noted(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    subject = {"mask": "a-1.png", "references": [{"picture": "b.jpg"}]}
    line = {"picture": "a.jpg", "caption": "a girl", "subjects": [subject]}
    (tmp_path / "data" / "pairs.jsonl").write_text(json.dumps(line) + "\n")
    usual = ("--set", "loader.workers=0", "--set", f"parameters.data={tmp_path / 'data'}")
    assert run(str(recipe), *usual) == 0
    (tmp_path / "run" / "data.json").unlink()
    capsys.readouterr()
    for steps, noted in ((4, True), (5, False)):
        assert run(str(recipe), *usual, "--set", f"steps={steps}", "--resume") == 0
        assert ("note:" in capsys.readouterr().err) == noted


def test_errors_are_one_line(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code, message in (
        ((str(recipe), "--set", "bach=2"), 2, "bach = 2: extra inputs are not permitted"),
        ((str(recipe), "--resume"), 1, "nothing to resume"),
        (("absent.toml",), 1, "recipe absent.toml: No such file"),
    ):
        assert run(*arguments) == code
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
