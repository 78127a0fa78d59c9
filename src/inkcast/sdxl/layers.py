"""The UNet's attention layers: their names, order and sizes; our processors in and out; K and V for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from accelerate.hooks import CpuOffload
from diffusers.models.attention_processor import AttnProcessor2_0
from jaxtyping import Float
from torch import Tensor, nn

from inkcast.errors import EngineError
from inkcast.sdxl.attention import KeyValue, Layer
from inkcast.sdxl.processors import CrossAttention, SelfAttention, split_heads

_SUFFIX = ".processor"


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
    return tuple(_info(unet, key.removesuffix(_SUFFIX), n) for n, key in enumerate(unet.attn_processors))


def _info(unet: Any, name: Layer, number: int) -> LayerInfo:
    attn = unet.get_submodule(name)
    return LayerInfo(name, number, attn.is_cross_attention, attn.heads, attn.inner_dim, attn.cross_attention_dim)


def execution_order(unet: Any) -> tuple[Layer, ...]:
    """All attention layers as the UNet runs them: down, mid, up."""
    stages = ("down_blocks", "mid_block", "up_blocks")
    return tuple(sorted((layer.name for layer in attention_layers(unet)), key=lambda n: stages.index(n.split(".")[0])))


def _processors(unet: Any) -> dict[Layer, SelfAttention | CrossAttention]:
    crosses = {layer.name: layer.is_cross for layer in attention_layers(unet)}
    processors: dict[Layer, SelfAttention | CrossAttention] = {}
    preceding: Layer | None = None
    for name in execution_order(unet):
        if crosses[name]:
            processors[name], preceding = CrossAttention(name), name
        else:
            processors[name] = SelfAttention(name, preceding)
    return processors


def prepare(unet: Any) -> None:
    """Install our processors on every attention layer. Doing it twice changes nothing."""
    for layer in attention_layers(unet):
        _refuse_unusual(layer.name, unet.get_submodule(layer.name))
    unet.set_attn_processor({name + _SUFFIX: processor for name, processor in _processors(unet).items()})


def _refuse_unusual(name: Layer, attn: Any) -> None:
    usual = (
        attn.group_norm is None
        and attn.spatial_norm is None
        and attn.norm_q is None
        and not attn.norm_cross
        and not attn.residual_connection
        and attn.rescale_output_factor == 1.0
        and attn.added_kv_proj_dim is None
        and attn.scale_qk
    )
    if not usual:
        raise EngineError(f"the UNet's layer {name} is not SDXL's kind of attention: use an SDXL or SD 2.1 base")


def restore(unet: Any) -> None:
    """Give every attention layer diffusers' default processor back."""
    unet.set_attn_processor({key: AttnProcessor2_0() for key in unet.attn_processors})


def check_prepared(unet: Any) -> None:
    """Every draw and training step starts here: with other processors the identity would silently be lost.

    Raises:
        EngineError: attention slicing, fused QKV or anything else replaced our processors.
    """
    expected = _processors(unet)
    for name, processor in unet.attn_processors.items():
        layer = name.removesuffix(_SUFFIX)
        if processor != expected[layer]:
            raise EngineError(
                f"the attention processor of {layer} was replaced by {type(processor).__name__}: characters would be "
                "lost: turn off attention slicing, fused QKV projections and xFormers"
            )


def _bring_in(unet: Any) -> None:
    """Under model offload, move the UNet to its device as its own forward would."""
    hook = getattr(unet, "_hf_hook", None)
    if isinstance(hook, CpuOffload):
        hook.pre_forward(unet)


def project_text(unet: Any, embeds: Float[Tensor, "rows tokens channels"]) -> Mapping[Layer, KeyValue]:
    """K = C W_k and V = C W_v for every cross-attention. Call it while LoRA is active; offload hooks are respected."""
    _bring_in(unet)
    if unet.device.type != "meta":
        embeds = embeds.to(unet.device)
    embeds = embeds.to(unet.dtype)
    memory = {}
    for layer in attention_layers(unet):
        if layer.is_cross:
            attn = unet.get_submodule(layer.name)
            key, value = attn.to_k(embeds), attn.to_v(embeds)
            memory[layer.name] = KeyValue(split_heads(key, layer.heads), split_heads(value, layer.heads))
    return memory


class LayerProjections(nn.Module):
    """A method's own key and value matrices, one bias-free pair per layer.

    Parameter names are the public ones: `{number}.to_k_ip.weight`, `{number}.to_v_ip.weight` (`suffix` configurable),
    with `number` as in `LayerInfo`. `in_channels` None: each layer's own `channels` (reference features).
    """

    def __init__(self, layers: Iterable[LayerInfo], in_channels: int | None, suffix: str = "_ip") -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.key_name, self.value_name = f"to_k{suffix}", f"to_v{suffix}"
        for layer in self.layers:
            source = layer.channels if in_channels is None else in_channels
            pair = {name: nn.Linear(source, layer.channels, bias=False) for name in (self.key_name, self.value_name)}
            self.add_module(str(layer.number), nn.ModuleDict(pair))

    def forward(
        self, tokens: Float[Tensor, "rows *subjects tokens channels"] | Mapping[Layer, Tensor]
    ) -> Mapping[Layer, KeyValue]:
        """The same tokens for every layer, or each layer's own; 4-d or 5-d `KeyValue` after the input's axes."""
        return {layer.name: self._project(layer, tokens) for layer in self.layers}

    def _project(self, layer: LayerInfo, tokens: Tensor | Mapping[Layer, Tensor]) -> KeyValue:
        pair = self.get_submodule(str(layer.number))
        own = tokens if isinstance(tokens, Tensor) else tokens[layer.name]
        key, value = pair[self.key_name](own), pair[self.value_name](own)  # type: ignore[index]
        return KeyValue(split_heads(key, layer.heads), split_heads(value, layer.heads))
