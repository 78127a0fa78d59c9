"""The only code of ours that runs inside the UNet: attention processors without parameters and without state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import AttnProcessor2_0
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from inkcast.errors import EngineError
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, KeyValue, Layer, Regions, Size
from inkcast.sdxl.grouping import by_subject, one_subject_each, own_and_reference, tokens_of

_STOCK = AttnProcessor2_0()


def split_heads(x: Float[Tensor, "*rows tokens channels"], heads: int) -> Float[Tensor, "*rows heads tokens head_dim"]:
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def _merge_heads(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def serve(x: Tensor, batch: int, guided: bool) -> Tensor:
    """The rows of a memory's tensor for a UNet batch: all of them, or the positive half once guidance has ended."""
    if x.shape[0] == batch:
        return x
    if guided and x.shape[0] == 2 * batch:
        return x[batch:]
    raise EngineError(
        f"the attention memory has {x.shape[0]} rows but the UNet's batch has {batch}: build it with rows()"
    )


def _serve_scalar(x: float | Tensor, batch: int, guided: bool) -> float | Tensor:
    """A number, or `[rows, 1 or subjects, 1]` of one per row or per row and subject."""
    return serve(x, batch, guided).reshape(batch, -1, 1) if isinstance(x, Tensor) else x


def _regions(memory: AttentionMemory, pixels: int) -> Regions | None:
    if memory.regions is None and memory.present is None:
        return None
    if pixels not in memory.region_maps:
        raise EngineError(
            f"regions were not made for {pixels} pixels: pass the memory through fit() with the latents' size"
        )
    return memory.region_maps[pixels]


def _routed(
    layer: Layer, latents: Tensor, memory: AttentionMemory, trace: AttentionTrace | None
) -> Float[Tensor, "rows subjects pixels"] | None:
    """The gates of eq. 5, from the router, from regions, or None where nothing limits a subject."""
    batch, pixels = latents.shape[:2]
    regions = _regions(memory, pixels)
    if memory.router is None:
        return None if regions is None else serve(regions.gates, batch, memory.guided)
    if trace is None:
        raise EngineError("a router needs a trace: pass an AttentionTrace beside the memory")
    routing = memory.router(layer, latents)
    if regions is not None:
        routing = held_to(routing, serve(regions.allowed, batch, memory.guided))
    trace.routing[layer] = routing
    trace.gates[layer] = gates = memory.gate(routing)
    return gates


def held_to(
    routing: Float[Tensor, "rows subjects pixels"], allowed: Float[Tensor, "rows subjects pixels"]
) -> Float[Tensor, "rows subjects pixels"]:
    """M among those who may be at a pixel: its shares times `allowed`, adding up to 1 again. Where no subject may be,
    all of it is the background's.
    """
    held = routing * allowed
    # At least something, so that the background wins the arg max where all else is 0.
    held = torch.cat([held[:, :-1], held[:, -1:].clamp_min(torch.finfo(held.dtype).tiny)], dim=1)
    return held / held.sum(dim=1, keepdim=True)


def _resized(gates: Tensor, pixels: int, grid: Mapping[int, Size]) -> Tensor:
    """Nearest-neighbour gates at another resolution of the UNet."""
    if gates.shape[-1] == pixels:
        return gates
    if pixels not in grid or gates.shape[-1] not in grid:
        raise EngineError(f"no grid for {pixels} pixels: pass the memory through fit() with the latents' size")
    return F.interpolate(gates.unflatten(-1, grid[gates.shape[-1]]), size=grid[pixels]).flatten(2)


def reference_mask(
    gates: Float[Tensor, "rows subjects pixels"], gamma: float | Tensor, tokens: int
) -> Float[Tensor, "rows 1 pixels columns"]:
    """Bias({M_i}, gamma) without its leading zeros (AnyStory eq. 7-8): gamma where the gate is 1, else -inf."""
    bias = torch.where(gates > 0.5, gamma, -torch.inf).to(gates.dtype)
    return rearrange(bias, "rows subjects pixels -> rows 1 pixels subjects 1").expand(-1, -1, -1, -1, tokens).flatten(3)


@dataclass(frozen=True)
class SelfAttention:
    """Self-attention with reference columns (AnyStory eq. 6). `preceding`: the cross-attention run before, if any."""

    layer: Layer
    preceding: Layer | None

    def __call__(
        self,
        attn: Any,
        hidden_states: Float[Tensor, "rows pixels channels"],
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        memory: AttentionMemory | None = None,
        trace: AttentionTrace | None = None,
    ) -> Tensor:
        if memory is None or self.layer not in memory.reference:
            return _STOCK(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        batch = hidden_states.shape[0]
        reference = memory.reference[self.layer]
        reference_key = serve(reference.key, batch, memory.guided)
        reference_value = serve(reference.value, batch, memory.guided)
        query, key, value = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        gates = self._gates(memory, trace, batch, hidden_states.shape[1])
        if gates is not None and one_subject_each(memory, query):
            gamma = _serve_scalar(memory.reference_bias, batch, memory.guided)
            own = KeyValue(split_heads(key, attn.heads), split_heads(value, attn.heads))
            attend = own_and_reference(own, KeyValue(reference_key, reference_value), gamma)
            return attn.to_out[1](attn.to_out[0](by_subject(query, gates, attn.heads, attend)))
        query = split_heads(query, attn.heads)
        key = torch.cat([split_heads(key, attn.heads), *reference_key.unbind(1)], dim=2)
        value = torch.cat([split_heads(value, attn.heads), *reference_value.unbind(1)], dim=2)
        bias = self._bias(memory, gates, hidden_states, subjects=reference_key.shape[1], tokens=reference_key.shape[3])
        mask = None if bias is None else bias.to(query.dtype)
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return attn.to_out[1](attn.to_out[0](_merge_heads(out)))

    def _bias(
        self, memory: AttentionMemory, gates: Tensor | None, latents: Tensor, subjects: int, tokens: int
    ) -> Tensor | None:
        batch, pixels = latents.shape[:2]
        gamma = _serve_scalar(memory.reference_bias, batch, memory.guided)
        if gates is None:
            if not isinstance(gamma, Tensor) and gamma == 0.0:
                return None
            gates = latents.new_ones(batch, subjects, pixels)
        bias = latents.new_zeros(batch, 1, pixels, pixels + subjects * tokens)
        bias[..., pixels:] = reference_mask(gates[:, :subjects].to(latents.dtype), gamma, tokens)
        return bias

    def _gates(self, memory: AttentionMemory, trace: AttentionTrace | None, batch: int, pixels: int) -> Tensor | None:
        if memory.router is None:
            regions = _regions(memory, pixels)
            return None if regions is None else serve(regions.gates, batch, memory.guided)
        if trace is None or self.preceding not in trace.gates:
            raise EngineError(f"no routing map precedes {self.layer}: give it no reference columns, and pass a trace")
        return _resized(trace.gates[self.preceding], pixels, memory.grid)


@dataclass(frozen=True)
class CrossAttention:
    """Cross-attention over the prompt, plus decoupled over subjects (AnyStory eq. 5, StoryMaker eq. 3)."""

    layer: Layer

    def __call__(
        self,
        attn: Any,
        hidden_states: Float[Tensor, "rows pixels channels"],
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        memory: AttentionMemory | None = None,
        trace: AttentionTrace | None = None,
    ) -> Tensor:
        if memory is None:
            return _STOCK(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        batch = hidden_states.shape[0]
        query = split_heads(attn.to_q(hidden_states), attn.heads)
        text = memory.text.get(self.layer)
        if text is not None:
            key, value = serve(text.key, batch, memory.guided), serve(text.value, batch, memory.guided)
        else:
            key = split_heads(attn.to_k(encoder_hidden_states), attn.heads)
            value = split_heads(attn.to_v(encoder_hidden_states), attn.heads)
        if attention_mask is not None:
            attention_mask = attn.prepare_attention_mask(attention_mask, key.shape[2], batch, out_dim=4)
        out = _merge_heads(F.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask))
        gates = _routed(self.layer, hidden_states, memory, trace)
        subjects = memory.subjects.get(self.layer)
        scale = _serve_scalar(memory.subject_scale, batch, memory.guided)
        if subjects is not None and (isinstance(scale, Tensor) or scale != 0.0):
            key, value = serve(subjects.key, batch, memory.guided), serve(subjects.value, batch, memory.guided)
            regions = _regions(memory, hidden_states.shape[1])
            if trace is not None and trace.record_attention:
                mask = None if regions is None or regions.mask is None else serve(regions.mask, batch, memory.guided)
                trace.attention[self.layer] = _attention_map(query, key, mask)
            if key.ndim == 4:
                acted = _one_softmax(query, key, value, regions, memory)
            elif gates is not None and one_subject_each(memory, query):
                acted = by_subject(query.transpose(1, 2).flatten(2), gates, attn.heads, tokens_of(KeyValue(key, value)))
            else:
                acted = _gated_sum(query, key, value, gates)
            out = out + scale * acted
        return attn.to_out[1](attn.to_out[0](out))


def _one_softmax(query: Tensor, key: Tensor, value: Tensor, regions: Regions | None, memory: AttentionMemory) -> Tensor:
    """Softmax(Q K^T / sqrt(d)) V over all subjects' tokens together (StoryMaker eq. 3)."""
    if regions is None or regions.mask is None or regions.reached is None:
        return _merge_heads(F.scaled_dot_product_attention(query, key, value))
    batch = query.shape[0]
    mask = serve(regions.mask, batch, memory.guided)
    out = _merge_heads(F.scaled_dot_product_attention(query, key, value, attn_mask=mask))
    return out * serve(regions.reached, batch, memory.guided).to(out.dtype)


def _gated_sum(query: Tensor, key: Tensor, value: Tensor, gates: Tensor | None) -> Tensor:
    """sum_i sigma(M_i) * Softmax(Q K_i^T / sqrt(d)) V_i (AnyStory eq. 5, second line without eta)."""
    terms = [
        _merge_heads(F.scaled_dot_product_attention(query, k, v))
        for k, v in zip(key.unbind(1), value.unbind(1), strict=True)
    ]
    if gates is None:
        return torch.stack(terms).sum(dim=0)
    shares = gates.to(terms[0].dtype).unsqueeze(-1)
    total = shares[:, 0] * terms[0]
    for i, term in enumerate(terms[1:], 1):
        total = torch.addcmul(total, shares[:, i], term)
    return total


def _attention_map(query: Tensor, key: Tensor, mask: Tensor | None = None) -> Tensor:
    """Head mean of Softmax(Q K^T / sqrt(d)) over what `mask` lets be read, in float32."""
    if key.ndim == 5:
        query = query.unsqueeze(1)
    scores = query.float() @ key.float().transpose(-1, -2) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=-1).mean(dim=-3)
