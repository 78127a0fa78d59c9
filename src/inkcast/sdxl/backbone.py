"""Load a base (a diffusers folder, a hub id, one .safetensors file, or "toon") and encode prompts with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

Family = Literal["sdxl", "sd"]


@dataclass(frozen=True)
class Backbone:
    """A loaded base. `pipeline` is diffusers' own text-to-image pipeline with our processors installed.

    `folder` is where companion parts lie (image_encoder/, engines/<name>/*.safetensors); None where there is none.
    """

    name: str
    family: Family
    pipeline: Any
    device: torch.device
    dtype: torch.dtype
    digest: str
    folder: Path | None = None

    @property
    def unet(self) -> Any:
        return self.pipeline.unet

    @property
    def vae(self) -> Any:
        return self.pipeline.vae

    @property
    def vae_scale_factor(self) -> int:
        """Picture pixels per latent pixel, on one side."""
        return int(self.pipeline.vae_scale_factor)

    @property
    def text_encoders(self) -> tuple[Any, ...]:
        """One (family "sd") or two (family "sdxl"), in prompt order."""
        raise NotImplementedError

    @property
    def tokenizers(self) -> tuple[Any, ...]:
        raise NotImplementedError


@dataclass(frozen=True)
class PromptEmbeds:
    """Both guidance rows of one prompt, equally many 77-token windows; `pooled` are None in family "sd"."""

    positive: Float[Tensor, "1 tokens channels"]
    negative: Float[Tensor, "1 tokens channels"]
    pooled: Float[Tensor, "1 pooled"] | None
    negative_pooled: Float[Tensor, "1 pooled"] | None


def load_backbone(
    source: str | Path, *, device: str | torch.device | None = None, dtype: torch.dtype | None = None
) -> Backbone:
    """`source`: "toon", a folder with model_index.json, a hub id, or a .safetensors file. Raises `BaseModelError`."""
    raise NotImplementedError


def encode_texts(
    base: Backbone, texts: Sequence[str]
) -> tuple[Float[Tensor, "texts tokens channels"], Float[Tensor, "texts pooled"] | None]:
    """Hidden states (second-last layers, concatenated) and the pooled embedding, with gradients where enabled."""
    raise NotImplementedError


def encode_prompt(base: Backbone, prompt: str, negative: str = "") -> PromptEmbeds:
    """Prompt and negative in windows of 77 tokens, as many as the longer of the two needs."""
    raise NotImplementedError
