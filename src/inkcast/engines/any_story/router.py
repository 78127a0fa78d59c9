"""The decoupled instance-aware subject router (AnyStory section 3.3): a small segmentation decoder per cross-attention.

Everything that the latents do not enter is worked out once per cast: `RouterNet.route` returns a `CastRouter`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from inkcast.sdxl.attention import Layer
from inkcast.sdxl.layers import LayerInfo
from inkcast.sdxl.resampler import Resampler, ResamplerSize

_INSIDE = 0.5  # of a coarse map, as in Mask2Former (arXiv 2112.01527, section 3.2)
_TINY = 1e-20


@dataclass(frozen=True)
class RouterSize:
    """`qformer` makes the routing features, `qformer.out_channels` wide; `heads` of the masked cross-attention."""

    qformer: ResamplerSize
    heads: int = 4
    head_dim: int = 64


class RouterLayer(nn.Module):
    """One cross-attention's router. Inner products with the latents are taken as `(R W_r W_z^T) Z^T`: the side with
    few rows is projected, the pixels never are."""

    def __init__(self, features: int, channels: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads, self.head_dim, self.channels = heads, head_dim, channels
        self.norm = nn.LayerNorm(features)
        self.to_map = nn.Linear(features, channels + 1)  # a direction in Z's channels, and an offset
        self.to_q = nn.Linear(features, heads * head_dim, bias=False)
        self.to_k = nn.Linear(channels, heads * head_dim, bias=False)
        self.to_v = nn.Linear(channels, heads * head_dim, bias=False)
        self.to_out = nn.Linear(heads * head_dim, features)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)

    def directions(self, routing: Float[Tensor, "rows subjects features"]) -> Float[Tensor, "rows subjects channels_1"]:
        return self.to_map(self.norm(routing))

    def queries(
        self, routing: Float[Tensor, "rows subjects features"]
    ) -> Float[Tensor, "rows heads subjects channels"]:
        """Q W_k^T of the masked cross-attention, so that keys need not be made."""
        query = rearrange(self.to_q(self.norm(routing)), "r s (heads d) -> r heads s d", heads=self.heads)
        key = rearrange(self.to_k.weight, "(heads d) c -> heads d c", heads=self.heads)
        return einsum(query, key.to(query.dtype), "r heads s d, heads d c -> r heads s c") * self.head_dim**-0.5

    def update(
        self,
        queries: Float[Tensor, "rows heads subjects channels"],
        latents: Float[Tensor, "rows pixels channels"],
        mask: Bool[Tensor, "rows subjects pixels"],
    ) -> Float[Tensor, "rows subjects features"]:
        """Masked cross-attention (Mask2Former, eq. 2): what each subject sees inside its coarse map."""
        logits = torch.bmm(queries.flatten(1, 2), latents.transpose(1, 2)).unflatten(1, queries.shape[1:3])
        weights = logits.masked_fill(~mask.unsqueeze(1), -torch.inf).softmax(dim=-1, dtype=_precise(logits))
        seen = torch.bmm(weights.to(latents.dtype).flatten(1, 2), latents).unflatten(1, queries.shape[1:3])
        value = self.to_v.weight.unflatten(0, (self.heads, -1))
        out = torch.einsum("rhsc,hdc->rshd", seen, value.to(seen.dtype))
        return self.to_out(out.flatten(2))


def routing_map(
    directions: Float[Tensor, "rows subjects channels_1"],
    latents: Float[Tensor, "rows pixels channels"],
    present: Bool[Tensor, "rows subjects"] | None = None,
) -> Float[Tensor, "rows subjects pixels"]:
    """M: softmax over subjects and background of the projected inner product of R and Z."""
    along, offset = directions[..., :-1], directions[..., -1:]
    scale = latents.shape[-1] ** -0.5
    logits = torch.baddbmm(offset, along, latents.transpose(1, 2), alpha=scale)  # one kernel, not four
    if present is not None:
        logits = logits.masked_fill(~present.unsqueeze(-1), -torch.inf)
    return logits.softmax(dim=1, dtype=_precise(logits))


def _precise(x: Tensor) -> torch.dtype:
    """At least float32: a softmax over thousands of pixels."""
    return torch.promote_types(x.dtype, torch.float32)


def coarse_mask(coarse: Float[Tensor, "rows subjects pixels"]) -> Bool[Tensor, "rows subjects pixels"]:
    """Where each subject may look: inside its coarse map; everywhere if that is empty, since softmax needs a pixel."""
    inside = coarse.detach() >= _INSIDE
    return inside | ~inside.any(dim=-1, keepdim=True)


@dataclass(frozen=True)
class CastRouter:
    """The router for one cast, called as `sdxl.attention.Router`. `features` R have one row, or the latents' rows.

    `refine` False stops at the coarse map (Fig. 6's ablation).
    """

    layers: Mapping[Layer, RouterLayer]
    features: Float[Tensor, "rows subjects features"]
    directions: Mapping[Layer, Float[Tensor, "rows subjects channels_1"]]
    queries: Mapping[Layer, Float[Tensor, "rows heads subjects channels"]]
    present: Bool[Tensor, "rows subjects"] | None = None
    refine: bool = True

    def __call__(
        self, layer: Layer, latents: Float[Tensor, "rows pixels channels"]
    ) -> Float[Tensor, "rows subjects pixels"]:
        rows = latents.shape[0]
        coarse = routing_map(_expand(self.directions[layer], rows), latents, self.present)
        if not self.refine:
            return coarse
        net = self.layers[layer]
        update = net.update(_expand(self.queries[layer], rows), latents, coarse_mask(coarse))
        return routing_map(net.directions(self.features + update), latents, self.present)


def _expand(x: Tensor, rows: int) -> Tensor:
    return x.expand(rows, *x.shape[1:]) if x.shape[0] == 1 else x


class RouterNet(nn.Module):
    """CLIP's features -> one routing feature per subject (a one-query QFormer), and a `RouterLayer` per layer."""

    def __init__(self, layers: Iterable[LayerInfo], size: RouterSize) -> None:
        super().__init__()
        self.size = size
        self.qformer = Resampler(size.qformer)
        self.infos = tuple(layers)
        self.layers = nn.ModuleDict(
            {
                str(info.number): RouterLayer(size.qformer.out_channels, info.channels, size.heads, size.head_dim)
                for info in self.infos
            }
        )

    def features(self, clip: Float[Tensor, "pictures patches channels"]) -> Float[Tensor, "pictures features"]:
        """R_i of each picture."""
        return self.qformer(clip)[:, 0]

    def route(
        self,
        features: Float[Tensor, "rows subjects features"],
        present: Bool[Tensor, "rows subjects"] | None = None,
        *,
        refine: bool = True,
    ) -> CastRouter:
        """The router of a cast; the background's feature comes last."""
        layers: dict[Layer, RouterLayer] = {info.name: self._layer(info) for info in self.infos}
        directions = {name: layer.directions(features) for name, layer in layers.items()}
        queries = {name: layer.queries(features) for name, layer in layers.items()} if refine else {}
        return CastRouter(layers, features, directions, queries, present, refine)

    def _layer(self, info: LayerInfo) -> RouterLayer:
        layer = self.layers[str(info.number)]
        assert isinstance(layer, RouterLayer)
        return layer


def gumbel_gate(routing: Float[Tensor, "rows subjects pixels"]) -> Float[Tensor, "rows subjects pixels"]:
    """sigma(M) in training (under eq. 8): a one-hot draw from M, with the gradient of the Gumbel-softmax
    (arXiv 1611.01144)."""
    return F.gumbel_softmax(routing.to(_precise(routing)).clamp_min(_TINY).log(), tau=1.0, hard=True, dim=1)
