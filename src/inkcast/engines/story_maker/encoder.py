"""The positional-aware perceiver resampler (StoryMaker section 4.3): faces and characters become tokens with a place.

Parameter names are those of the published `mask.bin` under `image_proj_model`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor, nn

from inkcast.sdxl.resampler import PerceiverAttention, Resampler, ResamplerSize, feed_forward


@dataclass(frozen=True)
class PerceiverSize:
    """Of the published `mask.bin` where nothing else is said. `character` also gives the prompt's and CLIP's channels.

    `people` is how many places there are in one picture.
    """

    character: ResamplerSize = field(default_factory=ResamplerSize)
    id_channels: int = 512
    id_hidden: int = 1024
    face_tokens: int = 4
    face_depth: int = 4
    face_head_dim: int = 64
    face_widening: int = 4
    people: int = 3

    @property
    def tokens(self) -> int:
        """L: of each character, and of the background."""
        return self.face_tokens + self.character.queries


class FaceResampler(nn.Module):
    """Given tokens read CLIP's features of a face: IP-Adapter-FaceID-PlusV2's perceiver, in the prompt's channels."""

    def __init__(self, size: PerceiverSize) -> None:
        super().__init__()
        channels, head_dim = size.character.out_channels, size.face_head_dim
        self.proj_in = nn.Linear(size.character.feature_channels, channels)
        self.proj_out = nn.Linear(channels, channels)
        self.norm_out = nn.LayerNorm(channels)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    PerceiverAttention(channels, channels // head_dim, head_dim),
                    feed_forward(channels, size.face_widening),
                ]
            )
            for _ in range(size.face_depth)
        )

    def forward(
        self, tokens: Float[Tensor, "n tokens channels"], features: Float[Tensor, "n patches features"]
    ) -> Float[Tensor, "n tokens channels"]:
        features = self.proj_in(features)
        for block in self.layers:
            attend, refine = cast(nn.ModuleList, block)
            tokens = attend(features, tokens) + tokens
            tokens = refine(tokens) + tokens
        return self.norm_out(self.proj_out(tokens))


class PositionalPerceiver(nn.Module):
    """Eq. 4-7, one method each. `bg_embed` is E_bg, `pos_embed` E_pos; a place is a row of `pos_embed`."""

    def __init__(self, size: PerceiverSize) -> None:
        super().__init__()
        self.size = size
        channels = size.character.out_channels
        self.pos_embed = nn.Parameter(torch.randn(size.people, size.tokens, channels) * 0.02)
        self.bg_embed = nn.Parameter(torch.randn(1, size.tokens, channels) * 0.02)
        self.proj = nn.Sequential(
            nn.Linear(size.id_channels, size.id_hidden),
            nn.GELU(),
            nn.Linear(size.id_hidden, size.face_tokens * channels),
        )
        self.norm = nn.LayerNorm(channels)
        self.proj_out = nn.Linear(channels, channels)
        self.norm_out = nn.LayerNorm(channels)
        self.perceiver_resampler = FaceResampler(size)
        self.resample = Resampler(size.character)

    def face(
        self, embedding: Float[Tensor, "n id_channels"], features: Float[Tensor, "n patches features"]
    ) -> Float[Tensor, "n face_tokens channels"]:
        """E_1 = R_1(F_face) (eq. 4). F_face: ArcFace's vector, and CLIP's features of the aligned face."""
        tokens = self.norm(
            rearrange(self.proj(embedding), "n (tokens channels) -> n tokens channels", tokens=self.size.face_tokens)
        )
        return tokens + self.perceiver_resampler(tokens, features)

    def character(self, features: Float[Tensor, "n patches features"]) -> Float[Tensor, "n queries channels"]:
        """E_2 = R_2(F_character) (eq. 5)."""
        return self.resample(features)

    def placed(
        self,
        face: Float[Tensor, "n face_tokens channels"],
        character: Float[Tensor, "n queries channels"],
        places: Int[Tensor, " n"],
    ) -> Float[Tensor, "n tokens channels"]:
        """E_i = MLP(Cat(E_1, E_2) + E_pos) (eq. 6); the published MLP is a normed linear layer beside a shortcut."""
        x = torch.cat([face, character], dim=1) + self.pos_embed[places]
        return self.norm_out(self.proj_out(x)) + x

    def sequence(self, people: Float[Tensor, "rows people tokens channels"]) -> Float[Tensor, "rows all channels"]:
        """c_i = Cat(E_bg, Reshape(E_i)) (eq. 7): (N + 1) L tokens, the background first."""
        background = repeat(self.bg_embed, "1 tokens channels -> rows tokens channels", rows=people.shape[0])
        return torch.cat([background, rearrange(people, "rows people tokens c -> rows (people tokens) c")], dim=1)
