"""StoryMaker's trained parts: the published `mask.bin` layout, a fresh start from a base, files in and out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

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
from inkcast.engines.story_maker.encoder import PerceiverSize, PositionalPerceiver
from inkcast.engines.story_maker.eyes import Preparation
from inkcast.engines.story_maker.lora import lora_layers
from inkcast.engines.story_maker.options import Options
from inkcast.errors import WeightsError
from inkcast.files import shown
from inkcast.sdxl.layers import LayerProjections, attention_layers
from inkcast.sdxl.resampler import ResamplerSize

FILE = "adapter.safetensors"
RANK = 128  # section 5.1.2
_FACTS = "story_maker"


@dataclass(frozen=True)
class Facts:
    """What goes with the tensors: widths of heads (no shape tells them), how pictures were cut, usual strengths."""

    head_dim: int = 64
    face_head_dim: int = 64
    preparation: Preparation = field(default_factory=Preparation)
    options: Options = field(default_factory=Options)


PUBLISHED = Facts(preparation=Preparation("squashed", 1.0), options=Options(subject_scale=0.8, lora_scale=0.8))
"""How the published code runs its weights."""


class Adapter(nn.Module):
    """`image_proj_model` makes tokens of characters; `ip_adapter` keys and values of tokens for every cross-attention,
    and LoRA for every attention."""

    def __init__(self, unet: nn.Module, size: PerceiverSize, rank: int) -> None:
        super().__init__()
        layers = attention_layers(unet)
        self.rank = rank
        self.image_proj_model = PositionalPerceiver(size)
        self.ip_adapter = LayerProjections((layer for layer in layers if layer.is_cross), size.character.out_channels)
        for layer in layers:
            if not layer.is_cross:
                self.ip_adapter.add_module(str(layer.number), nn.ModuleDict())
            own: Any = self.ip_adapter.get_submodule(str(layer.number))
            own.update(lora_layers(layer, rank))


def fresh_adapter(unet: nn.Module, size: PerceiverSize, rank: int) -> Adapter:
    """Untrained: image keys and values start as the prompt's own, LoRA as nothing."""
    adapter = Adapter(unet, size, rank)
    with torch.no_grad():
        for layer in adapter.ip_adapter.layers:
            attn: Any = unet.get_submodule(layer.name)
            pair: Any = adapter.ip_adapter.get_submodule(str(layer.number))
            pair["to_k_ip"].weight.copy_(attn.to_k.weight)
            pair["to_v_ip"].weight.copy_(attn.to_v.weight)
    return adapter


def save_adapter(adapter: Adapter, facts: Facts, path: Path, *, int8: bool = False) -> None:
    save_weights(adapter, path, {_FACTS: json.dumps(asdict(facts))}, int8=int8)


def full_names(checkpoint: Checkpoint) -> Checkpoint:
    """The tensors under their full names; parts also come without their dictionary's name."""
    return replace(checkpoint, tensors={_full_name(name): tensor for name, tensor in checkpoint.tensors.items()})


def _full_name(name: str) -> str:
    head = name.partition(".")[0]
    if head in ("image_proj_model", "ip_adapter"):
        return name
    return f"ip_adapter.{name}" if head.isdecimal() else f"image_proj_model.{name}"


def load_adapter(unet: nn.Module, path: Path) -> tuple[Adapter, Facts]:
    """Strictly, from our safetensors or the published .bin.

    Raises:
        WeightsError: unreadable, another layout, or made for another base.
    """
    checkpoint = full_names(read_checkpoint(path))
    facts = facts_of(checkpoint)
    with torch.device("meta"):
        adapter = Adapter(unet, *_size(checkpoint, facts))
    adapter.to_empty(device="cpu")
    load_strict(adapter, checkpoint)
    return adapter, facts


def facts_of(checkpoint: Checkpoint) -> Facts:
    """Those in the file; a foreign file has none and is run as the published code runs it."""
    if _FACTS not in checkpoint.metadata:
        return PUBLISHED
    try:
        table = json.loads(checkpoint.metadata[_FACTS])
        preparation, options = Preparation(**table.pop("preparation")), Options(**table.pop("options"))
        facts = Facts(**table, preparation=preparation, options=options)
        if min(facts.head_dim, facts.face_head_dim) < 1:
            raise ValueError(f"heads of {facts.head_dim} and {facts.face_head_dim} channels")
        return facts
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{shown(checkpoint.source)} tells unknown facts ({error}): use weights made by this version"
        ) from error


def check_layout(unet: nn.Module, checkpoint: Checkpoint) -> None:
    """Names and shapes only, nothing is allocated; raises `WeightsError` as loading would."""
    with torch.device("meta"):
        adapter = Adapter(unet, *_size(checkpoint, facts_of(checkpoint)))
    check_strict(adapter.state_dict(), checkpoint)


def parameter_counts(unet: nn.Module) -> Mapping[str, int]:
    """Of each published part over a UNet's layers, without allocating them."""
    with torch.device("meta"):
        adapter = Adapter(unet, PerceiverSize(), RANK)
    return {name: sum(p.numel() for p in part.parameters()) for name, part in adapter.named_children()}


def convert_published(unet: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Writes the tensors as they are, in float16, with the facts of the published code. Raises as loading would."""
    check_layout(unet, checkpoint)
    save_tensors(checkpoint.tensors, path, {_FACTS: json.dumps(asdict(facts_of(checkpoint)))})


def write_published(unet: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """As a `mask.bin`, which tells tensors only. Raises as loading would, and for heads that are not as published."""
    check_layout(unet, checkpoint)
    facts = facts_of(checkpoint)
    widths = (facts.head_dim, facts.face_head_dim)
    if widths != (PUBLISHED.head_dim, PUBLISHED.face_head_dim):
        raise WeightsError(
            f"{shown(checkpoint.source)} has heads of {widths[0]} and {widths[1]} channels, which a mask.bin cannot "
            "tell: keep the safetensors"
        )
    save_published(checkpoint, path)


def _size(checkpoint: Checkpoint, facts: Facts) -> tuple[PerceiverSize, int]:
    """Read off the tensors' shapes. Where one that tells a size is missing, the published sizes stand for all, and the
    strict load tells what is missing."""
    own = Shapes(checkpoint, "image_proj_model.")
    depth, face_depth = own.depth("resample.layers."), own.depth("perceiver_resampler.layers.")
    try:
        people, tokens, channels = own.of("pos_embed", 3)
        queries = own.of("resample.latents", 3)[1]
        inner, feature_channels = own.of("resample.proj_in.weight", 2)
        character = ResamplerSize(
            feature_channels=feature_channels,
            out_channels=channels,
            channels=inner,
            depth=depth,
            heads=own.of("resample.layers.0.0.to_q.weight", 2)[0] // facts.head_dim,
            head_dim=facts.head_dim,
            queries=queries,
            widening=own.of("resample.layers.0.1.1.weight", 2)[0] // inner,
        )
        if tokens <= queries:
            raise WeightsError(
                f"{shown(checkpoint.source)} has {queries} tokens of a character and {tokens} in all, so none is left "
                "for a face: use weights made for this engine"
            )
        id_hidden, id_channels = own.of("proj.0.weight", 2)
        size = PerceiverSize(
            character=character,
            id_channels=id_channels,
            id_hidden=id_hidden,
            face_tokens=tokens - queries,
            face_depth=face_depth,
            face_head_dim=facts.face_head_dim,
            face_widening=own.of("perceiver_resampler.layers.0.1.1.weight", 2)[0] // channels,
            people=people,
        )
        return size, Shapes(checkpoint).of("ip_adapter.0.to_q_lora.down.weight", 2)[0]
    except KeyError:
        return PerceiverSize(ResamplerSize(depth=depth), face_depth=face_depth), RANK
