"""`inkcast make` over a tiny base, learning faces in few steps; as a process it may be killed in one of them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial

import pytest
from tests.engines.stable_identity.people import FAME, Stare
from typer.testing import CliRunner, Result

import inkcast.engines.stable_identity.engine as engine_module
import inkcast.engines.stable_identity.learn as learn_module
from inkcast.cli import app
from inkcast.engines.stable_identity.learn import Learner, Learning

STEPS = 5


def prepare(patch: pytest.MonkeyPatch, begin: Callable[[int], None]) -> None:
    """`begin` hears of each step of learning, from 0; the state is written after every second."""
    advance = Learner.advance

    def told(learner: Learner) -> float:
        begin(learner.step)
        return advance(learner)

    patch.setattr(Learner, "advance", told)
    patch.setattr(learn_module, "KEPT_EVERY", 2)
    patch.setattr(engine_module, "famous", lambda tokenizers: FAME)
    patch.setattr(engine_module, "find_eyes", lambda base: Stare())
    patch.setattr(engine_module, "Learning", partial(Learning, steps=STEPS, rate=1e-3, depth=3, views=2))


def make(story: str, base: str, picture: str, out: str) -> Result:
    options = ("--engine", "stable-identity", "--steps", "1", "--device", "cpu", "--dtype", "float32", "--dpi", "40")
    return CliRunner().invoke(app, ["make", story, "--base", base, f"--cast=Ann={picture}", "--out", out, *options])


def main(killed_in: int, *arguments: str) -> None:
    def begin(step: int) -> None:
        if step == killed_in:
            os.kill(os.getpid(), signal.SIGKILL)

    prepare(pytest.MonkeyPatch(), begin)
    make(*arguments)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
