"""Captions by a model that sees: Qwen2-VL (arXiv 2409.12191), as in AnyStory section 3.4, behind a small protocol."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from inkcast.errors import BaseModelError
from inkcast.files import shown
from inkcast.pretrained import load_part
from inkcast.vision.people import load_model

QUESTION = (
    "Describe this picture in one plain sentence of at most forty words: who or what is in it, what they do, "
    "where they are. Do not name anybody, and do not begin with 'the image'."
)
PAD = "<|image_pad|>"
# Qwen2's chat template, written out: its processor cannot be loaded without torchvision.
CHAT = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n<|vision_start|>{picture}<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
)


class Captioner(Protocol):
    """`caption` describes an RGB picture in one line; `label` says what its subject is, where that is known."""

    def caption(self, picture: UInt8[np.ndarray, "h w 3"], label: str = "") -> str: ...


@dataclass(frozen=True)
class Qwen2VLCaptioner:
    """A `Qwen2VLForConditionalGeneration` from a folder or hub id, such as Qwen/Qwen2-VL-7B-Instruct.

    Decoding is greedy, so that a picture gets the same caption each time. `pixels` bounds what the model looks at.
    Raises `BaseModelError` where the model cannot be loaded or is no Qwen2-VL.
    """

    source: str
    device: str = "cpu"
    question: str = QUESTION
    tokens: int = 96
    pixels: int = 28 * 28 * 640

    @cached_property
    def parts(self) -> tuple[Any, Any, Any]:
        from transformers import AutoTokenizer, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessorPil

        model = load_model(Qwen2VLForConditionalGeneration, self.source, "captioner", self.device)
        tokenizer, processor = load_part(
            "captioner",
            self.source,
            lambda: (AutoTokenizer.from_pretrained(self.source), Qwen2VLImageProcessorPil.from_pretrained(self.source)),
        )
        if tokenizer.convert_tokens_to_ids(PAD) != model.config.image_token_id:
            raise BaseModelError(f"{shown(self.source)} is no Qwen2-VL: its tokenizer lacks {PAD}")
        return model, tokenizer, processor

    @torch.no_grad()
    def caption(self, picture: UInt8[np.ndarray, "h w 3"], label: str = "") -> str:
        model, tokenizer, _ = self.parts
        pixels, grid = self.seen(picture)
        tokens = self.prompt(label, int(grid.prod()) // model.config.vision_config.spatial_merge_size**2)
        is_picture = (tokens == model.config.image_token_id).int()
        answer = model.generate(
            input_ids=tokens.to(self.device),
            attention_mask=torch.ones_like(tokens).to(self.device),
            mm_token_type_ids=is_picture.to(self.device),
            pixel_values=pixels.to(self.device),
            image_grid_thw=grid.to(self.device),
            max_new_tokens=self.tokens,
            do_sample=False,
        )
        return one_line(tokenizer.decode(answer[0, tokens.shape[1] :], skip_special_tokens=True))

    def seen(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[Float[Tensor, "patches values"], Int[Tensor, "1 3"]]:
        """The picture as patches, and its grid of (time, rows, columns)."""
        _, _, processor = self.parts
        size = {"shortest_edge": processor.size["shortest_edge"], "longest_edge": self.pixels}
        found = processor(images=[Image.fromarray(picture)], size=size, return_tensors="pt")
        return found["pixel_values"], found["image_grid_thw"]

    def prompt(self, label: str, patches: int) -> Int[Tensor, "1 tokens"]:
        """The chat's tokens, with room for the picture's."""
        _, tokenizer, _ = self.parts
        question = f"{self.question} Call the subject a {label}." if label else self.question
        text = CHAT.format(picture=PAD * patches, question=question)
        return torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])


def one_line(text: str) -> str:
    return " ".join(text.split())
