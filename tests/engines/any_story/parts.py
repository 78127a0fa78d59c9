"""Tiny AnyStory parts over the tiny base, random where training would have written."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from tests import tiny

from inkcast.cast.character import Character, CharacterId
from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.any_story.options import Options
from inkcast.engines.any_story.router import RouterSize
from inkcast.engines.any_story.weights import Parts, fresh_parts
from inkcast.engines.engine import Member, PanelPrompt, TrainingBatch
from inkcast.engines.settings import Value
from inkcast.images import Reference
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.image_encoder import ImageEncoder
from inkcast.sdxl.resampler import ResamplerSize

SUBJECT = ResamplerSize(
    feature_channels=32, out_channels=64, channels=16, depth=2, heads=2, head_dim=8, queries=4, widening=2
)
ROUTER = RouterSize(
    ResamplerSize(
        feature_channels=32, out_channels=24, channels=16, depth=2, heads=2, head_dim=8, queries=1, widening=2
    ),
    heads=2,
    head_dim=8,
)
ANN, BEN, CUP = CharacterId("ann"), CharacterId("ben"), CharacterId("cup")
NAMES = {ANN: "Ann", BEN: "Ben", CUP: "the cup"}
PEOPLE = {who: Member(who, name, "a girl") for who, name in NAMES.items()}
COLOURS = {ANN: (200, 30, 30), BEN: (20, 60, 220), CUP: (10, 160, 40)}


def random_parts(base: Backbone, seed: int = 3) -> Parts:
    """Fresh parts with noise on every parameter, so that nothing is zero or shared by accident."""
    torch.manual_seed(seed)
    parts = fresh_parts(base, SUBJECT, ROUTER)
    with torch.no_grad():
        for part in parts.modules():
            for parameter in part.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return parts


def image_encoder() -> ImageEncoder:
    torch.manual_seed(1)
    return ImageEncoder(tiny.image_encoder().requires_grad_(False))


def engine(base: Backbone, **options: object) -> AnyStory:
    return AnyStory(base, image_encoder(), random_parts(base), options=Options(**options))  # type: ignore[arg-type]


def reference(colour: tuple[int, int, int], view: str = "front", size: int = 40, state: str = "") -> Reference:
    """A block of colour on white, cut out by its plain background."""
    picture = Image.new("RGB", (size, size), (255, 255, 255))
    picture.paste(colour, (size // 4, size // 8, size // 2, size - 2))
    return Reference(picture, "", view=view, state=state)


def character(who: CharacterId, *references: Reference) -> Character:
    return Character(who, NAMES[who], references or (reference(COLOURS[who]),))


def panel(*who: CharacterId, members: Iterable[Member] | None = None, **settings: Value) -> PanelPrompt:
    return PanelPrompt((*who, " waves in the park"), tuple(members or (PEOPLE[one] for one in who)), settings)


def training_batch(unet: UNet2DConditionModel, rows: int = 3) -> TrainingBatch:
    """Two places for subjects; the second row fills one, the third is dropped."""
    g = torch.Generator().manual_seed(0)
    masks = torch.zeros(rows, 2, 32, 32)
    masks[:, 0, :, :16], masks[:, 1, 8:, 16:] = 1, 1
    masks[1:2, 1] = 0
    return TrainingBatch(
        text=torch.randn(rows, 77, unet.config.cross_attention_dim, generator=g),
        references=torch.rand(rows, 2, 3, 32, 32, generator=g),
        reference_masks=(torch.rand(rows, 2, 32, 32, generator=g) > 0.3).float(),
        masks=masks,
        present=torch.tensor([[True, True], [True, False], [True, True]])[:rows],
        drop=torch.tensor([False, False, True])[:rows],
        latent_size=(8, 8),
    )
