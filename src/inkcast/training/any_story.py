"""AnyStory's training (arXiv 2501.09503, section 3.4): stage 1 trains the subject encoder, stage 2 the router."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from PIL import Image
from pydantic import Field
from torch import Tensor

from inkcast.engines.any_story.encoder import SubjectEncoder
from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.any_story.options import RouterMode
from inkcast.engines.any_story.router import RouterSize
from inkcast.engines.any_story.routes import colours
from inkcast.engines.any_story.segment import mean_map
from inkcast.engines.any_story.trainee import AnyStoryTrainee, Gates, unread_parameters
from inkcast.engines.any_story.weights import (
    STRENGTHS,
    Parts,
    fresh_parts,
    load_encoders,
    load_router,
    make_router,
    save_encoders,
    save_router,
)
from inkcast.engines.ip_adapter.weights import Adapter, load_adapter
from inkcast.errors import TrainingError
from inkcast.images import Reference
from inkcast.sampling.sampler import Step
from inkcast.sdxl.backbone import Backbone, load_backbone
from inkcast.sdxl.image_encoder import ImageEncoder, load_image_encoder
from inkcast.sdxl.resampler import ResamplerSize
from inkcast.toon.world import Look
from inkcast.training.data.augment import Augmentation
from inkcast.training.data.reading import Reading, ShardSource, open_shards
from inkcast.training.data.shards import INDEX
from inkcast.training.engine_loss import EngineLoss
from inkcast.training.latents import open_cache
from inkcast.training.objective import Sample, Source, generator
from inkcast.training.pairs import Pairs
from inkcast.training.recipe import Recipe, Table
from inkcast.training.showing import ShownPanel, drawn_panels, reference_of, shown_column, shown_settings, stored_panels
from inkcast.training.subjects import Subjects, reference_cutout


class QFormerSize(Table):
    """A QFormer: `depth` layers of `channels` in `heads`; `out` is the width of the routing feature (router only)."""

    channels: int = 128
    depth: int = 4
    heads: int = 4
    head_dim: int = 32
    widening: int = 2

    def resampler(self, features: int, out: int, queries: int) -> ResamplerSize:
        return ResamplerSize(
            features, out, self.channels, self.depth, self.heads, self.head_dim, queries, self.widening
        )


class RouterTable(Table):
    """The router: its one-query QFormer, the routing feature's width, the masked cross-attention's heads."""

    qformer: QFormerSize = QFormerSize(channels=96, heads=3)
    features: int = 96
    heads: int = 2
    head_dim: int = 32


class Parameters(Table):
    """Where base, pictures and image encoder lie, what is trained, how pictures and references vary.

    Pictures come from `cache` (the drawn world's latents) or `data` (a folder of shards, or one with pairs.jsonl).
    `init_plus` is a trained IP-Adapter that stage 1 starts from (`start_from_plus`); `encoders` is the folder of an
    export: stage 2 needs stage 1's, and either goes on from its own. `gates` and `forced` as in `AnyStoryTrainee`. Of
    the references, a share `augment` is turned, cropped or padded; of the pictures of several, a share `unnamed` leaves
    one subject without a reference, who then belongs to the background. `route_weight` is lambda of eq. 4.
    Errors where subjects stand weigh `focus` times as much. `lean` over 1 meets noisy timesteps more often
    (`drawn_timestep`; drawn pictures only). `subject_scale` and `reference_strength` are those with which the export is
    drawn where nobody says others (left out: the encoders' own, else 1); in training both are 1.
    `guidance` and `show_steps` draw the pictures shown; left out they are the engine's own, as its scheduler is.
    """

    base: str | Path
    image_encoder: Path
    cache: Path | None = None
    data: Path | None = None
    stage: Literal[1, 2]
    init_plus: Path | None = None
    encoders: Path | None = None
    tokens: int = 16
    qformer: QFormerSize = QFormerSize()
    router: RouterTable = RouterTable()
    gates: Gates = "masks"
    most: int = 2
    drop_text: float = 0.05
    drop_subjects: float = 0.1
    sheets: float = 0.4
    augment: float = 0.5
    unnamed: float = 0.15
    route_weight: float = 0.1
    coarse_share: float = 0.25
    forced: bool = False
    lean: float = 1.0
    snr_gamma: float = 0.0
    focus: float = 1.0
    subject_scale: float | None = Field(None, ge=0, le=10)
    reference_strength: float | None = Field(None, ge=0, le=10)
    int8: bool = True
    guidance: float | None = None
    show_steps: int | None = None


@dataclass(frozen=True)
class Varied:
    """Samples of `plain` with references turned, cropped or padded, and now and then a subject nobody asked for."""

    plain: Source
    augment: float
    unnamed: float
    seed: int

    def __getitem__(self, index: int) -> Sample:
        rng = generator(self.seed, "varied", index)
        sample = dict(self.plain[index])
        pictures, masks = sample["references"].numpy().copy(), sample["reference_masks"].numpy().copy()
        for place in range(len(pictures)):
            if rng.random() < self.augment:
                pictures[place], masks[place] = varied(pictures[place], masks[place], rng)
        present, instances = sample["present"].clone(), sample["masks"].clone()
        if rng.random() < self.unnamed and present.sum() > 1:
            left_out = int(rng.choice(np.flatnonzero(present.numpy())))
            present[left_out], instances[left_out] = False, 0.0
        found = {"references": torch.from_numpy(pictures), "reference_masks": torch.from_numpy(masks)}
        return {**sample, **found, "present": present, "masks": instances}


def varied(
    picture: Float[np.ndarray, "3 s s"], mask: Float[np.ndarray, "s s"], rng: np.random.Generator
) -> tuple[Float[np.ndarray, "3 s s"], Float[np.ndarray, "s s"]]:
    """Random rotation, cropping and padding (section 3.4), in one turn, zoom and shift; white comes in at the edges."""
    side = mask.shape[-1]
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(-15, 15), rng.uniform(0.75, 1.35))
    matrix[:, 2] += rng.uniform(-0.1, 0.1, 2) * side

    def warped(x: np.ndarray, outside: float, how: int) -> np.ndarray:
        return cv2.warpAffine(
            x, matrix, (side, side), flags=how, borderMode=cv2.BORDER_CONSTANT, borderValue=(outside,) * 3
        )

    turned = warped(np.ascontiguousarray(picture.transpose(1, 2, 0)), 1.0, cv2.INTER_LINEAR)
    return turned.transpose(2, 0, 1), warped(mask, 0.0, cv2.INTER_NEAREST)


@dataclass
class AnyStoryTraining:
    module: EngineLoss
    source: Source
    base: Backbone
    encoder: ImageEncoder
    parts: Parts
    parameters: Parameters
    seed: int

    def picture(self) -> UInt8[Tensor, "h w 3"] | None:
        """Unseen drawn characters, or the data's first, over what is made of them and the first one's mean routing map
        (stage 2); None where the data show nobody."""
        router: RouterMode = "off" if self.parts.router is None else "refined"
        options = replace(self.parts.options, router=router)
        engine = AnyStory(self.base, self.encoder, self.parts, options=options)
        panels = self._drawn() if self.parameters.data is None else stored_panels(self.source, self.base.tokenizers[0])
        columns = [self._column(engine, panel, number) for number, panel in enumerate(panels)]
        return torch.from_numpy(rearrange(np.stack(columns), "n h w c -> h (n w) c")) if columns else None

    def _drawn(self) -> tuple[ShownPanel, ...]:
        def seen(look: Look, rng: np.random.Generator) -> Reference:
            return reference_of(*reference_cutout(look, rng, self.base.side, sheets=1.0))

        return drawn_panels(self.seed, seen)

    def _column(self, engine: AnyStory, panel: ShownPanel, number: int) -> UInt8[np.ndarray, "h w 3"]:
        side, table = self.base.side, self.parameters
        settings = shown_settings(engine, self.base, number, steps=table.show_steps, guidance=table.guidance)
        maps: list[np.ndarray] = []

        def note(step: Step) -> None:
            if step.trace.routing:
                size = (step.latents.shape[-2], step.latents.shape[-1])
                maps.append(mean_map(list(step.trace.routing.values()), size)[-1, 0].float().cpu().numpy())

        column = shown_column(self.base, engine, panel, settings, note)
        if not maps:
            return column
        shown = Image.fromarray(colours(np.mean(maps, axis=0))).resize((side, side))
        return np.concatenate([column, np.asarray(shown)])

    def export(self, folder: Path) -> None:
        """What the engine loads: stage 1 its two encoders, stage 2 these and the router."""
        save_encoders(self.parts, folder, packed_over=self.base.unet if self.parameters.int8 else None)
        if self.parts.router is not None:
            save_router(self.parts.router, folder, int8=self.parameters.int8)


def make_parts(parameters: Parameters, base: Backbone, encoder: ImageEncoder) -> Parts:
    """Stage 1: from the UNet, or on from an export. Stage 2: an export's encoders, and its router or a fresh one."""
    table, folder = parameters.router, parameters.encoders
    if folder is not None:
        known = with_strengths(load_encoders(base, folder), parameters)
        if parameters.stage == 1:
            return known
        size = RouterSize(table.qformer.resampler(encoder.channels, table.features, 1), table.heads, table.head_dim)
        return replace(known, router=load_router(base, folder) or make_router(base.unet, size))
    if parameters.stage == 2:
        raise TrainingError("stage 2 needs stage 1's export: set parameters.encoders to its folder")
    channels = base.unet.config.cross_attention_dim
    fresh = fresh_parts(base, parameters.qformer.resampler(encoder.channels, channels, parameters.tokens), None)
    if parameters.init_plus is not None:
        start_from_plus(fresh.encoder, load_adapter(base, parameters.init_plus))
    return with_strengths(fresh, parameters)


def with_strengths(parts: Parts, parameters: Parameters) -> Parts:
    """With those that the recipe says."""
    said = {strength.name: getattr(parameters, strength.name) for strength in STRENGTHS}
    known = {name: value for name, value in said.items() if value is not None}
    return replace(parts, options=replace(parts.options, **known))


@torch.no_grad()
def start_from_plus(encoder: SubjectEncoder, adapter: Adapter) -> None:
    """QFormer and W-hat become the adapter's resampler and projections; layers beyond the adapter's pass through.

    Raises `TrainingError` if the sizes do not fit.
    """
    size, theirs = encoder.qformer.size, adapter.image_proj.size
    if replace(size, depth=theirs.depth) != theirs or size.depth < theirs.depth:
        raise TrainingError(f"a QFormer of {size} cannot start from an adapter's resampler of {theirs}: fit the recipe")
    encoder.qformer.load_state_dict(adapter.image_proj.state_dict(), strict=False)
    for number in range(theirs.depth, size.depth):
        for last in (f"layers.{number}.0.to_out", f"layers.{number}.1.3"):
            encoder.qformer.get_parameter(f"{last}.weight").zero_()
    encoder.to_subject.load_state_dict(adapter.ip_adapter.state_dict())


def plain_source(parameters: Parameters, recipe: Recipe, base: Backbone) -> Source:
    """Raises `TrainingError` unless exactly one of `cache` and `data` is given."""
    shared: Any = {
        "most": parameters.most,
        "drop_text": parameters.drop_text,
        "drop_subjects": parameters.drop_subjects,
        "seed": recipe.seed,
    }
    if parameters.cache is not None and parameters.data is None:
        scale = float(base.vae.config.scaling_factor)
        cached = open_cache(parameters.cache)
        drawn: Any = {"scale": scale, "sheets": parameters.sheets, "lean": parameters.lean}
        return Subjects(latents=cached, tokenizer=base.tokenizers[0], **drawn, **shared)
    if parameters.data is not None and parameters.cache is None:
        side = base.side // base.vae_scale_factor
        shape = (int(base.unet.config.in_channels), side, side)
        if (parameters.data / INDEX).is_file():
            reading = Reading(
                side=base.side, latent_shape=shape, augmentation=Augmentation(share=parameters.augment), **shared
            )
            return open_shards(parameters.data, base.tokenizers, reading)
        return Pairs(folder=parameters.data, tokenizers=base.tokenizers, side=base.side, latent_shape=shape, **shared)
    raise TrainingError(f"recipe {recipe.name}: give parameters.cache (drawn pictures) or parameters.data, not both")


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> AnyStoryTraining:
    base = load_backbone(parameters.base, device=device, dtype=torch.float32)
    encoder = load_image_encoder(parameters.image_encoder, device=device)
    parts = make_parts(parameters, base, encoder)
    for part in parts.modules():
        part.to(device).requires_grad_(False)
    trainee = AnyStoryTrainee(
        base,
        encoder,
        parts,
        parameters.stage,
        parameters.gates,
        parameters.route_weight,
        parameters.coarse_share,
        parameters.forced,
    )
    module = EngineLoss(base, trainee, parameters.snr_gamma, focus=parameters.focus)
    if parameters.stage == 1:
        unread = unread_parameters(base.unet)
        for name, parameter in parts.reference_net.named_parameters():
            parameter.requires_grad_(name not in unread)
    if recipe.gradient_checkpointing:
        base.unet.enable_gradient_checkpointing()
        parts.reference_net.unet.enable_gradient_checkpointing()
    plain = plain_source(parameters, recipe, base)
    augment = 0.0 if isinstance(plain, ShardSource) else parameters.augment  # shards turn, crop and pad by themselves
    source = Varied(plain, augment, parameters.unnamed, recipe.seed)
    return AnyStoryTraining(module, source, base, encoder, parts, parameters, recipe.seed)
