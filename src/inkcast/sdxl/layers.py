"""The UNet's attention layers: their names, order and sizes; our processors in and out; K and V for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from inkcast.sdxl.attention import AttentionMemory, KeyValue, Layer, Size


@dataclass(frozen=True)
class LayerInfo:
    """One attention layer. `number` is its place in `unet.attn_processors` (down, up, mid), as checkpoints count it."""

    name: Layer
    number: int
    is_cross: bool
    heads: int
    channels: int  # of queries, and of all heads together
    context_channels: int  # of what keys and values are made of


def attention_layers(unet: Any) -> tuple[LayerInfo, ...]:
    """All attention layers in the order of `unet.attn_processors`; even = self, odd = cross in SDXL."""
    raise NotImplementedError


def execution_order(unet: Any) -> tuple[Layer, ...]:
    """All attention layers as the UNet runs them: down, mid, up."""
    raise NotImplementedError


def prepare(unet: Any) -> None:
    """Install our processors on every attention layer. Doing it twice changes nothing."""
    raise NotImplementedError


def restore(unet: Any) -> None:
    """Give every attention layer diffusers' default processor back."""
    raise NotImplementedError


def check_prepared(unet: Any) -> None:
    """Raise `EngineError` if attention slicing, fused QKV or anything else replaced our processors."""
    raise NotImplementedError


def project_text(unet: Any, embeds: Float[Tensor, "rows tokens channels"]) -> Mapping[Layer, KeyValue]:
    """K = C W_k and V = C W_v for every cross-attention. Call it while LoRA is active; offload hooks are respected."""
    raise NotImplementedError


def fit(memory: AttentionMemory, latent_size: Size) -> AttentionMemory:
    """The memory with `grid` and `region_maps` for latents of this size. Needed with a router, regions or reference."""
    raise NotImplementedError


class LayerProjections(nn.Module):
    """A method's own key and value matrices, one bias-free pair per layer.

    Parameter names are the public ones: `{number}.to_k_ip.weight`, `{number}.to_v_ip.weight` (suffix configurable), with
    `number` as in `LayerInfo`. `in_channels` None: each layer's own `channels` (reference features).
    """

    def __init__(self, layers: Iterable[LayerInfo], in_channels: int | None, suffix: str = "_ip") -> None:
        super().__init__()
        raise NotImplementedError

    def forward(
        self, tokens: Float[Tensor, "rows *subjects tokens channels"] | Mapping[Layer, Tensor]
    ) -> Mapping[Layer, KeyValue]:
        """The same tokens for every layer, or each layer's own; 4-d or 5-d `KeyValue` after the input's axes."""
        raise NotImplementedError
