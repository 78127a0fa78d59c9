"""Jobs that learn faces: a worker's easels over a tiny base, in this process or in one to be killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from tests.app.jobs_kit import ROOT, Desk
from tests.engines.stable_identity.people import FAME, Stare, picture

import inkcast.engines.stable_identity.learn as learn_module
from inkcast.app.worker import Worker
from inkcast.cast.record import CharacterRecord, ReferenceRecord
from inkcast.drawing.choices import Drawing
from inkcast.drawing.easel import BaseEasel, settled
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.engines.stable_identity.learn import Learner, Learning
from inkcast.engines.stable_identity.weights import HomeShelf
from inkcast.events import Event, Report, unheard
from inkcast.images import encode_png
from inkcast.sdxl.backbone import Backbone, load_backbone

STEPS = 8


@dataclass
class LearningEasels:
    """One easel with stable-identity, which outlives the job as a worker's own do."""

    base: Backbone
    _engine: StableIdentity | None = None
    _report: Report = unheard

    def get(self, drawing: Drawing, report: Report, glimpse: Callable[[bytes], None]) -> BaseEasel:
        self._report = report
        if self._engine is None:
            learning = Learning(steps=STEPS, rate=1e-3, depth=3, views=2)
            self._engine = StableIdentity(
                self.base, Stare(), fame=FAME, learning=learning, shelf=HomeShelf(), report=self._hear
            )
        chosen = replace(drawing, steps=1, device="cpu")
        return BaseEasel(self.base, self._engine, settled(chosen, self._engine, self.base), report)

    def free(self) -> None:
        self._engine = None

    def _hear(self, event: Event) -> None:
        self._report(event)


def prepare(patch: pytest.MonkeyPatch, home: Path, begin: Callable[[int], None]) -> None:
    """Writes the number of each step of learning into a file and tells it; the state is written after every second."""
    advance = Learner.advance

    def told(learner: Learner) -> float:
        with (home / "steps").open("a") as stream:
            stream.write(f"{learner.step}\n")
        begin(learner.step)
        return advance(learner)

    patch.setattr(Learner, "advance", told)
    patch.setattr(learn_module, "KEPT_EVERY", 2)


def taken(home: Path) -> list[int]:
    """The steps that were begun, in order."""
    file = home / "steps"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def face(desk: Desk, seed: int = 0) -> str:
    """A project of one panel that shows Ann, who looks as `seed` says."""
    desk.library.add(extending=[CharacterRecord("Ann", references=(ReferenceRecord(encode_png(picture(seed))),))])
    made = desk.projects.create(
        "Test", "Ann waves.", cast=("Ann",), drawing={"engine": "stable-identity"}, page={"dpi": 40}
    )
    return made.id


def work(desk: Desk, easels: LearningEasels) -> None:
    Worker("", desk.home, easels=easels, once=True, report=lambda line: None).run()


def learning_worker(home: Path, base: Path, pace: float) -> subprocess.Popen[bytes]:
    """A worker as a process, until the queue is empty; each step of learning takes `pace` seconds more."""
    return subprocess.Popen([sys.executable, "-m", "tests.app.learning_kit", home, base, str(pace)], cwd=ROOT)


def main(home: Path, base: Path, pace: float) -> None:
    torch.set_num_threads(1)
    prepare(pytest.MonkeyPatch(), home, lambda step: time.sleep(pace))
    easels = LearningEasels(load_backbone(base, device="cpu", dtype=torch.float32))
    Worker("", home, easels=easels, once=True, report=print).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
