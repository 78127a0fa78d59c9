"""The trainer on a toy: resume is exact, clipping clips, several processes are one, nothing is ever half-written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from inkcast.errors import TrainingError
from inkcast.training import checkpoints
from inkcast.training.recipe import Recipe, Schedule
from inkcast.training.schedule import rate
from inkcast.training.trainer import Run, train
from inkcast.training.window import Window

Make = Callable[..., Recipe]


class CrashError(Exception):
    pass


def crash_at(step: int) -> Callable[[float, dict[str, Any]], None]:
    def report(fraction: float, line: dict[str, Any]) -> None:
        if line["step"] == step:
            raise CrashError

    return report


def stop_at(step: int) -> Callable[[Run], None]:
    """SIGTERM within an update, as `Run.update` ends."""
    update = Run.update

    def stopped(run: Run, *arguments: Any) -> None:
        update(run, *arguments)
        if run.progress.updates == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return stopped


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def curve(run: Path) -> dict[int, tuple[float, float, float, float]]:
    """By step: loss, first sample, gradient norm and learning rate; of a step logged twice the later line."""
    return {
        line["step"]: (line["loss"], line["first"], line["gradient_norm"], line["learning_rate"]) for line in lines(run)
    }


def exported(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "export" / "toy.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], tolerance: float = 0.0) -> bool:
    return a.keys() == b.keys() and all(torch.allclose(a[k], b[k], rtol=tolerance, atol=tolerance) for k in a)


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2}, {"loader": {"workers": 1}}, {"precision": "bf16"}])
def test_a_resumed_run_is_the_uninterrupted_one(toy_recipe: Make, changes: dict[str, Any]) -> None:
    changes = {"parameters": {"dropout": 0.5}, **changes}
    whole = train(toy_recipe("whole", **changes))
    with pytest.raises(CrashError):
        train(toy_recipe("cut", **changes), report=crash_at(8))
    cut = train(toy_recipe("cut", **changes), resume=True)
    assert [line["step"] for line in lines(cut)] == [*range(1, 9), *range(6, 13)]
    assert curve(cut) == curve(whole)
    assert same(exported(cut), exported(whole))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_line_of_the_log_reaches_over_a_checkpoint(
    toy_recipe: Make, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    """Lines at 5, 10 and 15, stopped at 8: the mean at 10 is of five updates, in a run that went on too."""
    changes = {"steps": 15, "log_every": 5, "accumulate": accumulate, "checkpoints": {"every": 0, "minutes": 0}}
    whole = train(toy_recipe("whole", **changes))
    with monkeypatch.context() as patch:
        patch.setattr(Run, "update", stop_at(8))
        cut = train(toy_recipe("cut", **changes))
    assert [line["step"] for line in lines(cut)] == [5]
    train(toy_recipe("cut", **changes), resume=True)
    assert [line["step"] for line in lines(cut)] == [5, 10, 15]
    assert curve(cut) == curve(whole)


def test_other_seeds_train_otherwise(toy_recipe: Make) -> None:
    assert not same(exported(train(toy_recipe("one"))), exported(train(toy_recipe("two", seed=1))))


def test_every_sample_is_seen_once_and_in_order(toy_recipe: Make) -> None:
    run = Run(toy_recipe(accumulate=4), resume=False, report=lambda fraction, line: None)
    run.run()
    assert run.module.seen == list(range(12 * 8))


def test_accumulated_parts_are_one_batch(toy_recipe: Make) -> None:
    assert same(exported(train(toy_recipe("one"))), exported(train(toy_recipe("four", accumulate=4))), 1e-5)


def test_clipping_clips(toy_recipe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    step = torch.optim.AdamW.step

    def measured(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", measured)
    train(toy_recipe("clipped", optimizer={"clip": 0.5}, accumulate=2))
    assert norms == pytest.approx([0.5] * 12, rel=1e-3)
    norms.clear()
    train(toy_recipe("free", optimizer={"clip": 0.0}))
    assert len(norms) == 12
    assert min(norms) > 100


def test_logged_gradient_norm_is_that_before_clipping(toy_recipe: Make) -> None:
    run = train(toy_recipe(optimizer={"clip": 0.5}))
    assert min(line["gradient_norm"] for line in lines(run)) > 100


def test_export_is_the_moving_average(toy_recipe: Make) -> None:
    path: list[torch.Tensor] = []

    def keep(fraction: float, line: dict[str, Any]) -> None:
        path.append(run.module.layers[0].bias.detach().clone())

    run = Run(toy_recipe(ema=0.5, steps=20), resume=False, report=keep)
    average = run.module.layers[0].bias.detach().clone()
    run.run()
    for n, weights in enumerate(path, start=1):
        keep_share = min(0.5, (1 + n) / (10 + n))
        average = keep_share * average + (1 - keep_share) * weights
    assert torch.allclose(exported(run.folder)["layers.0.bias"], average, atol=1e-6)
    assert torch.equal(run.module.layers[0].bias, path[-1])


def test_sigterm_ends_with_a_checkpoint_of_the_update_at_hand(toy_recipe: Make) -> None:
    def stop(fraction: float, line: dict[str, Any]) -> None:
        if line["step"] == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    run = train(toy_recipe("cut"), report=stop)
    assert signal.getsignal(signal.SIGTERM) is before
    assert checkpoints.existing(run)[-1].name == "step-00000007"
    assert json.loads((run / "export" / "export.json").read_text())["step"] == 7
    assert same(exported(train(toy_recipe("cut"), resume=True)), exported(train(toy_recipe("whole"))))


def test_the_last_few_checkpoints_are_kept(toy_recipe: Make) -> None:
    run = train(toy_recipe(checkpoints={"every": 2, "keep": 3, "minutes": 0}))
    assert [folder.name[-2:] for folder in checkpoints.existing(run)] == ["08", "10", "12"]


def test_checkpoints_by_the_clock(toy_recipe: Make) -> None:
    run = train(toy_recipe(checkpoints={"every": 0, "keep": 99, "minutes": 1e-9}))
    assert len(checkpoints.existing(run)) == 12


def test_a_failed_checkpoint_leaves_the_earlier_one(toy_recipe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file = checkpoints.save_file

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if "average" in path.name and progress.updates == 10:
            raise OSError(28, "No space left on device")
        save_file(tensors, path)

    monkeypatch.setattr(checkpoints, "save_file", full)
    run = Run(toy_recipe(), resume=False, report=lambda fraction, line: None)
    progress = run.progress
    with pytest.raises(Exception, match="disk is full"):
        run.run()
    assert [folder.name for folder in (run.folder / "checkpoints").glob("step-*")] == ["step-00000005"]
    monkeypatch.undo()
    assert same(exported(train(toy_recipe(), resume=True)), exported(train(toy_recipe("whole"))))


def test_a_run_killed_between_its_last_checkpoint_and_its_export_delivers_the_last(
    toy_recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, export = toy_recipe(export=tmp_path / "weights"), Run.export

    def killed_at_the_end(run: Run) -> None:
        if run.progress.updates == recipe.steps:
            raise CrashError
        export(run)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "export", killed_at_the_end)
        with pytest.raises(CrashError):
            train(recipe)
    run = train(recipe, resume=True)
    assert json.loads((tmp_path / "weights" / "export.json").read_text())["step"] == recipe.steps
    assert same(exported(run), exported(train(toy_recipe("whole"))))


def test_waiting_is_a_share_of_the_time_in_which_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    window = Window(started=100.0)
    window.waited, window.updates, clock[0] = 1.0, 2, 104.0
    with window.aside():  # a checkpoint
        clock[0] = 200.0
    clock[0] = 201.0
    line = window.line(checkpoints.Progress(2, 5.0), batch=10)
    assert (line["waiting"], line["images_per_second"]) == (0.2, 4.0)
    kept, clock[0] = window.kept(), 9.0  # another process's clock
    assert Window.of(kept, torch.device("cpu")).line(checkpoints.Progress(2, 5.0), batch=10) == line


def test_the_rate_drops_where_it_is_told_to() -> None:
    schedule = Schedule(decay="constant", drop_after=4000, drop_to=0.5)
    assert [rate(schedule, update, 0.5) for update in (0, 3999, 4000, 7999)] == [1.0, 1.0, 0.5, 0.5]
    assert rate(Schedule(decay="constant"), 7999, 0.9) == 1.0


def test_init_takes_the_averaged_weights_and_nothing_else(toy_recipe: Make) -> None:
    first = train(toy_recipe("first"))
    run = Run(toy_recipe("second", init=first), resume=False, report=lambda fraction, line: None)
    average = load_file(checkpoints.existing(first)[-1] / "average.safetensors")
    assert same(checkpoints.trained(run.module), average)
    assert run.progress.updates == 0
    assert not run.optimizer.state
    run.run()
    assert lines(run.folder)[0]["loss"] < lines(first)[0]["loss"]


def test_init_refuses_weights_of_another_shape(toy_recipe: Make, tmp_path: Path) -> None:
    checkpoints.save_file({"layers.0.weight": torch.zeros(1, 1)}, tmp_path / "odd.safetensors")
    with pytest.raises(TrainingError, match=r"init=.*odd\.safetensors: 4 weights do not fit"):
        train(toy_recipe(init=tmp_path / "odd.safetensors"))
    with pytest.raises(TrainingError, match="no weights at"):
        train(toy_recipe(init=tmp_path / "absent"))


def test_a_run_is_not_overwritten_nor_resumed_as_another(toy_recipe: Make) -> None:
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(toy_recipe(), resume=True)
    with pytest.raises(CrashError):
        train(toy_recipe(), report=crash_at(3))
    with pytest.raises(TrainingError, match="begun with another batch: go on with the same, or start anew without --r"):
        train(toy_recipe(batch=4), resume=True)
    train(toy_recipe(steps=3))
    with pytest.raises(TrainingError, match="holds a run already"):
        train(toy_recipe(steps=3))
    with pytest.raises(TrainingError, match=r"begun with another parameters, batch: .* with init="):
        train(toy_recipe(batch=4, parameters={"dropout": 0.1}), resume=True)


def test_a_damaged_record_of_a_run_is_named(toy_recipe: Make) -> None:
    run = train(toy_recipe(steps=3))
    whole = {name: (run / name).read_text() for name in ("recipe.json", "data.json", "export/export.json")}
    last = next(run.glob("checkpoints/*/progress.json"))
    for path, remedy in (
        (run / "recipe.json", "start anew with init="),
        (run / "data.json", "remove it to go on"),
        (last, "remove that checkpoint"),
    ):
        kept = path.read_text()
        for damage in ("", "{", "[]", "\x00"):
            path.write_text(damage)
            with pytest.raises(TrainingError, match=rf"{path.name}.*: {remedy}"):
                train(toy_recipe(steps=4), resume=True)
        path.write_text(kept)
    last.write_text("{}")
    with pytest.raises(TrainingError, match="of another version"):
        train(toy_recipe(steps=4), resume=True)
    last.write_text(kept)
    (run / "export" / "export.json").write_text("{")
    train(toy_recipe(steps=3), resume=True)
    assert (run / "export" / "export.json").read_text() == whole["export/export.json"]


@pytest.mark.parametrize("resume", [True, False])
def test_a_run_killed_before_its_first_checkpoint_begins_again(toy_recipe: Make, resume: bool) -> None:
    with pytest.raises(CrashError):
        train(toy_recipe("cut"), report=crash_at(4))
    cut = train(toy_recipe("cut"), resume=resume)
    whole = train(toy_recipe("whole"))
    assert [line["step"] for line in lines(cut)] == list(range(1, 13))
    assert curve(cut) == curve(whole)
    assert same(exported(cut), exported(whole))


def test_what_a_killed_run_left_goes_at_the_next_start(toy_recipe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an export, half a checkpoint, half a file, and a checkpoint half-removed: never taken for a whole one."""
    recipe = toy_recipe(steps=4, checkpoints={"every": 1, "keep": 2, "minutes": 0})
    rmtree = shutil.rmtree

    def killed_within(path: Path, ignore_errors: bool = False) -> None:
        if path.name.startswith("step-"):
            (path / "weights.safetensors").unlink()
            raise CrashError
        rmtree(path, ignore_errors)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed_within)
        with pytest.raises(CrashError):
            train(recipe)
    run = recipe.folder
    assert [folder.name[-1] for folder in checkpoints.existing(run)] == ["2", "3"]
    assert (run / "checkpoints" / "step-00000001").is_dir()
    for left in (".inkcast-export", "checkpoints/.inkcast-7"):
        (run / left).mkdir()
        (run / left / "half").touch()
    (run / "samples").mkdir()
    for name in (".inkcast-0.json", "samples/.inkcast-1.png", "samples/step-1.png", "notes.txt"):
        (run / name).touch()
    Run(recipe, resume=True, report=lambda fraction, line: None)
    assert {path.name for path in run.iterdir()} == {
        "checkpoints", "data.json", "export", "log.jsonl", "notes.txt", "recipe.json", "samples",
    }  # fmt: skip
    assert [path.name for path in (run / "samples").iterdir()] == ["step-1.png"]
    assert [folder.name[-1] for folder in sorted((run / "checkpoints").iterdir())] == ["2", "3"]


def test_a_longer_end_may_be_resumed(toy_recipe: Make) -> None:
    train(toy_recipe(steps=3))
    assert len(lines(train(toy_recipe(steps=5), resume=True))) == 5


def test_a_resumed_run_may_cut_its_updates_otherwise(toy_recipe: Make) -> None:
    """`accumulate` from 1 to 4 after five updates: every update is still of one whole batch."""
    one = curve(train(toy_recipe("one", schedule={"decay": "constant"})))
    train(toy_recipe("four", steps=5, schedule={"decay": "constant"}))
    four = curve(train(toy_recipe("four", accumulate=4, schedule={"decay": "constant"}), resume=True))
    assert [norm for _, _, norm, _ in four.values()] == pytest.approx(
        [norm for _, _, norm, _ in one.values()], rel=1e-4
    )


def test_a_run_without_an_average_may_go_on_with_one(toy_recipe: Make) -> None:
    """It starts at the weights there are, not at those that the resumed process was built with."""
    first = train(toy_recipe(ema=0.0, steps=3))
    weights = load_file(checkpoints.existing(first)[-1] / "weights.safetensors")
    run = Run(toy_recipe(ema=0.9, steps=5), resume=True, report=lambda fraction, line: None)
    assert same(run.state.averages(), weights)
    run.run()
    assert (checkpoints.existing(first)[-1] / "average.safetensors").is_file()


def test_a_loss_that_is_no_number_ends_the_run_before_it_is_kept(toy_recipe: Make) -> None:
    with pytest.raises(TrainingError, match="the loss is nan at update 8"):
        train(toy_recipe(parameters={"broken": 7 * 8 + 3}))
    assert checkpoints.existing(toy_recipe().folder)[-1].name == "step-00000005"


@pytest.mark.parametrize("parameters", [{"broken": 10 * 8 + 3}, {"steep": 10 * 8 + 3}])
@pytest.mark.parametrize(
    ("every", "minutes", "stop", "kept"),
    [(3, 0, None, 9), (0, 1e-9, None, 10), (5, 0, 11, 10), (5, 0, None, 10)],
    ids=["by steps", "by the clock", "at SIGTERM", "at the end"],
)
def test_weights_behind_such_a_loss_are_never_kept(
    toy_recipe: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, int],
    every: int,
    minutes: float,
    stop: int | None,
    kept: int,
) -> None:
    """The log is due after the checkpoint; update 11 is `broken` in its loss, or `steep`: in its gradient alone."""
    target = tmp_path / "weights"
    train(toy_recipe("before", steps=2, export=target))
    if stop is not None:
        monkeypatch.setattr(Run, "update", stop_at(stop))
    recipe = toy_recipe(
        parameters=parameters,
        log_every=1000,
        export=target,
        checkpoints={"every": every, "minutes": minutes},
    )
    with pytest.raises(TrainingError, match=r"the (loss|gradient norm) is nan at update 1[12]: resume with a lower"):
        train(recipe)
    assert checkpoints.existing(recipe.folder)[-1].name == f"step-{kept:08d}"
    assert json.loads((recipe.folder / "export" / "export.json").read_text())["step"] == kept
    assert json.loads((target / "export.json").read_text())["step"] == 2


def test_a_scaled_loss_may_overflow_now_and_then(toy_recipe: Make) -> None:
    """fp16 leaves such an update out: its gradient is no number, its loss is."""
    run = Run(toy_recipe(), resume=False, report=lambda fraction, line: None)
    window = Window(updates=1, sums={"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(float("inf"))})
    with pytest.raises(TrainingError, match="the gradient norm is inf"):
        run.agree(window)
    run.recipe = run.recipe.model_copy(update={"precision": "fp16"})
    run.agree(window)


def test_the_clock_anneals(toy_recipe: Make) -> None:
    started = time.monotonic()
    run = train(toy_recipe(steps=0, max_minutes=0.01, schedule={"decay": "linear"}))
    assert 0.5 < time.monotonic() - started < 10
    rates = [line["learning_rate"] for line in lines(run)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * rates[0]


def test_a_finished_run_is_delivered_a_stopped_one_is_not(toy_recipe: Make, tmp_path: Path) -> None:
    def stop(fraction: float, line: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    target = tmp_path / "weights"
    train(toy_recipe(export=target), report=stop)
    assert not target.exists()
    run = train(toy_recipe(export=target), resume=True)
    assert same(load_file(target / "toy.safetensors"), exported(run))


def test_samples_and_tensorboard(toy_recipe: Make) -> None:
    run = train(toy_recipe(sample_every=6, tensorboard=True))
    assert sorted(p.name for p in (run / "samples").iterdir()) == ["step-00000006.png", "step-00000012.png"]
    assert list(run.rglob("events.out.tfevents*"))


def test_a_device_that_is_not_here_is_refused(toy_recipe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    recipe = toy_recipe(steps=1, device="cuda")
    with pytest.raises(TrainingError, match="device = cuda is not available here"):
        train(recipe)
    assert not recipe.folder.exists()


def test_a_run_needs_an_end_and_a_batch_that_divides(toy_recipe: Make) -> None:
    with pytest.raises(TrainingError, match="no end"):
        train(toy_recipe(steps=0))
    with pytest.raises(TrainingError, match="cannot be cut into 3"):
        train(toy_recipe(accumulate=3))
