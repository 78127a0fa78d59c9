"""The adapter's parameters, in the public layout of `ip-adapter-plus_sdxl_vit-h` (Apache-2.0)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from inkcast.engines.checkpoints import (
    Checkpoint,
    Shapes,
    check_strict,
    load_strict,
    read_checkpoint,
    save_published,
    save_tensors,
    save_weights,
)
from inkcast.errors import WeightsError
from inkcast.files import shown
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import LayerProjections, attention_layers
from inkcast.sdxl.resampler import Resampler, ResamplerSize

_PUBLIC_HEAD_DIM = "64"
_HEAD_DIM = "resampler_head_dim"


class Adapter(nn.Module):
    """`image_proj` makes tokens of CLIP's features; `ip_adapter` keys and values of tokens, per cross-attention."""

    def __init__(self, unet: nn.Module, size: ResamplerSize) -> None:
        super().__init__()
        self.image_proj = Resampler(size)
        crosses = [layer for layer in attention_layers(unet) if layer.is_cross]
        self.ip_adapter = LayerProjections(crosses, size.out_channels)


def fresh_adapter(base: Backbone, size: ResamplerSize) -> Adapter:
    """An untrained adapter whose keys and values start as the prompt's own, as IP-Adapter's training does."""
    adapter = Adapter(base.unet, size)
    with torch.no_grad():
        for layer in adapter.ip_adapter.layers:
            attn, pair = base.unet.get_submodule(layer.name), adapter.ip_adapter.get_submodule(str(layer.number))
            pair["to_k_ip"].weight.copy_(attn.to_k.weight)  # type: ignore[index]
            pair["to_v_ip"].weight.copy_(attn.to_v.weight)  # type: ignore[index]
    return adapter


def save_adapter(adapter: Adapter, path: Path, *, int8: bool = False) -> None:
    save_weights(adapter, path, {_HEAD_DIM: str(adapter.image_proj.size.head_dim)}, int8=int8)


def load_adapter(base: Backbone, path: Path) -> Adapter:
    """Strictly, from safetensors with dotted names or a .bin of two dictionaries.

    Raises:
        WeightsError: unreadable, another layout, or made for another base.
    """
    checkpoint = read_checkpoint(path)
    with torch.device("meta"):
        adapter = Adapter(base.unet, _size(checkpoint))
    load_strict(adapter.to_empty(device="cpu"), checkpoint)
    return adapter


def convert_published(unet: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Writes the tensors as they are, in float16, once names and shapes are known to fit. Raises as loading would."""
    check_layout(unet, checkpoint)
    save_tensors(checkpoint.tensors, path, {_HEAD_DIM: str(_head_dim(checkpoint))})


def write_published(unet: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """As a public .bin, which tells tensors only. Raises as loading would, and for heads that are not as public."""
    check_layout(unet, checkpoint)
    if (width := _head_dim(checkpoint)) != int(_PUBLIC_HEAD_DIM):
        raise WeightsError(
            f"{shown(checkpoint.source)} has heads of {width} channels, which a .bin cannot tell: keep the safetensors"
        )
    save_published(checkpoint, path)


def check_layout(unet: nn.Module, checkpoint: Checkpoint) -> None:
    """Names and shapes only, nothing is allocated; raises `WeightsError` as loading would."""
    with torch.device("meta"):
        adapter = Adapter(unet, _size(checkpoint))
    check_strict(adapter.state_dict(), checkpoint)


def parameter_counts(unet: nn.Module) -> Mapping[str, int]:
    """Of each part of the public layout over a UNet's layers, without allocating them."""
    with torch.device("meta"):
        adapter = Adapter(unet, ResamplerSize())
    return {name: sum(p.numel() for p in part.parameters()) for name, part in adapter.named_children()}


def _size(checkpoint: Checkpoint) -> ResamplerSize:
    """Read off the tensors' shapes. Where one that tells a size is missing, the published sizes stand for all, and the
    strict load tells what is missing."""
    own = Shapes(checkpoint, "image_proj.")
    depth, head_dim = own.depth("layers."), _head_dim(checkpoint)
    try:
        _, queries, channels = own.of("latents", 3)
        return ResamplerSize(
            feature_channels=own.of("proj_in.weight", 2)[1],
            out_channels=own.of("proj_out.weight", 2)[0],
            channels=channels,
            depth=depth,
            heads=own.of("layers.0.0.to_q.weight", 2)[0] // head_dim,
            head_dim=head_dim,
            queries=queries,
            widening=own.of("layers.0.1.1.weight", 2)[0] // channels,
        )
    except KeyError:
        return ResamplerSize(depth=depth)


def _head_dim(checkpoint: Checkpoint) -> int:
    told = checkpoint.metadata.get(_HEAD_DIM, _PUBLIC_HEAD_DIM)
    if not told.isdecimal() or int(told) < 1:
        source = shown(checkpoint.source)
        raise WeightsError(f"{source} tells the {_HEAD_DIM} {shown(told)}: use weights made by this version")
    return int(told)
