"""Fit a memory to the latents' size before the loop: the UNet's resolutions, and what regions allow at each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from inkcast.errors import EngineError
from inkcast.sdxl.attention import AttentionMemory, Regions, Size, SteppedRouter, one_hot_gate


def resolutions(latent_size: Size) -> Mapping[int, Size]:
    """Pixel count -> (height, width) of every resolution in the UNet; its convolutions halve, rounding up."""
    height, width = latent_size
    grid = {height * width: (height, width)}
    while height * width > 1:
        height, width = (height + 1) // 2, (width + 1) // 2
        grid.setdefault(height * width, (height, width))
    return grid


def fit(memory: AttentionMemory, latent_size: Size) -> AttentionMemory:
    """The memory of one drawing: with `grid` and `region_maps` for latents of this size. Needed with a router, regions
    or `present`."""
    grid = resolutions(latent_size)
    router = memory.router.begin(latent_size) if isinstance(memory.router, SteppedRouter) else memory.router
    memory = replace(memory, grid=grid, router=router)
    allowed = _allowed(memory)
    if allowed is None:
        return memory
    blocks = _token_blocks(memory, allowed.shape[1])
    maps = {}
    for pixels, size in grid.items():
        # Area averaging going down, so that a box smaller than a pixel leaves a trace; any trace counts as inside.
        level = F.interpolate(allowed, size=size, mode="area").flatten(2)
        if blocks is not None:
            maps[pixels] = _token_regions(level, blocks)
        else:
            maps[pixels] = _routing_regions(level, exclusive=memory.regions is not None)
    return replace(memory, region_maps=maps)


def _allowed(memory: AttentionMemory) -> Float[Tensor, "rows subjects height width"] | None:
    if memory.regions is None and memory.present is None:
        return None
    if memory.present is None:
        return memory.regions
    present = rearrange(memory.present.float(), "rows subjects -> rows subjects 1 1")
    return present if memory.regions is None else present * memory.regions


def _token_blocks(memory: AttentionMemory, subjects: int) -> int | None:
    """Tokens per subject where all subjects share one softmax, else None."""
    first = next(iter(memory.subjects.values()), None)
    if first is None or first.key.ndim == 5:
        return None
    tokens = first.key.shape[2]
    if tokens % subjects:
        raise EngineError(
            f"{tokens} subject tokens cannot be shared out to {subjects} regions: give one region per subject"
        )
    return tokens // subjects


def _routing_regions(allowed: Float[Tensor, "rows subjects pixels"], exclusive: bool) -> Regions:
    """`exclusive`: one subject a pixel, the smaller region winning; the background gets what nobody claims."""
    background = torch.ones_like(allowed[:, :1])
    if exclusive:
        claims = torch.where(allowed > 0, 2.0 - allowed.mean(dim=2, keepdim=True), 0.0)
        gates = one_hot_gate(torch.cat([claims, background * 0.5], dim=1))
    else:
        gates = torch.cat([allowed, torch.zeros_like(background)], dim=1)
    return Regions(allowed=torch.cat([allowed, background], dim=1), gates=gates)


def _token_regions(allowed: Float[Tensor, "rows subjects pixels"], tokens: int) -> Regions:
    inside: Bool[Tensor, "rows subjects pixels"] = allowed > 0
    reached = inside.any(dim=1, keepdim=True)
    # A softmax over nothing would be NaN: open such pixels here and take them out again by `reached`.
    mask = (inside | ~reached).repeat_interleave(tokens, dim=1)
    return Regions(
        allowed=allowed,
        gates=inside.float(),
        mask=rearrange(mask, "rows tokens pixels -> rows 1 pixels tokens"),
        reached=rearrange(reached.float(), "rows 1 pixels -> rows pixels 1"),
    )
