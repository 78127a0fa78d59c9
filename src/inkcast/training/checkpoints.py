"""Checkpoints of a run: whole folders or none, the last few kept.

`<run>/checkpoints/step-00001000/` holds accelerate's state (weights, optimiser, loss scale, chance) or, of a sharded
run, every process's `shards`; the whole weights and averaged weights; and `progress.json`, the marker that it is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inkcast.engines.checkpoints import read_checkpoint
from inkcast.errors import TrainingError, WeightsError
from inkcast.files import TEMPORARY, replacing_folder
from inkcast.training.ema import Average, trained
from inkcast.training.sharding import SHARDS, load_shards, save_shards, whole

MARKER = "progress.json"
WEIGHTS = "weights.safetensors"
AVERAGE = "average.safetensors"
ENGINE_PARTS = "parts."
"""Under which an engine's training holds what the engine's file holds."""


@dataclass(frozen=True)
class Unlogged:
    """The last updates, of which the log has no line yet: the seconds they took and waited, and the sums of losses."""

    updates: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    sums: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Progress:
    """Updates done, and the seconds they took; the next sample is `updates * batch`."""

    updates: int = 0
    seconds: float = 0.0
    unlogged: Unlogged = Unlogged()


def read_progress(folder: Path) -> Progress:
    """Of a whole checkpoint; older ones do not tell what was not logged. Raises `TrainingError` for a damaged one."""
    told = read_record(folder / MARKER, "remove that checkpoint and --resume from the one before")
    try:
        return Progress(told["updates"], told["seconds"], Unlogged(**told.get("unlogged", {})))
    except (KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{folder / MARKER} is of another version: remove that checkpoint") from error


def read_record(path: Path, remedy: str) -> dict[str, Any]:
    """A JSON file of a run. Raises `TrainingError` naming it, with the remedy, if it cannot be read."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"cannot read {path}: {remedy}") from error
    if not isinstance(told, dict):
        raise TrainingError(f"{path} is damaged: {remedy}")
    return told


def existing(run: Path) -> list[Path]:
    """The run's whole checkpoints, oldest first."""
    return sorted(marker.parent for marker in (run / "checkpoints").glob(f"step-*/{MARKER}"))


def sweep(run: Path) -> None:
    """Removes what a killed run left: exports, pictures and checkpoints half-written, and checkpoints half-removed."""
    kept = existing(run)
    for left in (*run.glob(f"{TEMPORARY}*"), *run.glob(f"*/{TEMPORARY}*"), *run.glob("checkpoints/step-*")):
        if left.is_dir() and left not in kept:
            shutil.rmtree(left, ignore_errors=True)
        elif left.is_file():
            left.unlink()


@dataclass(frozen=True)
class State:
    """What a checkpoint is of: the prepared things accelerate knows, and the same things as torch's."""

    accelerator: Accelerator
    module: nn.Module
    average: Average | None
    optimizer: torch.optim.Optimizer
    sharded: bool

    def averages(self) -> dict[str, Tensor]:
        return {} if self.average is None else self.average.tensors


def save(run: Path, state: State, progress: Progress, keep: int) -> None:
    """Writes a checkpoint under its final name only when it is whole, then removes all but the last `keep`.

    Every process calls this together: each writes its own chance or shards, the first one the rest.
    """
    accelerator = state.accelerator
    target = run / "checkpoints" / f"step-{progress.updates:08d}"
    staging = run / "checkpoints" / f"{TEMPORARY}{progress.updates}"
    if state.sharded:
        save_shards(staging, state.module, state.optimizer, state.averages())
    else:
        accelerator.save_state(str(staging))
    accelerator.wait_for_everyone()
    weights, average = (whole(t, accelerator.is_main_process) for t in (trained(state.module), state.averages()))
    if accelerator.is_main_process:
        with replacing_folder(target, MARKER, overwrite=True) as folder:
            for part in staging.iterdir():
                part.rename(folder / part.name)
            save_file(weights, folder / WEIGHTS)
            if state.average is not None:
                save_file(average, folder / AVERAGE)
            (folder / MARKER).write_text(json.dumps(asdict(progress)) + "\n")
        shutil.rmtree(staging, ignore_errors=True)
        for old in existing(run)[:-keep]:
            (old / MARKER).unlink()
            shutil.rmtree(old, ignore_errors=True)
    accelerator.wait_for_everyone()


def load(run: Path, state: State) -> Progress:
    """Puts the run's last checkpoint back into what `state` holds; `TrainingError` if it is not of this kind.

    Of a run that has none yet nothing is behind.
    """
    found = existing(run)
    if not found:
        return Progress()
    last = found[-1]
    if state.sharded != (last / SHARDS).exists():
        how = "several processes and sharding.on=true" if not state.sharded else "sharding.on=false"
        raise TrainingError(f"{last} can only be resumed with {how}, as it was made; or start anew with init={run}")
    averaged = (last / AVERAGE).exists()  # a run begun without an average may go on with one, from its weights
    if state.sharded:
        load_shards(last, state.module, state.optimizer, state.averages() if averaged else {})
    else:
        state.accelerator.load_state(str(last))
        state.accelerator.step = 0  # of accumulated parts: `accumulate` may be another than before
    if state.average is not None and not (state.sharded and averaged):
        state.average.load(load_file(last / AVERAGE) if averaged else trained(state.module))
    return read_progress(last)


def initialise(module: nn.Module, path: Path) -> None:
    """Starts `module` from trained weights.

    `path`: a run's folder (its last checkpoint), a checkpoint, a safetensors file (also an engine's or a ControlNet's,
    as it ships), or the folder of a diffusers pipeline, whose parts are taken by the names they have in `module`.

    Averaged weights are taken where there are any. Raises `TrainingError` if there are none or they do not fit.
    """
    tensors = read_parts(path, module) if (path / "model_index.json").exists() else read_weights(path)
    own = dict(module.named_parameters())
    parts = {name.split(".")[1] for name in own if name.startswith(ENGINE_PARTS)}
    for prefix in ("", ENGINE_PARTS, *(f"{ENGINE_PARTS}{part}." for part in sorted(parts))):
        if any(prefix + name in own for name in tensors):
            tensors = {prefix + name: value for name, value in tensors.items()}
            break
    wrong = [name for name, value in tensors.items() if name not in own or own[name].shape != value.shape]
    missing = [name for name, value in own.items() if value.requires_grad and name not in tensors]
    if wrong or missing:
        odd = (wrong + missing)[0]
        raise TrainingError(f"init={path}: {len(wrong) + len(missing)} weights do not fit this recipe, first '{odd}'")
    for name, value in tensors.items():
        own[name].data.copy_(value)


def read_parts(pipeline: Path, module: nn.Module) -> dict[str, Tensor]:
    """The weights of those parts of a pipeline's folder that `module` has too, as `part.name`."""
    files = [file for file in sorted(pipeline.glob("*/*.safetensors")) if hasattr(module, file.parent.name)]
    return {f"{file.parent.name}.{name}": value for file in files for name, value in load_file(file).items()}


def read_weights(path: Path) -> dict[str, Tensor]:
    if path.is_dir():
        folder = (existing(path) or [path])[-1]
        path = folder / AVERAGE if (folder / AVERAGE).exists() else folder / WEIGHTS
    try:
        return dict(read_checkpoint(path).tensors)
    except WeightsError as error:
        raise TrainingError(f"init={path}: {error}; a run's folder or a base's will do too") from None
