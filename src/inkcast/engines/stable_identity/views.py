"""The few augmented views of a character's references that learning draws from, each encoded once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from inkcast.engines.stable_identity.losses import face_weight
from inkcast.engines.stable_identity.sight import Seen
from inkcast.sdxl.backbone import Backbone

HEAD_SHARE = 0.6
"""How much of a square's side the head takes before views are cropped, as in an aligned portrait."""
_JITTER, _HUE = 0.2, 0.01
_CROP = 0.75
_SHRUNK = (0.5, 1.0)
_SQUEEZED = (0.9, 1.1)

Layers = Float[Tensor, "5 side side"]
"""Red, green, blue in [0, 1], face and hair, 0 or 1."""


@dataclass(frozen=True)
class Material:
    """All that does not change while a face is learned. `own` is what the words are made of in the end."""

    latents: Float[Tensor, "views channels height width"]
    weights: Float[Tensor, "views 1 height width"]
    features: Float[Tensor, "views features"]
    own: Float[Tensor, "1 features"]


def material(base: Backbone, seen: Sequence[Seen], side: int, views: int, seed: int) -> Material:
    """`views` views of `side` px, the references taking turns; every second one is mirrored."""
    portraits = [portrait(one, side) for one in seen]
    chance = torch.Generator().manual_seed(seed)
    pictures = []
    for number in range(views):
        layers = portraits[number % len(seen)]
        turned = layers.flip(-1) if _mirrors(number, seen) else layers
        pictures.append(placed(cropped(jittered(turned, chance), chance), chance))
    stacked = torch.stack(pictures)
    latents = encoded(base, stacked[:, :3])
    face, hair = (shrunk(stacked[:, n : n + 1], (latents.shape[-2], latents.shape[-1])).to(base.device) for n in (3, 4))
    features = [seen[n % len(seen)].features[int(_mirrors(n, seen))] for n in range(views)]
    own = torch.stack([one.features[0] for one in seen]).mean(dim=0, keepdim=True)
    return Material(latents, face_weight(face, hair), torch.stack(features).to(base.device), own.to(base.device))


def _mirrors(number: int, seen: Sequence[Seen]) -> bool:
    return (number // len(seen)) % 2 == 1


def portrait(seen: Seen, side: int) -> Layers:
    """A square around face and hair; beyond the picture its edges are continued, masks are not."""
    masks = np.stack([seen.masks.face, seen.masks.hair])
    top, left, length = head_square(masks[0] | masks[1])
    height, width = masks.shape[1:]
    around = [(max(-top, 0), max(top + length - height, 0)), (max(-left, 0), max(left + length - width, 0))]
    top, left = top + around[0][0], left + around[1][0]
    picture = np.pad(seen.picture, [*around, (0, 0)], mode="edge")[top : top + length, left : left + length]
    masks = np.pad(masks, [(0, 0), *around])[:, top : top + length, left : left + length]
    colours = torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
    layers = torch.cat([colours, torch.from_numpy(masks.copy()).float()])
    return _resized(layers, side, side)


def head_square(head: Bool[np.ndarray, "h w"]) -> tuple[int, int, int]:
    """Top, left and length of the square in which the head takes `HEAD_SHARE`."""
    rows, columns = np.flatnonzero(head.any(1)), np.flatnonzero(head.any(0))
    length = math.ceil(max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) / HEAD_SHARE)
    return round((rows[0] + rows[-1] + 1 - length) / 2), round((columns[0] + columns[-1] + 1 - length) / 2), length


def jittered(layers: Layers, chance: torch.Generator) -> Layers:
    """Brightness, contrast and saturation by up to a fifth, hue by up to a hundredth of the circle."""
    brightness, contrast, saturation = (1 + _JITTER * _signed(chance) for _ in range(3))
    x = layers[:3] * brightness
    x = x.mean() + contrast * (x - x.mean())
    grey = x.mean(dim=0, keepdim=True)
    x = torch.einsum("d c, c h w -> d h w", hue_turn(_HUE * _signed(chance)), grey + saturation * (x - grey))
    return torch.cat([x.clamp(0, 1), layers[3:]])


def hue_turn(circle: float) -> Float[Tensor, "3 3"]:
    """The rotation of colours about grey by `circle` of a whole turn (Rodrigues' formula)."""
    angle = 2 * math.pi * circle
    k = 1 / math.sqrt(3)
    cross = torch.tensor([[0, -k, k], [k, 0, -k], [-k, k, 0]])
    return math.cos(angle) * torch.eye(3) + (1 - math.cos(angle)) / 3 + math.sin(angle) * cross


def cropped(layers: Layers, chance: torch.Generator) -> Layers:
    """Three quarters of the side, anywhere, at full size again."""
    side = layers.shape[-1]
    length = int(side * _CROP)
    top, left = (_below(side - length + 1, chance) for _ in range(2))
    return _resized(layers[:, top : top + length, left : left + length], side, side)


def placed(layers: Layers, chance: torch.Generator) -> Layers:
    """At half to full size somewhere on black, so that the words do not stand for one place in the picture."""
    side = layers.shape[-1]
    height = int(side * _between(_SHRUNK, chance))
    width = min(int(height * _between(_SQUEEZED, chance)), side)
    top, left = _below(side - height + 1, chance), _below(side - width + 1, chance)
    canvas = torch.zeros_like(layers)
    canvas[:, top : top + height, left : left + width] = _resized(layers, height, width)
    return canvas


def shrunk(mask: Float[Tensor, "n 1 side side"], size: tuple[int, int]) -> Float[Tensor, "n 1 h w"]:
    """At the latents' size, 0 or 1; a mask too small to fill half of any latent pixel keeps all that it touches."""
    area = F.interpolate(mask, size=size, mode="area")
    half = (area >= 0.5).to(mask)
    return torch.where(half.flatten(1).any(dim=1).view(-1, 1, 1, 1), half, (area > 0).to(mask))


@torch.no_grad()
def encoded(base: Backbone, pictures: Float[Tensor, "n 3 side side"]) -> Float[Tensor, "n channels h w"]:
    """Scaled latents in float32 (the autoencoder's means), one picture at a time."""
    with _upcast(base.vae):
        latents = [
            base.vae.encode((one[None] * 2 - 1).to(base.device, base.vae.dtype)).latent_dist.mode()
            for one in pictures.unbind()
        ]
    return torch.cat(latents).float() * base.vae.config.scaling_factor


@contextmanager
def _upcast(vae: Any) -> Iterator[None]:
    """SDXL's own autoencoder overflows in float16."""
    if vae.dtype != torch.float16 or not vae.config.force_upcast:
        yield
        return
    vae.to(torch.float32)
    try:
        yield
    finally:
        vae.to(torch.float16)


def _resized(layers: Float[Tensor, "5 h w"], height: int, width: int) -> Float[Tensor, "5 height width"]:
    colours = F.interpolate(layers[None, :3], size=(height, width), mode="bicubic", antialias=True)[0].clamp(0, 1)
    masks = F.interpolate(layers[None, 3:], size=(height, width), mode="bilinear", antialias=True)[0]
    return torch.cat([colours, (masks >= 0.5).to(masks)])


def _signed(chance: torch.Generator) -> float:
    return 2 * float(torch.rand((), generator=chance)) - 1


def _between(limits: tuple[float, float], chance: torch.Generator) -> float:
    return limits[0] + (limits[1] - limits[0]) * float(torch.rand((), generator=chance))


def _below(count: int, chance: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=chance))
