"""CLIP's image encoder as the methods use it: the second-last hidden states of a picture cut to a square."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from inkcast.errors import BaseModelError
from inkcast.files import shown
from inkcast.pretrained import load_part, load_pretrained

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class ImageEncoder:
    """`model` is a frozen `CLIPVisionModelWithProjection`; `mean` and `std` are those it was trained with."""

    model: Any
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD

    @property
    def side(self) -> int:
        """Pixels on each side of the input."""
        return int(self.model.config.image_size)

    @property
    def channels(self) -> int:
        """Of the hidden states."""
        return int(self.model.config.hidden_size)

    def features(self, pictures: Float[Tensor, "pictures 3 height width"]) -> Float[Tensor, "pictures tokens channels"]:
        """Second-last hidden states (class token first) of square pictures in [0, 1], resized as needed."""
        pictures = pictures.to(self.model.device, torch.float32)
        if pictures.shape[-2:] != (self.side, self.side):
            pictures = F.interpolate(pictures, size=(self.side, self.side), mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = (pictures.new_tensor(x).view(1, 3, 1, 1) for x in (self.mean, self.std))
        return self._hidden((pictures - mean) / std)

    def nothing(self) -> Float[Tensor, "1 tokens channels"]:
        """Features of an all-zero input, the unconditional of IP-Adapter-Plus (zeros after normalising, a mid grey)."""
        return self._hidden(torch.zeros(1, 3, self.side, self.side, device=self.model.device))

    @torch.no_grad()
    def _hidden(self, pixels: Tensor) -> Tensor:
        return self.model(pixels.to(self.model.dtype), output_hidden_states=True).hidden_states[-2]


def load_image_encoder(
    source: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> ImageEncoder:
    """From a folder with config.json and weights; preprocessor_config.json, if there, gives mean and std.

    Raises:
        BaseModelError: missing, damaged, or not a CLIP vision model.
    """
    from transformers import CLIPVisionModelWithProjection

    if not (source / "config.json").is_file():
        raise BaseModelError(f"no image encoder at {shown(source)}: put a CLIP vision model there")
    what = "image encoder"
    model = load_pretrained(CLIPVisionModelWithProjection, source, what, dtype=dtype, local_files_only=True)
    preprocessor = source / "preprocessor_config.json"
    facts = load_part(what, source, lambda: json.loads(preprocessor.read_text()) if preprocessor.is_file() else {})
    mean, std = (tuple(facts.get(key, usual)) for key, usual in (("image_mean", CLIP_MEAN), ("image_std", CLIP_STD)))
    return ImageEncoder(model.to(device).requires_grad_(False), mean, std)
