"""AnyStory's trained parts: their sizes, a fresh start from a base, files in and out.

`encoder.safetensors` and `reference_net.safetensors` come from training's first stage, `router.safetensors` from its
second. No SDXL weights are published, so the layout is this project's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from inkcast.engines.any_story import encoder as encoding
from inkcast.engines.any_story import reference_net as referencing
from inkcast.engines.any_story.encoder import SubjectEncoder
from inkcast.engines.any_story.options import REFERENCE_STRENGTH, SUBJECT_SCALE, Options
from inkcast.engines.any_story.reference_net import ReferenceNet, started
from inkcast.engines.any_story.router import RouterNet, RouterSize
from inkcast.engines.checkpoints import (
    Checkpoint,
    check_strict,
    load_strict,
    read_checkpoint,
    save_tensors,
    save_weights,
    tensors_digest,
)
from inkcast.engines.settings import Setting
from inkcast.errors import WeightsError
from inkcast.files import shown
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import attention_layers
from inkcast.sdxl.resampler import ResamplerSize

ENCODER, REFERENCE_NET, ROUTER = "encoder.safetensors", "reference_net.safetensors", "router.safetensors"
SUBJECT_SIZE = ResamplerSize(queries=64)  # m = 64 under eq. 2; 4 layers (section 4.1)
ROUTER_SIZE = RouterSize(ResamplerSize(queries=1, out_channels=768))
_SIZE = "size"
STRENGTHS = (SUBJECT_SCALE, REFERENCE_STRENGTH)  # in the metadata of encoder.safetensors where they are not 1
_OVER = "over"  # in the metadata of what is stored as a difference: the digest of what from
_LEVELS = 7  # of ReferenceNet's differences, a fifth of its weights: as close as LEVELS of the weights themselves

Part = TypeVar("Part", bound=nn.Module)


@dataclass(frozen=True)
class Parts:
    """`router` is None where only the first stage has been trained: subjects then act everywhere. `options` are those
    with which these weights are drawn where nobody says others: both strengths may not be 1."""

    encoder: SubjectEncoder
    reference_net: ReferenceNet
    router: RouterNet | None
    options: Options = field(default_factory=Options)

    def modules(self) -> tuple[nn.Module, ...]:
        return (self.encoder, self.reference_net, *(() if self.router is None else (self.router,)))


def make_router(unet: nn.Module, size: RouterSize) -> RouterNet:
    return RouterNet((layer for layer in attention_layers(unet) if layer.is_cross), size)


def fresh_parts(base: Backbone, subject: ResamplerSize, router: RouterSize | None) -> Parts:
    """Untrained: ReferenceNet and all key and value matrices start as the UNet's own (section 3.4)."""
    parts = Parts(
        SubjectEncoder(base.unet, subject),
        ReferenceNet(base.unet),
        None if router is None else make_router(base.unet, router),
    )
    encoding.initialise(parts.encoder, base.unet)
    referencing.initialise(parts.reference_net, base.unet)
    return parts


def save_encoders(parts: Parts, folder: Path, *, packed_over: nn.Module | None = None) -> None:
    """What the first stage trains; packed as int8 over the base's UNet if that is given, ReferenceNet as what it
    differs from the UNet by (docs/decisions/any-story-over-the-unet.md)."""
    net, unet = parts.reference_net, packed_over
    own = {strength.name: getattr(parts.options, strength.name) for strength in STRENGTHS}
    facts = {name: str(value) for name, value in own.items() if value != 1}
    facts[_SIZE] = json.dumps(asdict(parts.encoder.qformer.size))
    save_weights(parts.encoder, folder / ENCODER, facts, int8=unet is not None)
    if unet is None:
        save_weights(net, folder / REFERENCE_NET)
        return
    start = started(net, unet)
    moved = {name: weight.cpu().float() - start[name].cpu().float() for name, weight in net.state_dict().items()}
    save_tensors(moved, folder / REFERENCE_NET, {_OVER: tensors_digest(start)}, int8=True, levels=_LEVELS)


def save_router(router: RouterNet, folder: Path, *, int8: bool = False) -> None:
    """What the second stage trains."""
    save_weights(router, folder / ROUTER, {_SIZE: json.dumps(asdict(router.size))}, int8=int8)


def load_parts(base: Backbone, folder: Path) -> Parts:
    """Strictly; without router.safetensors the router is None.

    Raises:
        WeightsError: a file is missing, unreadable, of another layout, or made for another base.
    """
    return replace(load_encoders(base, folder), router=load_router(base, folder))


def load_encoders(base: Backbone, folder: Path) -> Parts:
    """What the first stage trains, whether or not a router lies beside it."""
    checkpoint = read_checkpoint(folder / ENCODER)
    size = _size(checkpoint)
    with torch.device("meta"):
        encoder = SubjectEncoder(base.unet, _resampler(size, checkpoint))
    return Parts(_filled(encoder, checkpoint), load_reference_net(base, folder), None, _options(checkpoint))


def _options(checkpoint: Checkpoint) -> Options:
    return Options(_strength(checkpoint, SUBJECT_SCALE), _strength(checkpoint, REFERENCE_STRENGTH))


def _strength(checkpoint: Checkpoint, strength: Setting) -> float:
    said = checkpoint.metadata.get(strength.name, "1")
    with suppress(ValueError):
        if strength.allowed.fits(float(said)):
            return float(said)
    raise WeightsError(
        f"{shown(checkpoint.source)} says a {strength.name} of {said!r}: it must be {strength.allowed.told}"
    )


def load_reference_net(base: Backbone, folder: Path) -> ReferenceNet:
    with torch.device("meta"):
        net = ReferenceNet(base.unet)
    checkpoint = read_checkpoint(folder / REFERENCE_NET)
    if _OVER in checkpoint.metadata:
        check_strict(net.state_dict(), checkpoint)
        checkpoint = replace(checkpoint, tensors=_onto(started(net, base.unet), checkpoint))
    return _filled(net, checkpoint)


def _onto(start: Mapping[str, Tensor], moved: Checkpoint) -> Mapping[str, Tensor]:
    if tensors_digest(start) != moved.metadata[_OVER]:
        raise WeightsError(
            f"{shown(moved.source)} was trained over another UNet, or this one's numbers were rounded: use the base it "
            "was made for, in the precision in which it lies on the disk"
        )
    return {name: start[name].cpu().float() + step.float() for name, step in moved.tensors.items()}


def load_router(base: Backbone, folder: Path) -> RouterNet | None:
    if not (folder / ROUTER).exists():
        return None
    checkpoint = read_checkpoint(folder / ROUTER)
    size = _size(checkpoint)
    try:
        own = {name: int(size[name]) for name in ("heads", "head_dim")}  # type: ignore[call-overload]
    except (KeyError, TypeError, ValueError) as error:
        raise _not_ours(checkpoint) from error
    with torch.device("meta"):
        router = make_router(base.unet, RouterSize(_resampler(size.get("qformer"), checkpoint), **own))
    return _filled(router, checkpoint)


def _filled(module: Part, checkpoint: Checkpoint) -> Part:
    load_strict(module.to_empty(device="cpu"), checkpoint)
    return module.requires_grad_(False).eval()


def _size(checkpoint: Checkpoint) -> dict[str, object]:
    try:
        size = json.loads(checkpoint.metadata[_SIZE])
    except (KeyError, ValueError) as error:
        raise _not_ours(checkpoint) from error
    if not isinstance(size, dict):
        raise _not_ours(checkpoint)
    return size


def _resampler(size: object, checkpoint: Checkpoint) -> ResamplerSize:
    if not isinstance(size, dict) or not all(isinstance(value, int) for value in size.values()):
        raise _not_ours(checkpoint)
    try:
        return replace(ResamplerSize(), **size)
    except TypeError as error:
        raise _not_ours(checkpoint) from error


def _not_ours(checkpoint: Checkpoint) -> WeightsError:
    return WeightsError(
        f"{shown(checkpoint.source)} does not say its sizes, so it is no AnyStory part saved here: train one with "
        "recipes/any-story-stage1-toon.toml"
    )


def parameter_counts(unet: nn.Module) -> Mapping[str, int]:
    """Parameters of every part at the paper's sizes over this UNet; on the meta device it takes no memory."""
    with torch.device("meta"):
        parts: dict[str, nn.Module] = {
            "reference_net": ReferenceNet(unet),
            "encoder": SubjectEncoder(unet, SUBJECT_SIZE),
            "router": make_router(unet, ROUTER_SIZE),
        }
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
