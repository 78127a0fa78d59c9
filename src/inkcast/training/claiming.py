"""A run takes its folder: what it is begun with is written there, and what resumes it is held against that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from accelerate import Accelerator

from inkcast.errors import TrainingError
from inkcast.files import write_text
from inkcast.training import checkpoints
from inkcast.training.fingerprint import FOLDERS, fingerprints
from inkcast.training.recipe import Recipe

LOG = "log.jsonl"
RECIPE = "recipe.json"
DATA = "data.json"

Noted = Callable[[str], None]


def claim(folder: Path, recipe: Recipe, resume: bool, accelerator: Accelerator) -> None:
    """Takes the run's folder: a new one unless resuming, the same objective and parameters if resuming.

    A run that was stopped before its first checkpoint may be resumed too, from its start.
    Of a run that has a record of its data, their paths may differ: `begin` looks at what lies there.
    """
    if not resume and checkpoints.existing(folder):
        raise TrainingError(f"{folder} holds a run already: give --resume to go on, or --set out=… for another folder")
    if resume and not (checkpoints.existing(folder) or (folder / RECIPE).exists()):
        raise TrainingError(f"nothing to resume in {folder}: no run was begun there; start without --resume")
    if resume and (folder / RECIPE).exists():
        before = checkpoints.read_record(folder / RECIPE, f"start anew {anew(folder)}")
        now = json.loads(recipe.model_dump_json())
        if (folder / DATA).exists():
            for each in (before, now):
                each["parameters"] = {k: v for k, v in each.get("parameters", {}).items() if k not in FOLDERS}
        changed = [key for key in ("objective", "parameters", "seed", "batch") if before.get(key) != now[key]]
        if changed:
            raise TrainingError(
                f"{folder} was begun with another {', '.join(changed)}: go on with the same, or start anew "
                f"{anew(folder)}"
            )
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)


def begin(folder: Path, recipe: Recipe, resume: bool, accelerator: Accelerator, note: Noted) -> None:
    """Records what the run is begun with, its data by their fingerprints; refuses to resume it with other data.

    What is left of a run that was killed goes: half-written files, and the log of one without a checkpoint.
    """
    data, path = fingerprints(recipe.parameters), folder / DATA
    if resume and path.exists():
        before = checkpoints.read_record(path, "remove it to go on without knowing whether the data have changed")
        for name in sorted(before.keys() | data.keys()):
            if before.get(name) != data.get(name):
                raise TrainingError(
                    f"parameters.{name} = {recipe.parameters.get(name)} holds other data than {folder} was begun "
                    f"with: put those back or give their folder, or start anew {anew(folder)}"
                )
    accelerator.wait_for_everyone()
    if not accelerator.is_main_process:
        return
    checkpoints.sweep(folder)
    if not checkpoints.existing(folder):
        (folder / LOG).unlink(missing_ok=True)
    if resume and data and not path.exists():
        note(f"{folder} has no record of the data it was begun with: whether they have changed is not known")
    write_text(path, json.dumps(data, indent=2) + "\n")
    write_text(folder / RECIPE, recipe.model_dump_json(indent=2) + "\n")


def anew(folder: Path) -> str:
    """How to begin another run where one lies that cannot go on."""
    return f"with init={folder}" if checkpoints.existing(folder) else "without --resume"
