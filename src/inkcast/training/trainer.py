"""One training run: draw batches, step, log, show, checkpoint; stop at any moment, resume exactly."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import is_tensorboard_available
from PIL import Image
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from inkcast.errors import TrainingError
from inkcast.files import replacing_folder
from inkcast.images import save_png
from inkcast.training import checkpoints
from inkcast.training.checkpoints import Progress, State
from inkcast.training.claiming import LOG, Noted, begin, claim
from inkcast.training.ema import Average
from inkcast.training.loading import batches
from inkcast.training.objective import Objective, build_objective, rebuilt
from inkcast.training.recipe import Recipe
from inkcast.training.schedule import done, rate
from inkcast.training.sharding import full, shard, whole
from inkcast.training.stopping import stopping
from inkcast.training.window import Window

EXPORTED = "export.json"

Report = Callable[[float, dict[str, Any]], None]


def train(
    recipe: Recipe,
    resume: bool = False,
    report: Report = lambda fraction, line: None,
    note: Noted = lambda text: None,
) -> Path:
    """Runs `recipe` to its end, or until it is asked to stop, and returns the run's folder.

    The folder gets `recipe.json`, `data.json`, `log.jsonl`, `samples/`, `checkpoints/` and `export/`, which is always
    the last checkpoint's. SIGTERM and SIGINT let the update at hand finish, write a checkpoint, and end the run.
    Several processes (torchrun) part together: one that ended while another still talks to it could abort that.
    """
    begun = torch.distributed.is_initialized()
    folder = Run(recipe, resume, report, note).run()
    if torch.distributed.is_initialized() and not begun:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return folder


class Run:
    """A training run on this process; several processes (torchrun) each hold one."""

    def __init__(self, recipe: Recipe, resume: bool, report: Report, note: Noted = lambda text: None) -> None:
        if not recipe.steps and not recipe.max_minutes:
            raise TrainingError(f"recipe {recipe.name} has no end: give steps, max_minutes or both")
        self.recipe, self.folder, self.report = recipe, recipe.folder, report
        self.accelerator = start_accelerator(recipe)
        claim(self.folder, recipe, resume, self.accelerator)
        torch.manual_seed(recipe.seed)
        with self.accelerator.main_process_first():
            self.objective: Objective = build_objective(recipe, self.accelerator.device)
        begin(self.folder, recipe, resume, self.accelerator, note)
        self.module: nn.Module = self.objective.module.to(self.accelerator.device)
        if recipe.channels_last:
            channels_last(self.module)
        if recipe.init is not None:
            checkpoints.initialise(self.module, recipe.init)
        self.sharded = recipe.sharding.on and self.accelerator.num_processes > 1
        if self.sharded:
            if recipe.precision == "fp16":
                raise TrainingError(
                    "sharded training does not scale fp16 losses: set precision=bf16 or sharding.on=false"
                )
            shard(self.module, self.accelerator.num_processes, self.accelerator.device, recipe.sharding.unit)
        self.parameters = [p for p in self.module.parameters() if p.requires_grad]
        self.average = Average(self.module, recipe.ema) if recipe.ema else None
        if recipe.compile:
            self.module.compile()
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=recipe.optimizer.learning_rate,
            betas=recipe.optimizer.betas,
            weight_decay=recipe.optimizer.weight_decay,
            eps=recipe.optimizer.epsilon,
            fused=True,
        )
        self.model: nn.Module = self.module if self.sharded else self.accelerator.prepare(self.module)
        self.prepared = self.accelerator.prepare(self.optimizer)
        self.state = State(self.accelerator, self.module, self.average, self.optimizer, self.sharded)
        self.progress = checkpoints.load(self.folder, self.state) if resume else Progress()
        self.saved_at, self.saved_updates = self.progress.seconds, self.progress.updates

    def run(self) -> Path:
        processes, process = self.accelerator.num_processes, self.accelerator.process_index
        supply = batches(self.objective.source, self.recipe, process, processes, self.progress.updates)
        window = Window.of(self.progress.unlogged, self.accelerator.device)
        self.model.train()
        with stopping() as stop, attention_backend(self.accelerator.device):
            while not self.agreed(done(self.recipe, self.progress) >= 1.0 or stop.is_set):
                self.update(supply, window)
                if self.progress.updates % self.recipe.log_every == 0:
                    self.log(window)
                    window = Window()
                if self.recipe.sample_every and self.progress.updates % self.recipe.sample_every == 0:
                    with window.aside():
                        self.show()
                if self.checkpoint_due():
                    with window.aside():
                        self.checkpoint(window)
            if self.progress.updates > self.saved_updates or not checkpoints.existing(self.folder):
                self.checkpoint(window)
            elif self.agreed(self.lags()):
                self.export()
        if done(self.recipe, self.progress) >= 1.0:
            self.deliver()
        if self.recipe.sample_every and self.progress.updates % self.recipe.sample_every:
            self.show()
        return self.folder

    def update(self, supply: Iterator[dict[str, Tensor]], window: Window) -> None:
        """One update from `accumulate` batches; chance inside it depends on seed, update and process alone."""
        recipe, started = self.recipe, time.monotonic()
        factor = rate(recipe.schedule, self.progress.updates, done(recipe, self.progress))
        for group in self.prepared.param_groups:
            group["lr"] = factor * recipe.optimizer.learning_rate
        torch.manual_seed(hash((recipe.seed, self.progress.updates, self.accelerator.process_index)) % 2**63)
        for _ in range(recipe.accumulate):
            waiting = time.monotonic()
            batch = next(supply)
            window.waited += time.monotonic() - waiting
            batch = {name: value.to(self.accelerator.device, non_blocking=True) for name, value in batch.items()}
            with self.accelerator.accumulate(self.model):
                with self.accelerator.autocast():
                    losses = self.model(batch)
                self.accelerator.backward(losses["loss"])
                window.add(losses, 1 / recipe.accumulate)
                if self.accelerator.sync_gradients:
                    norm = self.accelerator.clip_grad_norm_(self.parameters, recipe.optimizer.clip or math.inf)
                    window.add({"gradient_norm": full(norm)}, 1.0)
                self.prepared.step()
                self.prepared.zero_grad()
        self.progress.updates += 1
        window.updates += 1
        if self.average is not None:
            self.average.update(self.progress.updates)
        self.progress.seconds = self.first(self.progress.seconds + time.monotonic() - started)

    def agree(self, window: Window) -> None:
        """Makes the window's sums the mean of all processes'; a loss or a gradient that is no number ends the run.

        To be asked before every line of the log and every checkpoint: weights behind such a loss are not kept.
        """
        window.sums = self.accelerator.reduce(window.sums, "mean")
        # gradients of scaled fp16 losses overflow now and then, and such an update is left out
        for name in ("loss",) if self.recipe.precision == "fp16" else ("loss", "gradient_norm"):
            if name in window.sums and not math.isfinite(value := float(window.sums[name])):
                raise TrainingError(
                    f"the {name.replace('_', ' ')} is {value} at update {self.progress.updates}: resume with a lower "
                    "optimizer.learning_rate or precision=no"
                )

    def log(self, window: Window) -> None:
        """Appends a line to the log."""
        self.agree(window)
        line = window.line(self.progress, self.recipe.batch)
        line["learning_rate"] = self.prepared.param_groups[0]["lr"]
        if self.accelerator.is_main_process:
            with (self.folder / LOG).open("a") as log:
                log.write(json.dumps(line) + "\n")
            self.report(done(self.recipe, self.progress), line)
        if self.recipe.tensorboard:
            self.accelerator.log({k: v for k, v in line.items() if k != "step"}, step=self.progress.updates)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[Objective | None]:
        """The objective with its averaged weights, in evaluation, without gradients; None but on the first process.

        Of a sharded run it is another one, built for the occasion, with the whole weights.
        """
        first = self.accelerator.is_main_process
        with torch.no_grad():
            if self.sharded:
                shards = {name: p.detach() for name, p in self.module.named_parameters()} | self.state.averages()
                weights = whole(shards, keep=first)
                yield rebuilt(self.recipe, self.accelerator.device, weights) if first else None
            elif first:
                self.module.eval()
                with self.average.applied() if self.average is not None else contextlib.nullcontext():
                    yield self.objective
                self.module.train()
            else:
                yield None

    def show(self) -> None:
        with self.averaged() as objective:
            picture = None if objective is None else objective.picture()
        if picture is not None:
            save_png(
                Image.fromarray(picture.numpy()), self.folder / "samples" / f"step-{self.progress.updates:08d}.png"
            )

    def checkpoint_due(self) -> bool:
        every, minutes = self.recipe.checkpoints.every, self.recipe.checkpoints.minutes
        by_step = bool(every) and self.progress.updates % every == 0
        return by_step or (bool(minutes) and self.progress.seconds - self.saved_at >= 60 * minutes)

    def checkpoint(self, window: Window) -> None:
        """Saves the state, then exports the averaged weights."""
        self.agree(window)
        self.progress.unlogged = window.kept()
        checkpoints.save(self.folder, self.state, self.progress, self.recipe.checkpoints.keep)
        self.saved_at, self.saved_updates = self.progress.seconds, self.progress.updates
        self.export()

    def lags(self) -> bool:
        """Whether the export is not the last checkpoint's: the run was killed between the two."""
        if not self.accelerator.is_main_process:
            return False
        with contextlib.suppress(TrainingError):
            found = checkpoints.read_record(self.folder / "export" / EXPORTED, "it is written anew")
            return bool(found.get("step") != self.progress.updates)
        return True

    def export(self) -> None:
        with self.averaged() as objective:
            if objective is not None:
                with replacing_folder(self.folder / "export", EXPORTED, overwrite=True) as folder:
                    objective.export(folder)
                    (folder / EXPORTED).write_text(
                        json.dumps({"run": self.recipe.name, "step": self.progress.updates}) + "\n"
                    )

    def deliver(self) -> None:
        """Puts a finished run's export where the recipe wants it."""
        if self.recipe.export is None or not self.accelerator.is_main_process:
            return
        with replacing_folder(self.recipe.export, EXPORTED, overwrite=True) as folder:
            shutil.copytree(self.folder / "export", folder, dirs_exist_ok=True)

    def first(self, seconds: float) -> float:
        """The first process's seconds: all take their learning rate, checkpoints and end from one clock."""
        if self.accelerator.num_processes == 1:
            return seconds
        told = torch.tensor(seconds, dtype=torch.float64, device=self.accelerator.device)
        torch.distributed.broadcast(told, src=0)
        return float(told)

    def agreed(self, wish: bool) -> bool:
        """Whether any process wishes so: signals may differ between them, what they do may not."""
        if self.accelerator.num_processes == 1:
            return wish
        return bool(self.accelerator.reduce(torch.tensor(float(wish), device=self.accelerator.device)) > 0)


def attention_backend(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """On a CPU attention by plain matrix products: torch's fused kernel is slow backwards there (whole steps of the
    toon UNet take 0.84 of the time without it)."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else contextlib.nullcontext()


def channels_last(module: nn.Module) -> None:
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def start_accelerator(recipe: Recipe) -> Accelerator:
    """Raises `TrainingError` for TensorBoard that is not installed and for a device that is not here."""
    if recipe.tensorboard and not is_tensorboard_available():
        raise TrainingError("tensorboard = true, but TensorBoard is not installed: pip install 'inkcast[train]'")
    here = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if recipe.device not in ("auto", "cpu") and (here is None or here.type != recipe.device):
        raise TrainingError(f"device = {recipe.device} is not available here: set device=auto or device=cpu")
    # unless it is told, accelerate takes torchrun's processes on a CPU for strangers to each other
    accelerator = Accelerator(
        mixed_precision=recipe.precision,
        gradient_accumulation_steps=recipe.accumulate,
        cpu=recipe.device == "cpu" or here is None,
        log_with="tensorboard" if recipe.tensorboard else None,
        project_dir=str(recipe.folder),
    )
    if recipe.tensorboard:
        accelerator.init_trackers("tensorboard")
    return accelerator
