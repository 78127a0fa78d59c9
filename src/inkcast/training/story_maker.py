"""StoryMaker (arXiv 2409.12576, sections 4.5 to 5.1): perceiver, image keys and values, and LoRA over a frozen base."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from torch import Tensor, nn

from inkcast.engines.checkpoints import read_checkpoint
from inkcast.engines.engine import Engine, TrainingBatch
from inkcast.engines.story_maker.encoder import PerceiverSize
from inkcast.engines.story_maker.engine import StoryMaker
from inkcast.engines.story_maker.eyes import Eyes, Preparation
from inkcast.engines.story_maker.lora import beside
from inkcast.engines.story_maker.losses import ID_STEPS, LossForm, id_loss
from inkcast.engines.story_maker.options import Options
from inkcast.engines.story_maker.start import start_from_faceid, start_from_plus
from inkcast.engines.story_maker.trainee import StoryMakerTrainee
from inkcast.engines.story_maker.weights import FILE, Adapter, Facts, fresh_adapter, save_adapter
from inkcast.errors import TrainingError
from inkcast.images import Reference
from inkcast.sdxl.backbone import Backbone, load_backbone
from inkcast.sdxl.image_encoder import ImageEncoder, load_image_encoder
from inkcast.sdxl.resampler import ResamplerSize
from inkcast.toon.nets import FaceEncoder
from inkcast.toon.world import Look
from inkcast.training.data.augment import Augmentation
from inkcast.training.data.reading import Reading, ShardSource
from inkcast.training.data.shards import Shards
from inkcast.training.engine_loss import EngineLoss
from inkcast.training.latents import open_cache
from inkcast.training.objective import Source
from inkcast.training.people import POINTS, SHOWN, WANTED, LeftOut, People
from inkcast.training.pose_controlnet import PoseGuide, load_controlnet
from inkcast.training.recipe import Recipe, Table
from inkcast.training.showing import ShownPanel, drawn_panels, reference_of, shown_column, shown_settings, stored_panels
from inkcast.training.story_maker_ablations import PeopleAlone, WithoutBackground, freeze
from inkcast.training.subjects import Subjects, reference_rendering
from inkcast.vision.detector import ToonDetector
from inkcast.vision.face import TOON_ZOOM, ArcFace, InsightFaces, ToonFaces


class Sizes(Table):
    """Of the perceiver; the face's runs in the prompt's channels."""

    channels: int = 128
    depth: int = 3
    heads: int = 4
    head_dim: int = 32
    queries: int = 12
    widening: int = 3
    id_hidden: int = 256
    face_tokens: int = 4
    face_depth: int = 2
    face_head_dim: int = 64
    face_widening: int = 2

    def perceiver(self, features: int, out: int, faces: int, people: int) -> PerceiverSize:
        character = ResamplerSize(
            features, out, self.channels, self.depth, self.heads, self.head_dim, self.queries, self.widening
        )
        face = self.id_hidden, self.face_tokens, self.face_depth, self.face_head_dim, self.face_widening
        return PerceiverSize(character, faces, *face, people)


class Parameters(Table):
    """Where base, pictures and encoders lie, sizes, what is left out at random, and the losses' weights.

    Pictures come from `cache` (the drawn world's latents) or `data` (shards of people). With a `detector`, it and
    `face` are the toon nets' folders; without one `face` is an insightface pack. `controlnet`, if given, poses every
    training picture (section 4.5) unless `poses` is false. `drop_text` and `drop_crop` as in section 5.1.2;
    `drop_subjects` rows learn the negative guidance row; `zero_face` and `zero_character` teach clothes and faces.
    `attention_weight` is lambda of eq. 12; `id_weight` that of the identity loss, for noise up to step `id_steps`. A
    picture fills `most` of the `people` places. `lora` and `background` false train without the LoRA or the
    background's tokens. Errors where subjects stand weigh `focus` times as much.
    `own_references` is the share of drawn pictures whose references are cut out of them (`Subjects.own`), as the
    paper's are.
    `init_faceid` and `init_plus` are IP-Adapters to begin with (section 5.1.2); without the first, keys and values are
    the second's.
    `guidance` and `show_steps` draw the pictures shown; left out they are the engine's own, as its scheduler is.
    """

    base: str | Path
    image_encoder: Path
    face: Path
    detector: Path | None = None
    cache: Path | None = None
    data: Path | None = None
    controlnet: Path | None = None
    poses: bool = True
    init_faceid: Path | None = None
    init_plus: Path | None = None
    sizes: Sizes = Sizes()
    rank: int = 16
    lora: bool = True
    background: bool = True
    people: int = 3
    most: int = 3
    drop_text: float = 0.1
    drop_crop: float = 0.05
    drop_subjects: float = 0.05
    zero_face: float = 0.1
    zero_character: float = 0.1
    sheets: float = 0.4
    own_references: float = 0.0
    attention_weight: float = 0.1
    attention_form: LossForm = "paper"
    id_weight: float = 0.1
    id_steps: int = ID_STEPS
    snr_gamma: float = 0.0
    focus: float = 1.0
    int8: bool = False
    guidance: float | None = None
    show_steps: int | None = None


@dataclass(frozen=True)
class IdLoss:
    """Decodes the predicted clean latents of little noised rows, and compares their faces with those of the picture.

    `net` reads upright faces of `side` px, cut with `zoom` as `align_face` does.
    """

    base: Backbone
    net: nn.Module
    side: int
    zoom: float
    weight: float
    steps: int

    def __call__(self, batch: TrainingBatch, clean: Tensor, timestep: Tensor) -> Mapping[str, Tensor]:
        early = ((timestep <= self.steps) & ~batch.drop).unsqueeze(1)
        row, place = (batch.extra[SHOWN] & batch.present & early).nonzero(as_tuple=True)
        if not len(row):
            return {"identity": clean.new_zeros(())}
        used, where = row.unique(return_inverse=True)
        vae: Any = self.base.vae
        latents = clean[used].to(vae.dtype) / vae.config.scaling_factor
        with torch.autocast(latents.device.type, enabled=False):  # it overflows in float16
            pictures = (vae.decode(latents).sample.float() / 2 + 0.5).clamp(0, 1)
        points, wanted = batch.extra[POINTS][row, place], batch.extra[WANTED][row, place]
        loss = id_loss(pictures[where], points, wanted, self.net, self.side, self.zoom)
        return {"identity": self.weight * loss}


@dataclass
class StoryMakerTraining:
    """`lora` holds the adapter's LoRA beside the UNet's layers as long as this lives."""

    module: EngineLoss
    source: Source
    base: Backbone
    eyes: Eyes
    adapter: Adapter
    parameters: Parameters
    seed: int
    lora: ExitStack

    def picture(self) -> UInt8[Tensor, "h w 3"] | None:
        """Unseen drawn characters, or the data's first, over what is drawn of them; the LoRA acts through its place
        beside the layers. None where the data show nobody."""
        whole = StoryMaker(self.base, self.eyes, self.adapter, options=Options(lora_scale=0.0))
        engine: Engine = whole if self.parameters.background else PeopleAlone(whole)
        table = self.parameters
        panels = self._drawn() if table.data is None else stored_panels(self.source, self.base.tokenizers[0])
        settings = shown_settings(whole, self.base, 0, steps=table.show_steps, guidance=table.guidance)
        columns = [
            shown_column(self.base, engine, panel, replace(settings, seed=number))
            for number, panel in enumerate(panels)
        ]
        return torch.from_numpy(rearrange(np.stack(columns), "n h w c -> h (n w) c")) if columns else None

    def _drawn(self) -> tuple[ShownPanel, ...]:
        def seen(look: Look, rng: np.random.Generator) -> Reference:
            drawn = reference_rendering(look, rng, self.base.side, 1.0)
            return reference_of(drawn.image, drawn.instances == 1)

        return drawn_panels(self.seed, seen)

    def export(self, folder: Path) -> None:
        """What the engine loads."""
        size = self.adapter.image_proj_model.size
        facts = Facts(size.character.head_dim, size.face_head_dim, self.eyes.preparation, Options())
        save_adapter(self.adapter, facts, folder / FILE, int8=self.parameters.int8)


def find_eyes(parameters: Parameters, encoder: ImageEncoder) -> Eyes:
    if parameters.detector is None:
        return Eyes(encoder, InsightFaces(parameters.face))
    faces = ToonFaces(ToonDetector(parameters.detector), parameters.face)
    return Eyes(encoder, faces, preparation=Preparation("square", TOON_ZOOM))


def find_source(parameters: Parameters, base: Backbone, eyes: Eyes, seed: int) -> Source:
    if (parameters.cache is None) == (parameters.data is None):
        raise TrainingError("StoryMaker trains on parameters.cache or on parameters.data: give one of them")
    plain: Source
    if parameters.cache is not None:
        subjects = Subjects(
            latents=open_cache(parameters.cache),
            tokenizer=base.tokenizers[0],
            scale=float(base.vae.config.scaling_factor),
            most=parameters.most,
            drop_text=parameters.drop_text,
            drop_subjects=parameters.drop_subjects,
            sheets=parameters.sheets,
            seed=seed,
            own=parameters.own_references,
        )
        if not isinstance(eyes.faces, ToonFaces):
            raise TrainingError("drawn pictures need the toon detector: set parameters.detector to its folder")
        plain = People(subjects, eyes.faces, eyes.clip.side)
    else:
        assert parameters.data is not None
        latent = base.side // base.vae_scale_factor
        reading = Reading(
            side=base.side,
            latent_shape=(int(base.unet.config.in_channels), latent, latent),
            most=parameters.most,
            drop_text=parameters.drop_text,
            drop_subjects=parameters.drop_subjects,
            face_dim=eyes.faces.dim,
            face_side=eyes.clip.side,
            face_zoom=eyes.preparation.zoom,
            augmentation=Augmentation(share=0.0),  # the paper has none
            posed=parameters.controlnet is not None and parameters.poses,
            seed=seed,
        )
        plain = ShardSource(Shards(parameters.data), base.tokenizers, reading)
    return LeftOut(plain, parameters.drop_crop, parameters.zero_face, parameters.zero_character, seed)


def find_id_loss(parameters: Parameters, base: Backbone, eyes: Eyes) -> IdLoss | None:
    if not parameters.id_weight:
        return None
    at = (ArcFace.side, 1.0) if isinstance(eyes.faces, InsightFaces) else (FaceEncoder.side, TOON_ZOOM)
    faces = eyes.faces
    assert isinstance(faces, (InsightFaces, ToonFaces))  # of find_eyes
    net = deepcopy(faces.net).to(base.device)  # the reader's own stays where it reads
    return IdLoss(base, net, *at, parameters.id_weight, parameters.id_steps)


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> StoryMakerTraining:
    if parameters.most > parameters.people:
        raise TrainingError(f"most = {parameters.most} people do not fit {parameters.people} places: raise people")
    base = load_backbone(parameters.base, device=device, dtype=torch.float32)
    encoder = load_image_encoder(parameters.image_encoder, device=device)
    eyes = find_eyes(parameters, encoder)
    size = parameters.sizes.perceiver(
        encoder.channels, base.unet.config.cross_attention_dim, eyes.faces.dim, parameters.people
    )
    adapter = fresh_adapter(base.unet, size, parameters.rank)
    if parameters.init_faceid is not None:
        start_from_faceid(adapter, read_checkpoint(parameters.init_faceid))
    if parameters.init_plus is not None:
        plus = read_checkpoint(parameters.init_plus)
        start_from_plus(adapter, plus, projections=parameters.init_faceid is None)
    adapter.to(device)
    whole = StoryMakerTrainee(base, eyes, adapter, parameters.attention_weight, parameters.attention_form)
    trainee = whole if parameters.background else WithoutBackground(whole)
    source = find_source(parameters, base, eyes, recipe.seed)
    module = EngineLoss(
        base,
        trainee,
        parameters.snr_gamma,
        record_attention=parameters.attention_weight > 0,
        focus=parameters.focus,
        guide=PoseGuide(load_controlnet(parameters.controlnet, device))
        if parameters.controlnet and parameters.poses
        else None,
        on_clean=find_id_loss(parameters, base, eyes),
    )
    freeze(adapter, background=parameters.background, lora=parameters.lora)
    if recipe.gradient_checkpointing:
        base.unet.enable_gradient_checkpointing()
        base.vae.enable_gradient_checkpointing()  # which the identity loss decodes with
    lora = ExitStack()
    lora.enter_context(beside(base.unet, adapter.ip_adapter))
    return StoryMakerTraining(module, source, base, eyes, adapter, parameters, recipe.seed, lora)
