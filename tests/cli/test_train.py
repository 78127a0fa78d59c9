"""`inkcast train` on the command line."""

from __future__ import annotations

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
