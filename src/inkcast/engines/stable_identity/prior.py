"""The editability prior: where the words of famous names lie in a text encoder's own embedding table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from inkcast.errors import EngineError

WORDS = 2
FEWEST = 8
"""Names under which a mean and a deviation say nothing of the names' space."""


PHOTOGRAPHS = (
    "a photo of {}",
    "a close-up photo of {}",
    "a portrait of {}",
    "a cropped photo of {}",
    "a bright photo of {}",
    "a dark photo of {}",
    "a good photo of {}",
    "an illustration of {}",
    "a painting of {}",
    "a depiction of {}",
)
DRAWINGS = (
    "{}, close-up",
    "{}, close up",
    "{}, close-up, seen from the front",
    "{} standing, close-up",
    "{} standing, close-up, seen from the front",
    "{} smiling, close-up, seen from the front",
)
"""Views are of heads: said to be close-ups, their size need not be part of the words."""

DRAWINGS_RATE = 1e-4
"""Of the toon base; measured in docs/decisions/stable-identity-departures.md."""


@dataclass(frozen=True)
class Fame:
    """Names of two words that a base knows, and what it may say about somebody: "{}" is where the name goes.

    `rate` is the learning rate at which its words are learned; None: that of the base's family.
    """

    names: tuple[str, ...]
    templates: tuple[str, ...]
    rate: float | None = None


@dataclass(frozen=True)
class Prior:
    """Mean and deviation of the celebrities' words in one text encoder, per word position and channel."""

    mean: Float[Tensor, "words channels"]
    deviation: Float[Tensor, "words channels"]


def adain(x: Float[Tensor, "... words channels"], prior: Prior) -> Float[Tensor, "... words channels"]:
    """AdaIN of normalised features x: sigma(C) x + mu(C) (arXiv 2401.15975, section 3.3)."""
    return x * prior.deviation + prior.mean


def no_prior(prior: Prior) -> Prior:
    """With which AdaIN changes nothing: the ablation without it."""
    return Prior(torch.zeros_like(prior.mean), torch.ones_like(prior.deviation))


def word_prior(table: Float[Tensor, "vocabulary channels"], ids: Sequence[tuple[int, int]]) -> Prior:
    """mu(C) and sigma(C), the sample deviation, of the names' word embeddings."""
    embeddings = table.detach()[torch.tensor(ids, device=table.device)].float()
    return Prior(embeddings.mean(dim=0), embeddings.std(dim=0))


def names_in(tokenizer: Any, names: Sequence[str]) -> list[tuple[int, int]]:
    """The token ids of the names of two words whose words are one token each."""
    special = {*tokenizer.all_special_ids}
    tokens = tokenizer(list(names), add_special_tokens=False).input_ids
    return [
        (ids[0], ids[1])
        for name, ids in zip(names, tokens, strict=True)
        if len(name.split()) == len(ids) == WORDS and not special & {*ids}
    ]


def famous(tokenizers: Sequence[Any]) -> Fame:
    """People, or the toon world's stars: whichever of the two the tokenizers know more names of."""
    from inkcast.toon.dataset import stars

    listed = resources.files(__package__).joinpath("names", "celebrities.txt").read_text(encoding="utf-8").splitlines()
    return max(
        (Fame(tuple(listed), PHOTOGRAPHS), Fame(tuple(stars()), DRAWINGS, DRAWINGS_RATE)),
        key=lambda fame: min(len(names_in(tokenizer, fame.names)) for tokenizer in tokenizers),
    )


def celebrity_priors(encoders: Sequence[Any], tokenizers: Sequence[Any], names: Sequence[str]) -> tuple[Prior, ...]:
    """One per text encoder, each from its own table; names that are not two tokens are left out.

    Raises:
        EngineError: fewer than `FEWEST` names are left.
    """
    priors = []
    for encoder, tokenizer in zip(encoders, tokenizers, strict=True):
        ids = names_in(tokenizer, names)
        if len(ids) < FEWEST:
            raise EngineError(
                f"the base's tokenizer knows {len(ids)} of {len(names)} famous names as two tokens, but {FEWEST} are "
                "needed to learn a face: give names that the base was trained on"
            )
        priors.append(word_prior(encoder.get_input_embeddings().weight, ids))
    return tuple(priors)
