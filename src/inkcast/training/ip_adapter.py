"""The IP-Adapter baseline on toon: resampler, keys and values, over a frozen base (arXiv 2308.06721)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from inkcast.cast.character import Character, CharacterId
from inkcast.engines.engine import Member, PanelPrompt, Style
from inkcast.engines.ip_adapter.engine import IpAdapter
from inkcast.engines.ip_adapter.weights import Adapter, fresh_adapter, save_adapter
from inkcast.images import Reference
from inkcast.sampling.sampler import DrawSettings, draw
from inkcast.sdxl.backbone import Backbone, load_backbone
from inkcast.sdxl.image_encoder import ImageEncoder, load_image_encoder
from inkcast.sdxl.resampler import ResamplerSize
from inkcast.toon.dataset import sample_look
from inkcast.training.engine_loss import EngineLoss
from inkcast.training.latents import open_cache
from inkcast.training.objective import Source, generator
from inkcast.training.recipe import Recipe, Table
from inkcast.training.subjects import Subjects, reference_picture

PANELS = (
    ("girl", "waving on the beach"),
    ("bear", "reading a book in the library"),
    ("robot", "running in the street at night"),
    ("boy", "sitting in the park"),
    ("cat", "dancing in the forest"),
    ("alien", "jumping on the moon"),
)


class Parameters(Table):
    """The base and its cache of latents, the image encoder, the resampler's sizes, conditioning drops, the loss.

    `most` subjects a picture at most; `sheets` is the share of references that are character sheets; errors where
    subjects stand weigh `focus` times as much.
    """

    base: Path
    cache: Path
    image_encoder: Path
    channels: int = 128
    depth: int = 3
    heads: int = 4
    head_dim: int = 32
    queries: int = 16
    widening: int = 3
    most: int = 2
    drop_text: float = 0.05
    drop_subjects: float = 0.1
    sheets: float = 0.4
    snr_gamma: float = 0.0
    focus: float = 1.0
    int8: bool = False
    guidance: float = 4.0
    show_steps: int = 25


@dataclass
class IpAdapterTraining:
    module: EngineLoss
    source: Source
    base: Backbone
    encoder: ImageEncoder
    adapter: Adapter
    parameters: Parameters
    seed: int

    def picture(self) -> UInt8[Tensor, "h w 3"]:
        """Characters of the validation split over what is drawn of them."""
        engine = IpAdapter(self.base, self.encoder, self.adapter)
        columns = [self._column(engine, number) for number in range(len(PANELS))]
        return torch.from_numpy(rearrange(np.stack(columns), "n h w c -> h (n w) c"))

    def _column(self, engine: IpAdapter, number: int) -> UInt8[np.ndarray, "h w 3"]:
        kind, doing = PANELS[number]
        rng, side = generator(self.seed, "shown", number), self.base.side
        given = Image.fromarray(reference_picture(sample_look(rng, "validation", kind), rng, side, sheets=1.0))
        who = CharacterId(str(number))
        identity = engine.encode(Character(who, kind, (Reference(given, "", mask=Image.new("L", given.size, 255)),)))
        panel = PanelPrompt((who, f" {doing}"), (Member(who, kind, f"a {kind}"),))
        settings = DrawSettings((side, side), self.parameters.show_steps, self.parameters.guidance, seed=number)
        drawn = draw(self.base, engine.condition(panel, {who: identity}, Style()), settings)[0]
        return np.concatenate([np.asarray(given.resize((side, side))), np.asarray(drawn)])

    def export(self, folder: Path) -> None:
        save_adapter(self.adapter, folder / "adapter.safetensors", int8=self.parameters.int8)


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> IpAdapterTraining:
    base = load_backbone(parameters.base, device=device, dtype=torch.float32)
    encoder = load_image_encoder(parameters.image_encoder, device=device)
    size = ResamplerSize(
        feature_channels=encoder.channels,
        out_channels=base.unet.config.cross_attention_dim,
        channels=parameters.channels,
        depth=parameters.depth,
        heads=parameters.heads,
        head_dim=parameters.head_dim,
        queries=parameters.queries,
        widening=parameters.widening,
    )
    adapter = fresh_adapter(base, size)
    with torch.no_grad():  # queries as large as the features they read start apart and stay so
        adapter.image_proj.latents.mul_(parameters.channels**0.5)
    module = EngineLoss(base, IpAdapter(base, encoder, adapter), parameters.snr_gamma, focus=parameters.focus)
    if recipe.gradient_checkpointing:
        base.unet.enable_gradient_checkpointing()
    source = Subjects(
        latents=open_cache(parameters.cache),
        tokenizer=base.tokenizers[0],
        scale=float(base.vae.config.scaling_factor),
        most=parameters.most,
        drop_text=parameters.drop_text,
        drop_subjects=parameters.drop_subjects,
        sheets=parameters.sheets,
        seed=recipe.seed,
    )
    return IpAdapterTraining(module, source, base, encoder, adapter, parameters, recipe.seed)
