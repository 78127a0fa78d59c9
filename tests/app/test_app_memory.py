"""Memory that runs out in a job: less is taken, then it is said clearly; what was finished stays."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.app.jobs_kit import Desk, JournalEasel, JournalEasels, drawn_seeds
from tests.engines.stable_identity.people import FAME, Stare, picture

import inkcast.sdxl.backbone as backbone_module
from inkcast.app.jobs import DrawComic, LearnIdentity
from inkcast.app.work.memory import leaner, out_of_memory
from inkcast.app.worker import Worker
from inkcast.cast.record import CharacterRecord, ReferenceRecord
from inkcast.drawing.choices import Drawing
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.engines.stable_identity.learn import Learner, Learning
from inkcast.errors import EngineError
from inkcast.events import Report
from inkcast.images import encode_png
from inkcast.sdxl.backbone import Backbone


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def full(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


class SmallGpu(JournalEasels):
    """Easels on a GPU that is `too_small` for a drawing in a place ("load", "encode", "draw"); `asked`: low VRAM?"""

    def __init__(self, journal: Path, too_small: Callable[[str, Drawing], bool]) -> None:
        super().__init__(journal, self._step)
        self.too_small = too_small
        self.asked: list[bool] = []
        self._last: Callable[[], JournalEasel | None] = lambda: None

    def get(self, drawing: Drawing, report: Report, glimpse: Callable[[bytes], None]) -> JournalEasel:
        if self._easel is None:
            assert self._last() is None, "what was loaded is still held, so that its memory is not free"
            self.asked.append(drawing.low_vram)
            if self.too_small("load", drawing):
                full()
        easel = super().get(drawing, report, glimpse)
        easel.drawing = replace(easel.drawing, device="cuda:0")
        easel.engine.encode = self._encode(easel.engine.encode, drawing)  # type: ignore[assignment]
        self._last = weakref.ref(easel)
        return easel

    def _encode(self, encode: Callable[[Any], Any], drawing: Drawing) -> Callable[[Any], Any]:
        return lambda character: full() if self.too_small("encode", drawing) else encode(character)

    def _step(self, number: int) -> None:
        assert self._easel is not None
        if self.too_small("draw", self._easel.drawing):
            full()


def work(desk: Desk, easels: Any) -> None:
    Worker("", desk.home, easels=easels, once=True, report=lambda line: None).run()


@pytest.mark.parametrize("place", ["load", "encode", "draw"])
def test_where_memory_runs_out_parts_are_moved_off_the_gpu(
    desk: Desk, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        backbone_module, "choose_device", lambda: torch.device("cuda")
    )  # what a loading easel would say
    job = desk.jobs.submit(DrawComic(), desk.project())
    easels = SmallGpu(desk.home / "journal", lambda where, drawing: where == place and not drawing.low_vram)
    work(desk, easels)
    job = desk.jobs.get(job.id)
    assert (job.state, job.error, job.attempt) == ("done", "", 1)
    assert easels.asked == [False, True]
    assert [note for note in job.notes if "parts of the model moved off the GPU" in note]
    assert len(drawn_seeds(desk.home)) == 5 + (place == "draw")


@pytest.mark.parametrize(
    ("place", "what", "advice"),
    [
        ("encode", "encoding the cast does not fit into the GPU, even with parts moved off it", "fewer and smaller"),
        ("draw", "panel 1 does not fit into the GPU, even with parts moved off it", "smaller panels"),
    ],
)
def test_a_gpu_that_is_too_small_even_so_ends_the_job_with_advice(
    desk: Desk, place: str, what: str, advice: str
) -> None:
    job = desk.jobs.submit(DrawComic(), desk.project())
    easels = SmallGpu(desk.home / "journal", lambda where, drawing: where == place)
    work(desk, easels)
    job = desk.jobs.get(job.id)
    assert (job.state, job.attempt) == ("failed", 1)
    assert job.error.startswith(what)
    assert advice in job.error
    assert "choose a smaller base" in job.error
    assert easels.asked == [False, True]


class OneEngine:
    """Easels with a stable-identity over a tiny base."""

    def __init__(self, base: Backbone) -> None:
        learning = Learning(rate=1e-3, depth=3, views=2)
        self.engine = StableIdentity(base, Stare(), fame=FAME, learning=learning)  # type: ignore[arg-type]
        self.freed = 0

    def get(self, drawing: Drawing, report: Report, glimpse: Callable[[bytes], None]) -> Any:
        return SimpleNamespace(engine=self.engine)

    def free(self) -> None:
        self.freed += 1


def learned(desk: Desk, base: Backbone) -> Any:
    desk.library.add(CharacterRecord("Ann", references=(ReferenceRecord(encode_png(picture())),)))
    job = desk.jobs.submit(LearnIdentity("Ann", steps=4))
    easels = OneEngine(base)
    work(desk, easels)
    identity = desk.library.identity(desk.library.character("Ann"), "stable-identity", easels.engine.digest)
    return desk.jobs.get(job.id), identity


def test_a_face_is_learned_on_with_less_kept_of_each_step(
    desk: Desk, tmp_path: Path, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Desk(tmp_path / "roomy")
    _, wanted = learned(other, backbone)
    other.close()
    taken: list[tuple[int, bool]] = []
    advance = Learner.advance

    def hungry(learner: Learner) -> float:
        taken.append((learner.step, learner.learning.checkpointing))
        if learner.step == 2 and not learner.learning.checkpointing:
            full()
        return advance(learner)

    monkeypatch.setattr(Learner, "advance", hungry)
    job, identity = learned(desk, backbone)
    assert (job.state, job.error, job.attempt) == ("done", "", 1)
    assert taken == [(0, False), (1, False), (2, False), (2, True), (3, True)]
    assert [note for note in job.notes if "less kept of each step" in note]
    for name, tensor in wanted.tensors.items():
        torch.testing.assert_close(identity.tensors[name], tensor)


def test_a_face_that_cannot_be_learned_in_this_memory_keeps_what_was_and_says_so(
    desk: Desk, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    advance = Learner.advance

    def hungry(learner: Learner) -> float:
        steps.append(learner.step)
        if learner.step == 2:
            full()
        return advance(learner)

    with monkeypatch.context() as small:
        small.setattr(Learner, "advance", hungry)
        job, identity = learned(desk, backbone)
    assert (job.state, job.attempt, identity) == ("failed", 1, None)
    assert "learning this face does not fit into memory" in job.error
    assert "choose a smaller base" in job.error
    monkeypatch.setattr(Learner, "advance", lambda learner: steps.append(learner.step) or advance(learner))
    desk.jobs.retry(job.id)
    work(desk, OneEngine(backbone))
    assert desk.jobs.get(job.id).state == "done"
    assert steps == [0, 1, 2, 2, 2, 3]


def test_what_says_that_memory_ran_out() -> None:
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert not out_of_memory(RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError) as real:
        torch.empty(2**50)
    assert out_of_memory(real.value)


def test_memory_is_saved_once() -> None:
    spare = leaner(Drawing(base="x"), "cuda:0", "panel 1", "wait")
    assert spare.low_vram
    with pytest.raises(EngineError, match="the GPU, even with parts moved off it: wait"):
        leaner(spare, "cuda:0", "panel 1", "wait")
    with pytest.raises(EngineError, match="panel 1 does not fit into this machine's memory"):
        leaner(Drawing(base="x"), "cpu", "panel 1", "wait")
