"""Which samples each process takes, made ahead by worker processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from inkcast.errors import TrainingError
from inkcast.training.objective import Source
from inkcast.training.recipe import Recipe

NICENESS = 10


@dataclass(frozen=True)
class Parts:
    """Endless lists of sample indices for one process.

    An update takes `batch` consecutive samples, cut into `accumulate * processes` equal parts, shared out in turn.
    """

    batch: int
    accumulate: int
    process: int
    processes: int
    first_update: int

    def __iter__(self) -> Iterator[list[int]]:
        size = self.batch // (self.accumulate * self.processes)
        update = self.first_update
        while True:
            for part in range(self.accumulate):
                start = update * self.batch + (part * self.processes + self.process) * size
                yield list(range(start, start + size))
            update += 1


def batches(
    source: Source, recipe: Recipe, process: int, processes: int, first_update: int
) -> Iterator[dict[str, Tensor]]:
    """Endless collated batches of this process, from an update on; `TrainingError` if `batch` does not divide."""
    if recipe.batch % (recipe.accumulate * processes):
        raise TrainingError(
            f"batch = {recipe.batch} cannot be cut into {recipe.accumulate} accumulated parts on {processes} "
            "processes; choose a multiple"
        )
    workers = recipe.loader.workers
    loader = DataLoader(
        cast(Dataset[dict[str, Tensor]], source),
        batch_sampler=cast(list[list[int]], Parts(recipe.batch, recipe.accumulate, process, processes, first_update)),
        num_workers=workers,
        prefetch_factor=recipe.loader.prefetch if workers else None,
        worker_init_fn=be_modest if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
    return iter(loader)


def be_modest(worker: int) -> None:
    os.nice(NICENESS)
    torch.set_num_threads(1)
