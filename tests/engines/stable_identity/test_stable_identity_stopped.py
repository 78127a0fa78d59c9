"""A learning that is stopped anywhere goes on to the words of one that never was, or begins again and says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.engines.stable_identity.people import FAME, Stare, person
from tests.sdxl.test_loras import saved as saved_lora

import inkcast.engines.stable_identity.learn as learn_module
from inkcast.cast.character import Identity
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.engines.stable_identity.learn import Learner, Learning
from inkcast.engines.stable_identity.weights import UNFINISHED, HomeShelf
from inkcast.errors import TrainingError, WeightsError
from inkcast.events import Event, Note, Progress
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.loras import load_loras

QUICK = Learning(steps=5, rate=1e-3, depth=3, views=2)


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of each step that is taken; the state is written after every second."""
    taken: list[int] = []
    advance = Learner.advance

    def counted(learner: Learner) -> float:
        taken.append(learner.step)
        return advance(learner)

    monkeypatch.setattr(Learner, "advance", counted)
    monkeypatch.setattr(learn_module, "KEPT_EVERY", 2)
    return taken


def engine_on(base: Backbone, home: Path, learning: Learning = QUICK, **more: Any) -> StableIdentity:
    return StableIdentity(base, Stare(), fame=FAME, learning=learning, shelf=HomeShelf(home=home), **more)


def whole(base: Backbone, learning: Learning = QUICK) -> Identity:
    """What a learning that nothing stops makes."""
    return StableIdentity(base, Stare(), fame=FAME, learning=learning).learn(person())


def stopping(done: int) -> Callable[[Event], None]:
    def report(event: Event) -> None:
        if isinstance(event, Progress) and event.done == done:
            raise KeyboardInterrupt

    return report


def stop(base: Backbone, home: Path, done: int, learning: Learning = QUICK) -> None:
    with pytest.raises(KeyboardInterrupt):
        engine_on(base, home, learning, report=stopping(done)).encode(person())


def same(one: Identity, other: Identity) -> bool:
    return all(torch.equal(one.tensors[name], other.tensors[name]) for name in ("text_encoder", "text_encoder_2"))


def left(home: Path) -> list[Path]:
    return sorted((home / "learning").iterdir())


def test_encoding_goes_on_where_it_was_stopped(backbone: Backbone, tmp_path: Path, steps: list[int]) -> None:
    wanted = whole(backbone)
    steps.clear()
    stop(backbone, tmp_path, 3)
    assert len(left(tmp_path)) == 1
    assert (tmp_path / "learning").stat().st_mode & 0o077 == 0
    heard: list[Event] = []
    found = engine_on(backbone, tmp_path, report=heard.append).encode(person())
    assert steps == [0, 1, 2, 3, 4]
    assert heard == [Progress("learning", done, 5) for done in (3, 4, 5)]
    assert same(found, wanted)
    assert left(tmp_path) == []
    assert same(engine_on(backbone, tmp_path).encode(person()), wanted)
    assert len(steps) == 5


def test_a_kill_loses_the_steps_since_the_last_writing_alone(
    backbone: Backbone, tmp_path: Path, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = whole(backbone)
    steps.clear()
    with monkeypatch.context() as killed:
        save = Learner.save

        def last(learner: Learner, path: Path) -> None:
            save(learner, path)
            killed.setattr(Learner, "save", lambda *_: None)  # a process that was killed writes nothing more

        killed.setattr(Learner, "save", last)
        stop(backbone, tmp_path, 3)
    found = engine_on(backbone, tmp_path).encode(person())
    assert steps == [0, 1, 2, 2, 3, 4]
    assert same(found, wanted)


def test_a_stop_between_the_weights_and_their_count_is_not_written(
    backbone: Backbone, tmp_path: Path, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes anywhere."""
    wanted = whole(backbone)
    with monkeypatch.context() as torn:
        step = torch.optim.AdamW.step

        def interrupted(optimizer: Any) -> None:
            step(optimizer)
            if len(steps) == 4:
                raise KeyboardInterrupt

        torn.setattr(torch.optim.AdamW, "step", interrupted)
        steps.clear()
        with pytest.raises(KeyboardInterrupt):
            engine_on(backbone, tmp_path).encode(person())
    found = engine_on(backbone, tmp_path).encode(person())
    assert steps == [0, 1, 2, 3, 2, 3, 4]
    assert same(found, wanted)


def test_what_could_not_be_kept_is_not_learned_again(
    backbone: Backbone, tmp_path: Path, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as small:
        small.setattr(HomeShelf, "keep", full)
        with pytest.raises(OSError, match="full"):
            engine_on(backbone, tmp_path).encode(person())
    engine_on(backbone, tmp_path).encode(person())
    assert steps == [0, 1, 2, 3, 4]
    assert left(tmp_path) == []


def flipped(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def junk(path: Path) -> None:
    path.write_bytes(b"junk")


def relabelled(path: Path) -> None:
    """Says that it has more steps than it has."""
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
    save_file(load_file(path), path, metadata={**facts, "inkcast_step": "4"})


def of_another_face(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
    save_file(load_file(path), path, metadata={**facts, "inkcast_learning": "{}"})


@pytest.mark.parametrize(
    ("spoil", "error", "why"),
    [
        (flipped, WeightsError, "is damaged"),
        (cut, WeightsError, "is damaged"),
        (junk, WeightsError, "is damaged"),
        (relabelled, WeightsError, "is damaged"),
        (of_another_face, TrainingError, "was learned otherwise"),
    ],
)
def test_what_does_not_fit_is_learned_anew_and_said(
    backbone: Backbone, tmp_path: Path, steps: list[int], spoil: Callable[[Path], None], error: type, why: str
) -> None:
    wanted = whole(backbone)
    stop(backbone, tmp_path, 3)
    (file,) = left(tmp_path)
    spoil(file)
    steps.clear()
    with pytest.raises(error):
        engine_on(backbone, tmp_path).learn(person(), checkpoint=file, resume=True)
    heard: list[Event] = []
    found = engine_on(backbone, tmp_path, report=heard.append).encode(person())
    assert heard[0] == Note(f"what was left of Ann's learning {why}: learning from the first step")
    assert steps == [0, 1, 2, 3, 4]
    assert same(found, wanted)
    assert left(tmp_path) == []


def test_other_eyes_and_too_many_steps_do_not_fit(backbone: Backbone, tmp_path: Path) -> None:
    class Squint(Stare):
        def look(self, reference: Any) -> Any:
            seen = super().look(reference)
            return replace(seen, features=seen.features.flip(-1))

    stop(backbone, tmp_path, 3)
    (file,) = left(tmp_path)
    engine = engine_on(backbone, tmp_path)
    for engine.eyes in (Squint(), Stare(dim=4)):
        with pytest.raises(TrainingError, match="another face encoder"):
            engine.learn(person(), checkpoint=file, resume=True)
    few = replace(QUICK, steps=2)
    with pytest.raises(TrainingError, match="has 3 steps, not 2 or fewer"):
        engine_on(backbone, tmp_path, few).learn(person(), checkpoint=file, resume=True)
    assert same(engine_on(backbone, tmp_path, few).encode(person()), whole(backbone, few))


def test_other_pictures_settings_bases_and_loras_are_learned_beside_it(backbone: Backbone, tmp_path: Path) -> None:
    engine = engine_on(backbone, tmp_path)
    runs = [engine.run_of(person()), engine.run_of(person(seed=1))]
    runs += [
        engine_on(backbone, tmp_path, learning).run_of(person())
        for learning in (replace(QUICK, rate=1e-4), replace(QUICK, seed=1), replace(QUICK, side=32))
    ]
    for change in ({"digest": "other"}, {"dtype": torch.bfloat16}):
        runs.append(engine_on(replace(backbone, **change), tmp_path).run_of(person()))  # type: ignore[arg-type]
    assert engine_on(backbone, tmp_path, replace(QUICK, steps=9, checkpointing=True)).run_of(person()) == runs[0]
    loras = [saved_lora(backbone, tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2)]
    for lora, scale in ((loras[0], 1.0), (loras[0], 0.5), (loras[1], 1.0)):
        load_loras(backbone, [(lora, scale)])
        runs.append(engine.run_of(person()))
        backbone.pipeline.unload_lora_weights()
    assert len({HomeShelf(home=tmp_path).unfinished(run) for run in runs}) == len(runs) == 10


def test_the_newest_of_the_abandoned_stay(backbone: Backbone, tmp_path: Path, steps: list[int]) -> None:
    """With what killed processes left half written; what goes on now is not among the removed."""
    seeds: dict[Path, int] = {}
    for seed in range(UNFINISHED + 3):
        learning = replace(QUICK, seed=seed)
        stop(backbone, tmp_path, 1, learning)
        (tmp_path / "learning" / f".inkcast-{seed}.safetensors").write_bytes(b"half")
        assert len(left(tmp_path)) <= UNFINISHED + 1
        seeds[HomeShelf(home=tmp_path).unfinished(engine_on(backbone, tmp_path, learning).run_of(person()))] = seed
    oldest = min((path for path in left(tmp_path) if path in seeds), key=lambda path: path.stat().st_mtime_ns)
    steps.clear()
    stop(backbone, tmp_path, 2, replace(QUICK, seed=seeds[oldest]))
    assert steps == [1]
    assert oldest in left(tmp_path)
    assert len(left(tmp_path)) == UNFINISHED
