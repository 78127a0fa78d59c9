"""`inkcast train` on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState
from tests.training import toy

from inkcast.cli import main
from inkcast.training.claiming import Noted
from inkcast.training.recipe import Recipe
from inkcast.training.trainer import Report


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


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_terminal_shows_the_time_left_once(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, rank: str
) -> None:
    """Also where lines of the log are minutes apart; of several processes only the first one's."""
    clock = [0.0]

    def half(recipe: Recipe, resume: bool, report: Report, note: Noted) -> Path:
        for fraction in (0.0, 0.25, 0.5):
            report(fraction, {"step": 1, "loss": 2.0, "images_per_second": 3.0})
            clock[0] += 600.0
        return recipe.folder

    monkeypatch.setattr("rich.console.monotonic", lambda: clock[0])
    monkeypatch.setattr("inkcast.training.trainer.train", half)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("RANK", rank)
    assert run(str(recipe)) == 0
    assert ("0:20:00" in capsys.readouterr().err) == (rank == "0")


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
