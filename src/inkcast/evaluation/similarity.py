"""Encoders that judge pictures: CLIP with both its towers, and DINO, from any folder or hub id.

They prepare pictures as published evaluations do (shorter side scaled, then a centre crop), so that figures compare.
`vision.clip.PictureEncoder` is the protocol; `WordEncoder` adds prompts for CLIP-T.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from inkcast.pretrained import load_part, load_pretrained
from inkcast.vision.clip import PictureEncoder
from inkcast.vision.crops import to_tensor

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DINO_CROP = 224 / 256


class WordEncoder(PictureEncoder, Protocol):
    """Also gives a unit vector for each text, in the space of its pictures; long texts are cut."""

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "n d"]: ...


def centered(pictures: Float[Tensor, "n 3 h w"], side: int, share: float = 1.0) -> Float[Tensor, "n 3 side side"]:
    """The middle square of `share` of the shorter side, `side` pixels wide (bicubic, antialiased)."""
    height, width = pictures.shape[-2:]
    scale = side / share / min(height, width)
    size = (max(side, round(height * scale)), max(side, round(width * scale)))
    if size != (height, width):
        pictures = F.interpolate(pictures, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    return pictures[..., top : top + side, left : left + side]


def normalized(x: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    shape = (1, 3, 1, 1)
    return (x - x.new_tensor(mean).view(shape)) / x.new_tensor(std).view(shape)


@dataclass(frozen=True)
class Clip:
    """A `CLIPModel` with its tokenizer, such as openai/clip-vit-large-patch14: CLIP-T and CLIP-I.

    Raises `BaseModelError` where it cannot be loaded.
    """

    source: str | Path
    device: str = "cpu"

    @cached_property
    def parts(self) -> tuple[Any, Any]:
        from transformers import AutoTokenizer, CLIPModel

        model = load_pretrained(CLIPModel, self.source, "CLIP model", dtype=torch.float32)
        tokenizer = load_part("CLIP tokenizer", self.source, lambda: AutoTokenizer.from_pretrained(self.source))
        return model.to(self.device).requires_grad_(False), tokenizer

    @torch.no_grad()
    def embed(self, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        model, _ = self.parts
        x = normalized(centered(pictures, model.config.vision_config.image_size), CLIP_MEAN, CLIP_STD)
        pooled = model.vision_model(x.to(self.device)).pooler_output
        return F.normalize(model.visual_projection(pooled), dim=-1).cpu()

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        model, tokenizer = self.parts
        longest = model.config.text_config.max_position_embeddings
        ids = tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        pooled = model.text_model(ids.input_ids.to(self.device), ids.attention_mask.to(self.device)).pooler_output
        return F.normalize(model.text_projection(pooled), dim=-1).cpu()


@dataclass(frozen=True)
class Dino:
    """A DINO or DINOv2 vision transformer, such as facebook/dino-vits16 (DreamBooth's): its class token.

    Raises `BaseModelError` where it cannot be loaded.
    """

    source: str | Path
    device: str = "cpu"
    side: int = 224

    @cached_property
    def model(self) -> Any:
        from transformers import AutoModel

        # Published DINOs come without the pooler that transformers gives every ViT.
        model = load_pretrained(AutoModel, self.source, "DINO model", needless=("pooler.",), dtype=torch.float32)
        return model.to(self.device).requires_grad_(False)

    @torch.no_grad()
    def embed(self, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        x = normalized(centered(pictures, self.side, DINO_CROP), IMAGENET_MEAN, IMAGENET_STD)
        return F.normalize(self.model(x.to(self.device)).last_hidden_state[:, 0], dim=-1).cpu()


def vectors(encoder: PictureEncoder, pictures: Sequence[UInt8[np.ndarray, "h w 3"]]) -> Float[np.ndarray, "n d"]:
    """The encoder's vectors of pictures of any sizes, one at a time where sizes differ."""
    if len({picture.shape for picture in pictures}) == 1:
        return encoder.embed(to_tensor(np.stack(pictures))).double().numpy()
    return np.concatenate([encoder.embed(to_tensor(picture[None])).double().numpy() for picture in pictures])
