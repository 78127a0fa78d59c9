"""What the text encoders read: prompts of any length in windows of 77 tokens, as hidden states and a pooled vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inkcast.sdxl.backbone import Backbone

_LOOK_BACK = 20  # tokens a window may stay short to end at a word's end

Runs = tuple[tuple[list[int], ...], ...]  # a text's token ids: per text encoder, per window


@dataclass(frozen=True)
class PromptEmbeds:
    """Both guidance rows of one prompt, equally many 77-token windows; `pooled` are None in family "sd"."""

    positive: Float[Tensor, "1 tokens channels"]
    negative: Float[Tensor, "1 tokens channels"]
    pooled: Float[Tensor, "1 pooled"] | None
    negative_pooled: Float[Tensor, "1 pooled"] | None


def windows(tokenizer: Any, text: str) -> list[list[int]]:
    """The text's token ids in runs that fit a window with its two marks, cut at word ends where possible."""
    return cut(tokenizer, token_ids(tokenizer, text))


def token_ids(tokenizer: Any, text: str) -> list[int]:
    """Of the whole text, without marks."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids
    return ids


def cut(tokenizer: Any, ids: list[int]) -> list[list[int]]:
    """`windows` of token ids."""
    room = tokenizer.model_max_length - 2
    runs: list[list[int]] = []
    while len(ids) > room:
        ends = (
            n
            for n in range(room, room - _LOOK_BACK, -1)
            if tokenizer.convert_ids_to_tokens(ids[n - 1]).endswith("</w>")
        )
        cut = next(ends, room)
        runs.append(ids[:cut])
        ids = ids[cut:]
    return [*runs, ids]


def _framed(tokenizer: Any, run: list[int]) -> list[int]:
    ids = [tokenizer.bos_token_id, *run, tokenizer.eos_token_id]
    return ids + [tokenizer.pad_token_id] * (tokenizer.model_max_length - len(ids))


def prompt_runs(base: Backbone, text: str) -> Runs:
    return tuple(
        tuple(windows(tokenizer, base.pipeline.maybe_convert_prompt(text, tokenizer))) for tokenizer in base.tokenizers
    )


def _framed_ids(base: Backbone, texts: Sequence[str | Runs]) -> list[Int[Tensor, "texts windows 77"]]:
    """For each text encoder; all texts get as many windows as the longest needs under any tokenizer."""
    cuts = [prompt_runs(base, text) if isinstance(text, str) else text for text in texts]
    count = max(len(runs) for text in cuts for runs in text)
    return [
        torch.tensor([[_framed(tokenizer, run) for run in (*runs, *[[]] * (count - len(runs)))] for runs in per_text])
        for tokenizer, per_text in zip(base.tokenizers, zip(*cuts, strict=True), strict=True)
    ]


def encode_texts(
    base: Backbone, texts: Sequence[str | Runs]
) -> tuple[Float[Tensor, "texts tokens channels"], Float[Tensor, "texts pooled"] | None]:
    """Hidden states and the pooled embedding (None in family "sd"), with gradients where enabled.

    SDXL: second-last layers of both encoders side by side, pooled from the second encoder's first window. SD 2.1: the
    last layer of its one encoder. The encoders read [texts * windows, 77], a text's windows one after the other.
    """
    hidden, pooled = [], None
    for encoder, ids in zip(base.text_encoders, _framed_ids(base, texts), strict=True):
        out = encoder(ids.flatten(0, 1).to(base.device), output_hidden_states=True)
        states = out.hidden_states[-2] if base.family == "sdxl" else out.last_hidden_state
        hidden.append(states.unflatten(0, ids.shape[:2]).flatten(1, 2))
        if base.family == "sdxl" and hasattr(out, "text_embeds"):
            pooled = out.text_embeds.unflatten(0, ids.shape[:2])[:, 0].to(base.dtype)
    return torch.cat(hidden, dim=-1).to(base.dtype), pooled


@torch.no_grad()
def encode_prompt(base: Backbone, prompt: str | Runs, negative: str = "") -> PromptEmbeds:
    """Prompt and negative in equally many windows.

    An empty negative is all zeros where the base was trained so (`force_zeros_for_empty_prompt`), as in diffusers.
    """
    hidden, pooled = encode_texts(base, [prompt, negative])
    if not negative and base.pipeline.config.get("force_zeros_for_empty_prompt"):
        hidden = torch.cat([hidden[:1], torch.zeros_like(hidden[1:])])
        pooled = None if pooled is None else torch.cat([pooled[:1], torch.zeros_like(pooled[1:])])
    if pooled is None:
        return PromptEmbeds(hidden[:1], hidden[1:], None, None)
    return PromptEmbeds(hidden[:1], hidden[1:], pooled[:1], pooled[1:])
