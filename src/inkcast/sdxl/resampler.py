"""The perceiver resampler of IP-Adapter-Plus: learned queries read image features and become tokens like words.

Source: the IP-Adapter paper (arXiv 2308.06721) and its "plus" checkpoints, whose parameter names these are; the block
is Flamingo's perceiver (arXiv 2204.14198, section 3.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from inkcast.sdxl.processors import split_heads


@dataclass(frozen=True)
class ResamplerSize:
    """Of `ip-adapter-plus_sdxl_vit-h` where nothing else is said."""

    feature_channels: int = 1280  # of the image encoder's hidden states
    out_channels: int = 2048  # of the prompt's
    channels: int = 1280
    depth: int = 4
    heads: int = 20
    head_dim: int = 64
    queries: int = 16
    widening: int = 4


class PerceiverAttention(nn.Module):
    """Queries read features and themselves: K and V of the concatenation [features, queries]."""

    def __init__(self, channels: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_dim
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.to_q = nn.Linear(channels, inner, bias=False)
        self.to_kv = nn.Linear(channels, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, channels, bias=False)

    def forward(
        self, features: Float[Tensor, "rows patches channels"], queries: Float[Tensor, "rows queries channels"]
    ) -> Float[Tensor, "rows queries channels"]:
        features, queries = self.norm1(features), self.norm2(queries)
        key, value = self.to_kv(torch.cat([features, queries], dim=1)).chunk(2, dim=-1)
        query, key, value = (split_heads(x, self.heads) for x in (self.to_q(queries), key, value))
        out = F.scaled_dot_product_attention(query, key, value)
        return self.to_out(out.transpose(1, 2).flatten(2))


def feed_forward(channels: int, widening: int = 4) -> nn.Sequential:
    inner = channels * widening
    return nn.Sequential(
        nn.LayerNorm(channels),
        nn.Linear(channels, inner, bias=False),
        nn.GELU(),
        nn.Linear(inner, channels, bias=False),
    )


class Resampler(nn.Module):
    """Image features -> `queries` tokens in the prompt's channels; parameter names are the public checkpoint's."""

    def __init__(self, size: ResamplerSize) -> None:
        super().__init__()
        self.size = size
        self.latents = nn.Parameter(torch.randn(1, size.queries, size.channels) / size.channels**0.5)
        self.proj_in = nn.Linear(size.feature_channels, size.channels)
        self.proj_out = nn.Linear(size.channels, size.out_channels)
        self.norm_out = nn.LayerNorm(size.out_channels)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    PerceiverAttention(size.channels, size.heads, size.head_dim),
                    feed_forward(size.channels, size.widening),
                ]
            )
            for _ in range(size.depth)
        )

    def forward(self, features: Float[Tensor, "rows patches features"]) -> Float[Tensor, "rows queries out_channels"]:
        queries = self.latents.expand(features.shape[0], -1, -1)
        features = self.proj_in(features)
        for block in self.layers:
            attend, refine = cast(nn.ModuleList, block)
            queries = attend(features, queries) + queries
            queries = refine(queries) + queries
        return self.norm_out(self.proj_out(queries))
