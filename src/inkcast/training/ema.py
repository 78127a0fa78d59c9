"""An exponential moving average of what is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from inkcast.training.sharding import local


def trained(module: nn.Module) -> dict[str, Tensor]:
    """Detached copies of the parameters that require gradients, by name."""
    return {name: p.detach().clone().contiguous() for name, p in module.named_parameters() if p.requires_grad}


class Average:
    """`average <- d average + (1 - d) weights` with `d = min(decay, (1 + n) / (10 + n))` at the n-th update.

    The ramp (as in TensorFlow's ExponentialMovingAverage) keeps the first, random weights from lingering.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = module
        self.tensors = trained(module)

    @torch.no_grad()
    def update(self, updates: int) -> None:
        keep = min(self.decay, (1 + updates) / (10 + updates))
        weights = [local(p.detach()) for p in self.module.parameters() if p.requires_grad]
        torch._foreach_lerp_([local(x) for x in self.tensors.values()], weights, 1 - keep)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Puts the average into the module for the block, then the trained weights back."""
        own = trained(self.module)
        self._put(self.tensors)
        try:
            yield
        finally:
            self._put(own)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        for name, value in self.tensors.items():
            value.copy_(tensors[name])

    @torch.no_grad()
    def _put(self, tensors: Mapping[str, Tensor]) -> None:
        for name, parameter in self.module.named_parameters():
            if name in tensors:
                parameter.copy_(tensors[name])
