"""A world of plain colours: pictures are two halves, people the coloured halves, vectors mean colours."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from inkcast.cast.character import Character, CharacterId, Reference
from inkcast.engines.engine import Member, PanelPrompt
from inkcast.evaluation.suites import Commission
from inkcast.vision.face import SeenFace

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
SIDE = 32


def character(name: str, colour: tuple[int, int, int], pictures: int = 1) -> Character:
    image = Image.new("RGB", (SIDE, SIDE), colour)
    reference = Reference(image, hashlib.sha256(image.tobytes()).hexdigest())
    return Character(CharacterId(name), name, (reference,) * pictures)


def commission(key: str, *cast: Character, section: str = "", cluster: str = "") -> Commission:
    members = tuple(Member(one.id, one.name, f"a {one.name}") for one in cast)
    parts = tuple(part for member in members for part in (member.id, " and "))[:-1]
    return Commission(key, cast, PanelPrompt((*parts, f" in {key}"), members), len(key), section, cluster)


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> np.ndarray:
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[:, : SIDE // 2], picture[:, SIDE // 2 :] = left, right
    return picture


@dataclass(frozen=True)
class MeanColour:
    """Also reads words: each names its letters' colour, "r…" red and so on."""

    def embed(self, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3"]:
        return F.normalize(pictures.mean((2, 3)), dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "n 3"]:
        counts = [[text.count(name) for name in ("red", "green", "blue")] for text in texts]
        return F.normalize(torch.tensor(counts, dtype=torch.float32), dim=-1)


@dataclass(frozen=True)
class Tint:
    """The mean of what is left of colours without their white: a white margin changes nothing."""

    def embed(self, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3"]:
        return F.normalize((pictures - pictures.amin(1, keepdim=True)).mean((2, 3)), dim=-1)


@dataclass(frozen=True)
class Halves:
    """Everybody who is not white, as a crop; and the same as faces."""

    dim: int = 3

    def find(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[np.ndarray, ...]:
        middle = picture.shape[1] // 2
        sides = (picture[:, :middle], picture[:, middle:])
        return tuple(np.array(side) for side in sides if side.min() < 255)

    def read(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[SeenFace, ...]:
        vectors = [side.reshape(-1, 3).mean(0) for side in self.find(picture)]
        return tuple(SeenFace((0, 0, 9, 9), np.zeros((5, 2)), 1.0, v / np.linalg.norm(v)) for v in vectors)


@dataclass
class Halver:
    """A painter who puts the cast's colours side by side; `swapped` puts each where the other belongs."""

    name: str = "halver"
    digest: str = "1"
    group: int = 2
    blank: bool = False
    calls: list[str] = field(default_factory=list)

    def paint(self, commissions: Sequence[Commission]) -> list[np.ndarray]:
        self.calls += [one.key for one in commissions]
        return [self.picture(one) for one in commissions]

    def picture(self, commission: Commission) -> np.ndarray:
        if self.blank:
            return halves(WHITE, WHITE)
        colours = [one.references[0].image.getpixel((0, 0)) for one in commission.cast]
        return halves(colours[0], colours[1] if len(colours) > 1 else WHITE)
