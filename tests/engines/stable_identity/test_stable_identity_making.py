"""`inkcast make` that is stopped while it learns a face: the next goes on, and draws what the undisturbed one draws."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.engines.stable_identity.making import STEPS, make, prepare
from tests.engines.stable_identity.people import picture

from inkcast.engines.identity import load_identity
from inkcast.engines.stable_identity.learn import Learner

ROOT = Path(__file__).parents[3]


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Those that are taken in this process."""
    (tmp_path / "story.txt").write_text("Ann waves in the park.\n")
    picture().save(tmp_path / "ann.png")
    taken: list[int] = []
    prepare(monkeypatch, taken.append)
    return taken


def drawn(base: Path, folder: Path, out: str, home: str, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, str]:
    """The panel's file and what was said."""
    monkeypatch.setenv("INKCAST_HOME", str(folder / home))
    done = make(str(folder / "story.txt"), str(base), str(folder / "ann.png"), str(folder / out))
    assert done.exit_code == 0, done.stderr
    return (folder / out / "panel-01.png").read_bytes(), done.stderr


def words(home: Path) -> dict[str, torch.Tensor]:
    (kept,) = (home / "faces").glob("*.safetensors")
    assert list((home / "learning").iterdir()) == []
    return dict(load_identity(kept).tensors)


@pytest.mark.slow
def test_make_that_is_killed_goes_on_with_the_face(
    tiny_base_folder: Path, tmp_path: Path, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [str(tmp_path / "story.txt"), str(tiny_base_folder), str(tmp_path / "ann.png"), str(tmp_path / "out")]
    command = [sys.executable, "-m", "tests.engines.stable_identity.making", "3", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "INKCAST_HOME": str(tmp_path / "home")}
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == -signal.SIGKILL
    assert len(list((tmp_path / "home" / "learning").iterdir())) == 1
    again, _ = drawn(tiny_base_folder, tmp_path, "out", "home", monkeypatch)
    assert steps == [2, 3, 4]
    undisturbed, _ = drawn(tiny_base_folder, tmp_path, "other", "other-home", monkeypatch)
    assert steps == [2, 3, 4, *range(STEPS)]
    assert again == undisturbed
    found, wanted = words(tmp_path / "home"), words(tmp_path / "other-home")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_make_that_meets_a_damaged_checkpoint_says_so_and_learns_anew(
    tiny_base_folder: Path, tmp_path: Path, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as stopping:
        stopping.setattr(Learner, "advance", interrupted_in(3))
        stopping.setenv("INKCAST_HOME", str(tmp_path / "home"))
        arguments = ("story.txt", tiny_base_folder, "ann.png", "out")
        assert make(*(str(tmp_path / one) for one in arguments)).exit_code == 130
    (left,) = (tmp_path / "home" / "learning").iterdir()
    left.write_bytes(left.read_bytes()[:-100])
    steps.clear()
    _, said = drawn(tiny_base_folder, tmp_path, "out", "home", monkeypatch)
    assert "what was left of Ann's learning is damaged: learning from the first step" in " ".join(said.split())
    assert steps == list(range(STEPS))


def interrupted_in(number: int) -> Callable[[Learner], float]:
    advance = Learner.advance

    def stopping(learner: Learner) -> float:
        if learner.step == number:
            raise KeyboardInterrupt
        return advance(learner)

    return stopping
