"""What only other processes can show: two of them are one, and a run killed at any moment goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from inkcast.training import checkpoints
from inkcast.training.recipe import load_recipe
from inkcast.training.trainer import train

Start = Callable[..., "subprocess.Popen[str]"]


def finished(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors[-2000:]


@pytest.mark.slow
def test_two_processes_are_one(toy_process: Start, tmp_path: Path) -> None:
    """Equal weights, through gradient averaging, accumulation and a resume on both."""
    usual = (
        "accumulate=2",
        "ema=0.9",
        "checkpoints.every=4",
        "optimizer.learning_rate=0.01",
        "schedule.decay=constant",
    )
    two, one = tmp_path / "two", tmp_path / "one"
    finished(toy_process(*usual, f"out={two}", "steps=6", processes=2))
    finished(toy_process(*usual, f"out={two}", "steps=9", processes=2, resume=True))
    train(load_recipe(tmp_path / "toy.toml", [*usual, f"out={one}", "steps=9"]))
    ends = [load_file(out / "export" / "toy.safetensors") for out in (one, two)]
    for name, value in ends[0].items():
        assert torch.allclose(value, ends[1][name], atol=1e-6), name


@pytest.mark.slow
def test_killed_anywhere_it_goes_on(toy_process: Start, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    settings = (f"out={out}", "checkpoints.every=1", "log_every=1")
    process = toy_process(*settings, "steps=100000")
    for _ in range(6000):
        if len(checkpoints.existing(out)) == 2:
            break
        time.sleep(0.05)
    time.sleep(0.117)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    found = checkpoints.existing(out)
    assert found
    for folder in found:
        assert load_file(folder / "weights.safetensors")
    last = json.loads((found[-1] / "progress.json").read_text())["updates"]
    finished(toy_process(*settings, f"steps={last + 2}", resume=True))
    assert checkpoints.existing(out)[-1].name == f"step-{last + 2:08d}"
    assert json.loads((out / "export" / "export.json").read_text())["step"] == last + 2
    assert not list((out / "checkpoints").glob(".inkcast-*"))
