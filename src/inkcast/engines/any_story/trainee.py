"""AnyStory's training side (section 3.4): stage 1 trains the subject encoder, stage 2 the router."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from inkcast.engines.any_story.encoder import masked_latents
from inkcast.engines.any_story.losses import WEIGHT, routing_loss
from inkcast.engines.any_story.reference_net import ReferenceNet
from inkcast.engines.any_story.router import CastRouter, RouterNet, gumbel_gate
from inkcast.engines.any_story.weights import Parts
from inkcast.engines.engine import TrainingBatch
from inkcast.errors import EngineError
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, KeyValue, Layer, Router
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.fitting import fit, resolutions
from inkcast.sdxl.image_encoder import ImageEncoder
from inkcast.sdxl.layers import project_text

Gates = Literal["open", "masks"]


@dataclass(frozen=True)
class SometimesCoarse:
    """A cast's router whose `coarse` rows stop at the coarse map."""

    router: CastRouter
    coarse: Bool[Tensor, " rows"]

    def __call__(
        self, layer: Layer, latents: Float[Tensor, "rows pixels channels"]
    ) -> Float[Tensor, "rows subjects pixels"]:
        first = replace(self.router, refine=False)(layer, latents)
        return torch.where(self.coarse.view(-1, 1, 1), first, self.router(layer, latents))


@dataclass(frozen=True)
class AnyStoryTrainee:
    """One training stage. References come whole, and are put on white by their masks.

    `gates` of stage 1: "open" lets subjects act everywhere, as the paper trains single subjects; "masks" holds each to
    its instance and gives the rest to the background, so that pictures of several teach too.
    A `coarse_share` of stage 2's rows stop at the coarse map, whose threshold passes no gradient of its own. `forced`
    gates of stage 2 are the true masks whatever the router says: the UNet passes no gradient then, and eq. 4 alone
    teaches the router.
    """

    base: Backbone
    encoder: ImageEncoder
    parts: Parts
    stage: Literal[1, 2]
    gates: Gates = "open"
    weight: float = WEIGHT
    coarse_share: float = 0.25
    forced: bool = False

    def trainable(self) -> Mapping[str, nn.Module]:
        if self.stage == 1:
            return {"encoder": self.parts.encoder, "reference_net": self.parts.reference_net}
        return {"router": self._router}

    def memory(self, batch: TrainingBatch) -> AttentionMemory:
        here = batch.present.flatten(0, 1)
        if not here.any():  # an encoder reads one picture at least, though here nobody reads what it says
            here = torch.arange(len(here), device=here.device) == 0
        pictures, masks = _on_white(batch, here)
        clip = torch.cat([self.encoder.nothing(), self.encoder.features(pictures)]).to(batch.text)
        place = _places(batch)
        with torch.set_grad_enabled(self.stage == 1 and torch.is_grad_enabled()):
            subjects = self.parts.encoder.to_subject(self.parts.encoder.tokens(clip))
            reference = self._reference(pictures, masks)
        background = self.stage == 2 or self.gates == "masks"
        kept = place.masked_fill(batch.drop.view(-1, 1), 0)
        memory = AttentionMemory(
            text=project_text(self.base.unet, batch.text),
            subjects=_picked(subjects, _with_background(kept) if background else kept),
            reference=_picked(reference, (place - 1).clamp_min(0)),
            **self._routing(batch, clip, place),  # type: ignore[arg-type]
        )
        fitted = fit(memory, batch.latent_size)
        if self.stage == 2 and self.forced:
            known = fit(replace(memory, router=None, regions=batch.masks, present=batch.present), batch.latent_size)
            return replace(fitted, gate=lambda routing: known.region_maps[routing.shape[-1]].gates)
        return fitted

    def losses(self, batch: TrainingBatch, trace: AttentionTrace) -> Mapping[str, Tensor]:
        """Stage 2: lambda times eq. 4 over every cross-attention."""
        if self.stage == 1:
            return {}
        grid = resolutions(batch.latent_size)
        maps = [(routing, grid[routing.shape[-1]]) for routing in trace.routing.values()]
        return {"route": self.weight * routing_loss(maps, batch.masks, batch.present)}

    def _routing(self, batch: TrainingBatch, clip: Tensor, place: Tensor) -> dict[str, object]:
        if self.stage == 1:
            return {"present": batch.present, "regions": batch.masks if self.gates == "masks" else None}
        return {"router": self._cast_router(batch, clip, place), "gate": gumbel_gate}

    def _cast_router(self, batch: TrainingBatch, clip: Tensor, place: Tensor) -> Router:
        features = self._router.features(clip)[_with_background(place)]
        present = torch.cat([batch.present, torch.ones_like(batch.present[:, :1])], dim=1)
        coarse = torch.rand(place.shape[0], device=place.device) < self.coarse_share
        return SometimesCoarse(self._router.route(features, present), coarse)

    def _reference(
        self, pictures: Float[Tensor, "present 3 h w"], masks: Float[Tensor, "present 1 h w"]
    ) -> Mapping[Layer, KeyValue]:
        features = self.parts.reference_net(masked_latents(self.base, pictures, masks), pictures.shape[-1])
        return self.parts.encoder.to_reference(features)

    @property
    def _router(self) -> RouterNet:
        if self.parts.router is None:
            raise EngineError("stage 2 trains a router: give the parts one")
        return self.parts.router


def _on_white(batch: TrainingBatch, here: Tensor) -> tuple[Tensor, Tensor]:
    """References and masks of the subjects that are there, flat."""
    pictures = batch.references.flatten(0, 1)[here]
    masks = rearrange(batch.reference_masks.flatten(0, 1)[here], "n h w -> n 1 h w")
    return pictures * masks + (1 - masks), masks


def _places(batch: TrainingBatch) -> Int[Tensor, "rows subjects"]:
    """Where each subject stands among those that are there, counted from 1; 0 is nothing."""
    count = batch.present.flatten().cumsum(0).view_as(batch.present)
    return count.masked_fill(~batch.present, 0)


def _with_background(place: Int[Tensor, "rows subjects"]) -> Int[Tensor, "rows subjects_and_background"]:
    return torch.cat([place, torch.zeros_like(place[:, :1])], dim=1)


def _picked(projected: Mapping[Layer, KeyValue], place: Int[Tensor, "rows subjects"]) -> Mapping[Layer, KeyValue]:
    """[rows, subjects, heads, tokens, head_dim] from one entry per picture."""
    return {layer: KeyValue(kv.key[place], kv.value[place]) for layer, kv in projected.items()}


def unread_parameters(unet: nn.Module) -> frozenset[str]:
    """ReferenceNet's parameters behind the last self-attention's input: they reach no feature and get no gradient."""
    with torch.device("meta"), torch.enable_grad():
        net = ReferenceNet(unet).requires_grad_()
        features = net(torch.zeros(1, net.unet.config.in_channels, 16, 16), 64)
        named = dict(net.named_parameters())
        total = torch.stack([x.sum() for x in features.values()]).sum()
        gradients = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return frozenset(name for name, gradient in zip(named, gradients, strict=True) if gradient is None)
