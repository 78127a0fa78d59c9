"""Where experiments take their engines from: trained weights, or untrained parts to try an experiment out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from inkcast.assets import toon_weights
from inkcast.cast.character import Character, Identity
from inkcast.cast.identities import references_digest
from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.any_story.router import RouterSize
from inkcast.engines.any_story.weights import Parts, fresh_parts, load_parts
from inkcast.engines.engine import Engine
from inkcast.engines.identity import load_identity, save_identity
from inkcast.engines.ip_adapter.engine import IpAdapter
from inkcast.engines.ip_adapter.weights import fresh_adapter as fresh_adapter_of
from inkcast.engines.ip_adapter.weights import load_adapter as load_adapter_of
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.engines.stable_identity.learn import Learning
from inkcast.engines.stable_identity.weights import find_eyes, unfinished
from inkcast.engines.story_maker.engine import StoryMaker, find_faces
from inkcast.engines.story_maker.eyes import Eyes, Preparation
from inkcast.engines.story_maker.options import Options as StoryMakerOptions
from inkcast.engines.story_maker.weights import FILE, fresh_adapter, load_adapter
from inkcast.evaluation.batches import Batching
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.image_encoder import ImageEncoder, load_image_encoder
from inkcast.sdxl.resampler import ResamplerSize
from inkcast.training.story_maker import Sizes
from inkcast.training.story_maker_ablations import PeopleAlone
from inkcast.vision.face import TOON_ZOOM

SEED = 0


@dataclass(frozen=True)
class Lab:
    """A base, where training left its runs, and how much is drawn.

    `count` pictures of each sort that a claim asks for (0: as many as the claim itself says); a face is learned in
    `learning_steps`. `untrained` takes fresh parts for every engine: the figures then say nothing, but everything runs.
    `other_base` is of family sd. Learned faces are kept in the folder `faces`, where one is given.
    """

    base: Backbone
    runs: Path = Path("runs")
    untrained: bool = False
    count: int = 0
    seed: int = 20_000
    batching: Batching = field(default_factory=Batching)
    learning_steps: int = 500
    other_base: Backbone | None = None
    faces: Path | None = None

    def weights(self, engine: str, run: str) -> Path | None:
        """A run's export; for the run that the shipped weights come from also those."""
        export = self.runs / run / "export"
        if export.is_dir():
            return export
        shipped = None if self.base.folder is None else self.base.folder / "engines" / engine
        return shipped if run in SHIPPED and shipped is not None and shipped.is_dir() else None

    @property
    def learning(self) -> Learning:
        """As the engine learns by itself."""
        return Learning(steps=self.learning_steps)

    @property
    def encoder(self) -> ImageEncoder:
        return load_image_encoder(self.base.part("image_encoder"), device=self.base.device, dtype=self.base.dtype)


SHIPPED = ("any-story-stage2-toon", "story-maker-toon", "ip-adapter-toon")


def any_story(lab: Lab, folder: Path | None, **changes: Any) -> Engine:
    """As it draws by itself, but for `changes` of its options."""
    parts = _untrained_any_story(lab) if folder is None else load_parts(lab.base, folder)
    engine = AnyStory(lab.base, lab.encoder, parts)
    engine.options = replace(engine.options, **changes)
    return engine


def _untrained_any_story(lab: Lab) -> Parts:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        channels = lab.base.unet.config.cross_attention_dim
        subject = ResamplerSize(lab.encoder.channels, channels, 64, 2, 2, 32, 16, 2)
        router = RouterSize(replace(subject, out_channels=64, queries=1), 2, 32)
        return fresh_parts(lab.base, subject, router)


def story_maker(lab: Lab, folder: Path | None, *, lora: float = 1.0, background: bool = True) -> Engine:
    clip, faces, options = lab.encoder, find_faces(lab.base), StoryMakerOptions(lora_scale=lora)
    preparation = Preparation("square", TOON_ZOOM)
    if folder is not None:
        adapter, facts = load_adapter(lab.base.unet, folder / FILE)
        preparation = facts.preparation
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            channels = lab.base.unet.config.cross_attention_dim
            size = Sizes(channels=64, depth=1, id_hidden=64).perceiver(clip.channels, channels, faces.dim, people=3)
            adapter = fresh_adapter(lab.base.unet, size, rank=4)
    engine = StoryMaker(lab.base, Eyes(clip, faces, preparation=preparation), adapter, options=options)
    return engine if background else PeopleAlone(engine)


def ip_adapter(lab: Lab, folder: Path | None) -> Engine:
    encoder = lab.encoder
    if folder is not None:
        return IpAdapter(lab.base, encoder, load_adapter_of(lab.base, folder / "adapter.safetensors"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        channels = lab.base.unet.config.cross_attention_dim
        adapter = fresh_adapter_of(lab.base, ResamplerSize(encoder.channels, channels, 64, 1, 2, 32, 4, 2))
    return IpAdapter(lab.base, encoder, adapter)


def stable_identity(lab: Lab, learning: Learning, base: Backbone | None = None) -> Engine:
    """Learns every face once in just this way; on a base without eyes of its own with those that ship."""
    eyes = find_eyes(lab.base) or find_eyes(replace(lab.base, folder=toon_weights()))
    engine = StableIdentity(base or lab.base, eyes, learning=learning)
    if lab.faces is not None:
        way = {"steps": learning.steps, **learning.facts(engine.base.family, engine.fame)}
        engine.shelf = LearnedFaces(lab.faces, json.dumps(way, sort_keys=True))
    return engine


@dataclass(frozen=True)
class LearnedFaces:
    """Faces learned in one way, in files named after the pictures, the base and the way."""

    folder: Path
    way: str

    def find(self, character: Character, digest: str, family: str) -> Identity | None:
        path = self._path(character, digest)
        return load_identity(path) if path.is_file() else None

    def keep(self, character: Character, identity: Identity) -> None:
        save_identity(identity, self._path(character, identity.weights_digest))

    def unfinished(self, run: str) -> Path:
        return unfinished(self.folder / "learning", run)

    def _path(self, character: Character, digest: str) -> Path:
        facts = (references_digest(character.references), digest, self.way)
        return self.folder / f"{hashlib.sha256(' '.join(facts).encode()).hexdigest()}.safetensors"
