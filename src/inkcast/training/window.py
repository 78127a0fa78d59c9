"""The line of the log that is in the making."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from inkcast.training.checkpoints import Progress, Unlogged


@dataclass
class Window:
    """What happened since the last line of the log."""

    started: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    updates: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, kept: Unlogged, device: torch.device) -> Window:
        """The window as a checkpoint kept it."""
        sums = {name: torch.tensor(value, device=device) for name, value in kept.sums.items()}
        return cls(time.monotonic() - kept.seconds, kept.waited, kept.updates, sums)

    def kept(self) -> Unlogged:
        sums = {name: float(value) for name, value in self.sums.items()}
        return Unlogged(self.updates, time.monotonic() - self.started, self.waited, sums)

    def add(self, losses: dict[str, Tensor], weight: float) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, torch.zeros((), device=value.device)) + weight * value.detach()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """For what is no training: pictures, checkpoints."""
        began = time.monotonic()
        yield
        self.started += time.monotonic() - began

    def line(self, progress: Progress, batch: int) -> dict[str, Any]:
        """The window as one record: means, images per second, and the share of the time spent waiting for data."""
        seconds = time.monotonic() - self.started
        return {
            "step": progress.updates,
            **{name: float(f"{float(value) / self.updates:.6g}") for name, value in self.sums.items()},
            "images_per_second": round(self.updates * batch / seconds, 2),
            "waiting": round(self.waited / seconds, 4),
            "minutes": round(progress.seconds / 60, 3),
        }
