"""From a face's features to two words per text encoder (StableIdentity, arXiv 2401.15975, section 3.2-3.3).

The layers are those of the comic generator's published code (MIT), which saves no weights of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from inkcast.engines.stable_identity.prior import WORDS, Prior, adain

LR_MULTIPLIER = 0.1
DEPTH = {"sdxl": 6, "sd": 2}  # as the comic generator and StableIdentity chose
_SLOPE = 0.2
_SPREAD = 0.02
FACE_FEATURES = 768  # of the comic generator's face ViT
_FIRST_TEXT_CHANNELS = 768  # of SDXL's two text encoders' words, side by side in what its UNet reads


class EqualLinear(nn.Module):
    """A linear layer whose parameters are stored 1 / `LR_MULTIPLIER` times too large, so that they learn slower."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.normal_(self.weight, 0.0, _SPREAD)

    def forward(self, x: Float[Tensor, "... inputs"]) -> Float[Tensor, "... outputs"]:
        return F.linear(x, self.weight * LR_MULTIPLIER, self.bias * LR_MULTIPLIER)


class Residual(nn.Module):
    """x + LeakyReLU(linear(LN(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.linear = EqualLinear(channels, channels)

    def forward(self, x: Float[Tensor, "... channels"]) -> Float[Tensor, "... channels"]:
        return x + F.leaky_relu(self.linear(self.norm(x)), _SLOPE)


class WordMLP(nn.Module):
    """Features -> both words of one text encoder, normalised together; `depth` linear layers in all."""

    def __init__(self, features: int, channels: int, depth: int) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth is {depth}, but an MLP has at least 2 layers")
        width = WORDS * channels
        self.first = EqualLinear(features, width)
        self.middle = nn.Sequential(*(Residual(width) for _ in range(depth - 2)))
        self.last = nn.Sequential(nn.LayerNorm(width), EqualLinear(width, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Float[Tensor, "faces features"]) -> Float[Tensor, "faces 2 channels"]:
        x = self.last(self.middle(F.leaky_relu(self.first(features), _SLOPE)))
        return rearrange(self.norm(x), "faces (words channels) -> faces words channels", words=WORDS)


class WordEncoder(nn.Module):
    """An MLP per text encoder, then AdaIN into that encoder's celebrity words. Made anew for every face."""

    def __init__(self, features: int, priors: Sequence[Prior], depth: int) -> None:
        super().__init__()
        self.priors = tuple(priors)
        self.mlps = nn.ModuleList(WordMLP(features, prior.mean.shape[1], depth) for prior in priors)

    def forward(self, features: Float[Tensor, "faces features"]) -> tuple[Float[Tensor, "faces 2 channels"], ...]:
        """One tensor per text encoder."""
        return tuple(adain(mlp(features), prior) for mlp, prior in zip(self.mlps, self.priors, strict=True))


def parameter_counts(unet: Any) -> Mapping[str, int]:
    """Of the MLPs that are made anew for every face of an SDXL base, and of the words that are kept of it."""
    channels = int(unet.config.cross_attention_dim)
    with torch.device("meta"):
        mlps = [
            WordMLP(FACE_FEATURES, width, DEPTH["sdxl"])
            for width in (_FIRST_TEXT_CHANNELS, channels - _FIRST_TEXT_CHANNELS)
        ]
    return {"mlps": sum(p.numel() for mlp in mlps for p in mlp.parameters()), "words": WORDS * channels}
