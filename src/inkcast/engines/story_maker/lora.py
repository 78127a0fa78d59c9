"""LoRA on every attention (StoryMaker eq. 8): fused into the UNet's weights for drawing, beside them for training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from inkcast.sdxl.layers import LayerInfo, LayerProjections, attention_layers

TARGETS = ("to_q", "to_k", "to_v", "to_out")


def lora_layers(layer: LayerInfo, rank: int) -> dict[str, nn.Module]:
    """`to_q_lora` to `to_out_lora` of one attention layer; Delta W starts at zero."""
    return {
        f"{name}_lora": _pair(layer.context_channels if name in ("to_k", "to_v") else layer.channels, layer, rank)
        for name in TARGETS
    }


def _pair(inputs: int, layer: LayerInfo, rank: int) -> nn.ModuleDict:
    down, up = nn.Linear(inputs, rank, bias=False), nn.Linear(rank, layer.channels, bias=False)
    nn.init.normal_(down.weight, std=1 / rank)
    nn.init.zeros_(up.weight)
    return nn.ModuleDict({"down": down, "up": up})


def _projection(attn: Any, name: str) -> nn.Module:
    return attn.to_out[0] if name == "to_out" else attn.get_submodule(name)


def _pairs(unet: Any, parts: LayerProjections) -> Iterator[tuple[nn.Module, nn.ModuleDict]]:
    """Each of the UNet's projections with its LoRA."""
    for layer in attention_layers(unet):
        attn, own = unet.get_submodule(layer.name), parts.get_submodule(str(layer.number))
        for name in TARGETS:
            yield _projection(attn, name), own[f"{name}_lora"]  # type: ignore[index]


def delta(lora: nn.ModuleDict) -> Tensor:
    """Delta W = up down of eq. 8, in float32."""
    return lora["up"].weight.float() @ lora["down"].weight.float()  # type: ignore[operator]


@contextmanager
def fused(unet: Any, parts: LayerProjections, scale: float) -> Iterator[None]:
    """W + scale * Delta W inside the block, W to the bit after it, put back from copies on the CPU.

    A LoRA of the user's, loaded by peft, wraps the layer; what it wraps is changed here, and the wrapping left alone.
    """
    kept: list[tuple[nn.Parameter, Tensor]] = []
    try:
        with torch.no_grad():
            for projection, lora in _pairs(unet, parts):
                weight: nn.Parameter = getattr(projection, "base_layer", projection).weight  # type: ignore[assignment]
                kept.append((weight, weight.detach().to("cpu", copy=True)))
                weight.copy_(weight.float() + scale * delta(lora).to(weight.device))
        yield
    finally:
        with torch.no_grad():
            for weight, before in kept:
                weight.copy_(before)


@contextmanager
def beside(unet: Any, parts: LayerProjections) -> Iterator[None]:
    """x W + up(down(x)) inside the block: the same function as `fused` at scale 1, with gradients to the LoRA."""

    def add(lora: nn.ModuleDict) -> Any:
        return lambda _, args, out: out + lora["up"](lora["down"](args[0]))

    with ExitStack() as hooks:
        for projection, lora in _pairs(unet, parts):
            hooks.callback(projection.register_forward_hook(add(lora)).remove)
        yield
