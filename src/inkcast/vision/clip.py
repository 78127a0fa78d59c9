"""A picture as one vector: CLIP's projection from any folder or hub id, or the toon world's independent judge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from inkcast.pretrained import load_part, load_pretrained
from inkcast.toon.nets import Judge, load_net


class PictureEncoder(Protocol):
    """`embed` gives a unit vector for each RGB picture in [0, 1], resized as the encoder was trained."""

    def embed(self, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]: ...


def resized(pictures: Float[Tensor, "n 3 h w"], side: int) -> Float[Tensor, "n 3 side side"]:
    """Squared by white bars, then scaled (bicubic, antialiased)."""
    height, width = pictures.shape[-2:]
    across, down = max(height - width, 0), max(width - height, 0)
    square = F.pad(pictures, (across // 2, across - across // 2, down // 2, down - down // 2), value=1.0)
    if square.shape[-1] == side:
        return square
    return F.interpolate(square, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)


@dataclass(frozen=True)
class ClipVision:
    """A `CLIPVisionModelWithProjection`: `source` is a folder or a hub id, such as the toon base's image_encoder or
    laion/CLIP-ViT-H-14-laion2B-s32B-b79K. Mean and deviation come from its preprocessor_config.json."""

    source: str | Path
    device: str = "cpu"

    @cached_property
    def parts(self) -> tuple[Any, Tensor, Tensor]:
        from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

        what = "CLIP vision model"
        model = load_pretrained(CLIPVisionModelWithProjection, self.source, what, dtype=torch.float32)
        processor = load_part(what, self.source, lambda: CLIPImageProcessorPil.from_pretrained(self.source))
        mean, std = (
            torch.tensor(values, device=self.device).view(1, 3, 1, 1)
            for values in (processor.image_mean, processor.image_std)
        )
        return model.to(self.device).requires_grad_(False), mean, std

    @torch.no_grad()
    def embed(self, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        model, mean, std = self.parts
        x = resized(pictures.to(self.device), model.config.image_size)
        return F.normalize(model((x - mean) / std).image_embeds, dim=-1).cpu()


@dataclass(frozen=True)
class ToonJudge:
    """The embedded second encoder: another architecture, seed and loss than the tower that conditions the engines."""

    folder: Path

    @cached_property
    def net(self) -> Judge:
        return cast(Judge, load_net(self.folder))

    @torch.no_grad()
    def embed(self, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        return self.net(resized(pictures, Judge.side))
