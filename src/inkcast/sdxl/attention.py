"""The one seam into the UNet: what its attention layers read beyond their own input, and what they report.

A method fills an `AttentionMemory` before the first step; the processors (`processors.py`, installed once by
`layers.prepare`) read it. It travels as `cross_attention_kwargs={"memory": memory, "trace": trace}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Layer = str  # an attention layer's module name: a key of `unet.attn_processors` without its ".processor"
Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class KeyValue:
    """Projected keys and values of one layer, heads split.

    Shapes: `[rows, heads, tokens, head_dim]` (one softmax over all tokens) or
    `[rows, subjects, heads, tokens, head_dim]` (one softmax, or one block of reference columns, per subject).
    """

    key: Tensor
    value: Tensor


class Router(Protocol):
    """Where each subject may act (AnyStory section 3.3). Called in every cross-attention, in execution order.

    Its routing features broadcast over the rows of `latents`: both guidance rows and all pictures share one cast.
    """

    def __call__(
        self, layer: Layer, latents: Float[Tensor, "rows pixels channels"]
    ) -> Float[Tensor, "rows subjects_and_background pixels"]:
        """M^l in [0, 1], the background last. `latents` are the layer's normed hidden states (its query input)."""
        ...


@runtime_checkable
class SteppedRouter(Router, Protocol):
    """A router that remembers earlier steps of a drawing: `fitting.fit`, which begins one, asks for it by `begin`."""

    def begin(self, latent_size: Size) -> Router:
        """For one drawing at `latent_size`; nothing of another drawing's steps comes along."""
        ...


Gate = Callable[[Float[Tensor, "rows subjects pixels"]], Float[Tensor, "rows subjects pixels"]]


def one_hot_gate(routing: Float[Tensor, "rows subjects pixels"]) -> Float[Tensor, "rows subjects pixels"]:
    """sigma(M): arg max over subjects, as 0 and 1 (AnyStory, under eq. 5). Passes no gradient."""
    winner = routing.argmax(dim=1, keepdim=True)
    return torch.zeros_like(routing).scatter(1, winner, 1.0).detach()


@dataclass(frozen=True)
class Regions:
    """What `regions` and `present` allow at one resolution; made by `fitting.fit`.

    `allowed` limits a routing map; `gates` stands in for sigma(M) where there is no router. `mask` and `reached` do the
    same inside one softmax: which tokens a pixel may read, and whether there is any.
    """

    allowed: Float[Tensor, "rows subjects pixels"]
    gates: Float[Tensor, "rows subjects pixels"]
    mask: Bool[Tensor, "rows 1 pixels tokens"] | None = None
    reached: Float[Tensor, "rows pixels 1"] | None = None


@dataclass(frozen=True)
class AttentionMemory:
    """What the attention layers read, one or more rows of the UNet's batch; constant over the steps.

    `text`: cached K = C W_k, V = C W_v of the prompt; a layer that is absent projects the prompt itself.
    `subjects`: decoupled cross-attention. 4-d: one softmax over all subjects' tokens (StoryMaker eq. 3, IP-Adapter).
        5-d: one softmax per subject, each weighted by its gate, summed (AnyStory eq. 5); the background, if any, last.
    `reference`: 5-d columns appended to self-attention (AnyStory eq. 6), one block per subject, no background. Only
        pixels whose gate in the preceding cross-attention is 1 see a subject's columns (eq. 8); `reference_bias` is
        gamma of eq. 7 (0 = full strength, -inf = off), for all subjects or for each.
    `router`, `gate`: M and sigma(M). Without a router and regions every gate is 1: leave the background out then.
    `regions`: author's masks in [0, 1], any size, 1 everywhere = free. They limit where the router may put a subject,
        or stand in for it. 5-d subjects: one each, without the background; 4-d: one per equal block of tokens.
    `present`: which subjects exist in each row (columns as in `regions`), for ragged training batches.
    `guided`: rows are [negative…, positive…]; the positive half alone serves a batch of half the rows.
    `grid`, `region_maps`: filled in by `fitting.fit`; pixel count -> (height, width), -> what `regions` allow there.
    """

    text: Mapping[Layer, KeyValue] = field(default_factory=dict)
    subjects: Mapping[Layer, KeyValue] = field(default_factory=dict)
    reference: Mapping[Layer, KeyValue] = field(default_factory=dict)
    router: Router | None = None
    gate: Gate = one_hot_gate
    regions: Float[Tensor, "rows subjects height width"] | None = None
    present: Bool[Tensor, "rows subjects"] | None = None
    subject_scale: float | Float[Tensor, " rows"] = 1.0
    reference_bias: float | Float[Tensor, " rows"] | Float[Tensor, "rows subjects"] = 0.0
    guided: bool = False
    grid: Mapping[int, Size] = field(default_factory=dict)
    region_maps: Mapping[int, Regions] = field(default_factory=dict)


class AttentionTrace:
    """What the attention layers report, keyed by layer; the step callback harvests and resets it.

    `routing`: M as it acts, `[rows, subjects + 1, pixels]`: the router's, held to the regions where there are any; the
        shares of a pixel add up to 1. With gradients (AnyStory eq. 4).
    `gates`: sigma(M), same shape; the next self-attention reads it. In training reset after backward, since gradient
        checkpointing runs layers again.
    `attention`: head mean of the subjects' softmax, only with `record_attention=True`, with gradients:
        `[rows, pixels, tokens]` for 4-d subjects (StoryMaker eq. 11), `[rows, subjects, pixels, tokens]` for 5-d.
    A plain object on purpose: offload hooks copy mappings, and copies would be lost. Required with a router.
    """

    def __init__(self, *, record_attention: bool = False) -> None:
        self.record_attention = record_attention
        self.routing: dict[Layer, Tensor] = {}
        self.gates: dict[Layer, Tensor] = {}
        self.attention: dict[Layer, Tensor] = {}

    def reset(self) -> None:
        self.routing.clear()
        self.gates.clear()
        self.attention.clear()
