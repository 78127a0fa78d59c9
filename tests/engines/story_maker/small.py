"""A tiny StoryMaker over the tiny base, random where training would have written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from tests import tiny

from inkcast.cast.character import Character, CharacterId
from inkcast.engines.engine import Member, PanelPrompt, TrainingBatch
from inkcast.engines.settings import Value
from inkcast.engines.story_maker.encoder import PerceiverSize
from inkcast.engines.story_maker.engine import StoryMaker
from inkcast.engines.story_maker.eyes import Eyes, Preparation
from inkcast.engines.story_maker.options import Options
from inkcast.engines.story_maker.weights import Adapter, fresh_adapter
from inkcast.images import Reference
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.image_encoder import ImageEncoder
from inkcast.sdxl.resampler import ResamplerSize
from inkcast.vision.face import SeenFace

SIZE = PerceiverSize(
    character=ResamplerSize(
        feature_channels=32, out_channels=64, channels=16, depth=2, heads=2, head_dim=8, queries=3, widening=2
    ),
    id_channels=6,
    id_hidden=12,
    face_tokens=2,
    face_depth=2,
    face_head_dim=16,
    face_widening=2,
)
RANK = 4
ANN, BEN, CAT = CharacterId("ann"), CharacterId("ben"), CharacterId("cat")
NAMES = {ANN: "Ann", BEN: "Ben", CAT: "Cat"}
COLOURS = {ANN: (200, 30, 30), BEN: (20, 60, 220), CAT: (10, 160, 40)}
POINTS = np.array([[13.0, 12], [18, 12], [15.5, 15], [13, 18], [18, 18]])


@dataclass(frozen=True)
class Faces:
    """Sees a face wherever the picture has a white spot in it, and knows it by the colour beside the spot."""

    dim: int = 6

    def read(self, picture: np.ndarray) -> tuple[SeenFace, ...]:
        if picture[15, 15].min() < 250:
            return ()
        vector = np.concatenate([picture[30, 14] / 255, 1 - picture[30, 14] / 255])
        return (SeenFace((12, 10, 20, 20), POINTS, 0.9, vector / np.linalg.norm(vector)),)


def random_adapter(base: Backbone, seed: int = 3) -> Adapter:
    """Fresh, with noise on every parameter, so that nothing is zero or shared by accident."""
    torch.manual_seed(seed)
    adapter = fresh_adapter(base.unet, SIZE, RANK)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return adapter


def eyes(**more: object) -> Eyes:
    torch.manual_seed(1)
    return Eyes(ImageEncoder(tiny.image_encoder().requires_grad_(False)), Faces(), **more)  # type: ignore[arg-type]


def engine(base: Backbone, notes: list[str] | None = None, **options: float) -> StoryMaker:
    heard = [] if notes is None else notes
    return StoryMaker(
        base, eyes(), random_adapter(base), options=Options(**options), report=lambda event: heard.append(event.text)
    )


def reference(colour: tuple[int, int, int], *, face: bool = True, state: str = "", inset: int = 0) -> Reference:
    """A block of colour on white, with a white face in it."""
    picture = Image.new("RGB", (40, 40), (255, 255, 255))
    picture.paste(colour, (10 + inset, 5, 20, 38))
    if face:
        picture.paste((255, 255, 255), (14, 14, 17, 17))
    return Reference(picture, "", state=state)


def character(who: CharacterId, *references: Reference) -> Character:
    return Character(who, NAMES[who], references or (reference(COLOURS[who]),))


def panel(*who: CharacterId, state: str = "", box: object = None, **settings: Value) -> PanelPrompt:
    members = tuple(Member(one, NAMES[one], "a girl", box, state) for one in who)  # type: ignore[arg-type]
    return PanelPrompt((*who, " waves in the park"), members, settings)


def training_batch(rows: int = 3) -> TrainingBatch:
    """Two places for people: the second row fills one, the third is dropped; the second place's face is not seen."""
    g = torch.Generator().manual_seed(0)
    masks = torch.zeros(rows, 2, 32, 32)
    masks[:, 0, :, :16], masks[:, 1, 8:, 16:] = 1, 1
    masks[1:2, 1] = 0
    none = torch.zeros(rows, dtype=torch.bool)
    return TrainingBatch(
        text=torch.randn(rows, 77, 64, generator=g),
        references=torch.rand(rows, 2, 3, 32, 32, generator=g),
        reference_masks=(torch.rand(rows, 2, 32, 32, generator=g) > 0.3).float(),
        masks=masks,
        present=torch.tensor([[True, True], [True, False], [True, True]])[:rows],
        drop=torch.tensor([False, False, True])[:rows],
        latent_size=(8, 8),
        extra={
            "faces": torch.rand(rows, 2, 3, 32, 32, generator=g),
            "face_embeds": torch.randn(rows, 2, 6, generator=g),
            "face_present": torch.tensor([[True, False]] * rows),
            "drop_crop": none,
            "zero_face": none,
            "zero_character": none,
        },
    )


PUBLISHED = Preparation("squashed")
