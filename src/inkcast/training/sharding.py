"""Training split over processes (FSDP, torch's `fully_shard`): weights, gradients and optimiser state in shards.

accelerate's own FSDP plugin refuses CPUs, where our tests run; torch's function underneath works on both, so the tested
path is the one that GPUs take. See docs/decisions/training-sharding.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

SHARDS = "shards"


def shard(module: nn.Module, processes: int, device: torch.device, unit: int) -> None:
    """Splits the parameters of `module` over `processes`, in place; each process keeps 1/processes of every one.

    The first process's values hold, as with DDP.
    Blocks of at least `unit` parameters are gathered one at a time, just before they run; the rest with the whole.
    """
    mesh = init_device_mesh(device.type, (processes,))
    for tensor in (*module.parameters(), *module.buffers()):
        dist.broadcast(tensor.detach(), src=0)
    for block in blocks(module, unit):
        fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)


def blocks(module: nn.Module, unit: int) -> Iterator[nn.Module]:
    """The innermost members of module lists that have `unit` parameters or more."""
    found: set[nn.Module] = set()
    for parent in reversed(list(module.modules())):  # the inner ones first
        for child in parent.children() if isinstance(parent, nn.ModuleList) else ():
            called = not isinstance(child, nn.ModuleList | nn.ModuleDict)
            if called and sum(p.numel() for p in child.parameters()) >= unit and found.isdisjoint(child.modules()):
                found.add(child)
                yield child


def local(x: Tensor) -> Tensor:
    """This process's part of a sharded tensor, sharing its memory; any other as it is."""
    return x.to_local() if isinstance(x, DTensor) else x


def full(x: Tensor) -> Tensor:
    """The sharded tensor put together (every process must call this); any other as it is."""
    return x.full_tensor() if isinstance(x, DTensor) else x


def whole(tensors: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Sharded tensors put together on the CPU, one after another, where `keep`; every process must call this."""
    gathered = {}
    for name, value in tensors.items():
        together = full(value)
        if keep:
            gathered[name] = together.detach().cpu().contiguous()
    return gathered


def save_shards(
    folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer, average: Mapping[str, Tensor]
) -> None:
    """Weights, optimiser and averaged weights, each process its part; any number of processes can load them."""
    dcp.save(_state(module, optimizer, average), checkpoint_id=str(folder / SHARDS))


def load_shards(
    folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer, average: Mapping[str, Tensor]
) -> None:
    """Puts what `save_shards` wrote back, in place."""
    state = _state(module, optimizer, average)
    dcp.load(state, checkpoint_id=str(folder / SHARDS))
    set_optimizer_state_dict(module, optimizer, state["optimizer"])


def _state(module: nn.Module, optimizer: torch.optim.Optimizer, average: Mapping[str, Tensor]) -> dict[str, Any]:
    weights = {name: p.detach() for name, p in module.named_parameters()}
    return {"weights": weights, "optimizer": get_optimizer_state_dict(module, optimizer), "average": dict(average)}
