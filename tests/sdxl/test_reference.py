"""Reference self-attention against AnyStory's equations 6 to 8 written out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

from inkcast.errors import EngineError
from inkcast.sdxl import grouping, processors
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, KeyValue
from inkcast.sdxl.fitting import fit
from inkcast.sdxl.processors import SelfAttention

LAYER, BEFORE = "self", "cross"
ROWS, PIXELS, SUBJECTS, TOKENS, HEADS, CHANNELS = 2, 16, 2, 3, 2, 8
PROCESSOR = SelfAttention(LAYER, BEFORE)


@pytest.fixture
def attn() -> Attention:
    torch.manual_seed(0)
    return Attention(CHANNELS, heads=HEADS, dim_head=CHANNELS // HEADS).eval()


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(ROWS, PIXELS, CHANNELS, generator=torch.Generator().manual_seed(1))


def reference() -> KeyValue:
    g = torch.Generator().manual_seed(2)
    shape = (ROWS, SUBJECTS, HEADS, TOKENS, CHANNELS // HEADS)
    return KeyValue(torch.randn(shape, generator=g), torch.randn(shape, generator=g))


def routed(gates: torch.Tensor) -> tuple[AttentionMemory, AttentionTrace]:
    trace = AttentionTrace()
    trace.gates[BEFORE] = gates
    memory = AttentionMemory(reference={LAYER: reference()}, router=lambda layer, z: gates)
    return fit(memory, (4, 4)), trace


def equation_6(attn: Attention, latents: torch.Tensor, gates: torch.Tensor, gamma: float) -> torch.Tensor:
    """One row, one head, one pixel at a time. `gates` [rows, subjects, pixels] of 0 and 1."""
    kv = reference()
    q, k, v = (linear(latents).view(ROWS, PIXELS, HEADS, -1) for linear in (attn.to_q, attn.to_k, attn.to_v))
    out = torch.zeros_like(q)
    for b in range(ROWS):
        for h in range(HEADS):
            keys = torch.cat([k[b, :, h], *(kv.key[b, i, h] for i in range(SUBJECTS))])
            values = torch.cat([v[b, :, h], *(kv.value[b, i, h] for i in range(SUBJECTS))])
            for u in range(PIXELS):
                bias = [0.0] * PIXELS
                for i in range(SUBJECTS):
                    bias += [gamma if gates[b, i, u] == 1 else -math.inf] * TOKENS
                scores = keys @ q[b, u, h] / q.shape[-1] ** 0.5 + torch.tensor(bias)
                out[b, u, h] = scores.softmax(0) @ values
    return attn.to_out[0](out.flatten(2))


def halves() -> torch.Tensor:
    """Subject 0 in the first half of the pixels, the background in the second; subject 1 nowhere in row 0."""
    gates = torch.zeros(ROWS, SUBJECTS + 1, PIXELS)
    gates[:, 0, :8] = gates[0, 2, 8:] = gates[1, 1, 8:] = 1
    return gates


@pytest.fixture(autouse=True)
def sorted_however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers as tiny as these would read all subjects."""
    monkeypatch.setattr(grouping, "SORTED_ABOVE", 0)


@pytest.mark.parametrize("way", ["one by one", "all, for gradients", "all, being few"])
@pytest.mark.parametrize("gamma", [0.0, -1.5, 2.0, -math.inf])
def test_reference_columns_follow_equations_6_to_8(
    attn, latents, gamma: float, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Subject by subject, or all of them masked."""
    memory, trace = routed(halves())
    if way == "all, being few":
        monkeypatch.setattr(grouping, "SORTED_ABOVE", latents[0].numel())
        monkeypatch.setattr(processors, "by_subject", None)
    with torch.set_grad_enabled(way == "all, for gradients"):
        ours = PROCESSOR(attn, latents, memory=replace(memory, reference_bias=gamma), trace=trace)
    torch.testing.assert_close(ours, equation_6(attn, latents, halves(), gamma))


@torch.no_grad()
def test_each_subject_may_have_a_gamma_of_its_own(attn, latents) -> None:
    memory, trace = routed(halves())
    ours = PROCESSOR(attn, latents, memory=replace(memory, reference_bias=torch.tensor([[0.5, -2.0]] * 2)), trace=trace)
    first, second = (equation_6(attn, latents, halves(), gamma) for gamma in (0.5, -2.0))
    torch.testing.assert_close(ours[:, :8], first[:, :8])
    torch.testing.assert_close(ours[:, 8:], second[:, 8:])


@torch.no_grad()
def test_a_pixel_reads_its_own_subject_s_columns_only(attn, latents) -> None:
    """NaN in columns that nobody was routed to would spread if they were read."""
    memory, trace = routed(halves())
    kv = memory.reference[LAYER]
    kv.key[0, 1], kv.value[0, 1] = math.nan, math.nan  # subject 1 is nowhere in row 0
    assert torch.isfinite(PROCESSOR(attn, latents, memory=memory, trace=trace)).all()


@torch.no_grad()
def test_without_router_every_pixel_sees_every_subject(attn, latents) -> None:
    ones = torch.ones(ROWS, SUBJECTS, PIXELS)
    for gamma in (0.0, -1.0):
        memory = AttentionMemory(reference={LAYER: reference()}, reference_bias=gamma)
        torch.testing.assert_close(PROCESSOR(attn, latents, memory=memory), equation_6(attn, latents, ones, gamma))


@torch.no_grad()
def test_gamma_minus_infinity_in_one_row_is_off_there(attn, latents) -> None:
    memory, trace = routed(halves())
    memory = replace(memory, reference_bias=torch.tensor([-math.inf, 0.0]))
    ours = PROCESSOR(attn, latents, memory=memory, trace=trace)
    torch.testing.assert_close(ours[0], AttnProcessor2_0()(attn, latents)[0])
    torch.testing.assert_close(ours[1], equation_6(attn, latents, halves(), 0.0)[1])


@torch.no_grad()
def test_a_subject_routed_nowhere_gives_no_nan(attn, latents) -> None:
    gates = torch.zeros(ROWS, SUBJECTS + 1, PIXELS)
    gates[:, 2] = 1
    memory, trace = routed(gates)
    torch.testing.assert_close(PROCESSOR(attn, latents, memory=memory, trace=trace), AttnProcessor2_0()(attn, latents))


@torch.no_grad()
def test_the_map_of_another_resolution_is_resized(attn, latents) -> None:
    """The preceding cross-attention may run at half the resolution, as after an upsampler."""
    coarse = torch.zeros(ROWS, SUBJECTS + 1, 4)
    coarse[:, 0, [0, 2]] = coarse[:, 2, [1, 3]] = 1  # left and right of a 2 x 2 map
    fine = torch.zeros(ROWS, SUBJECTS, 4, 4)
    fine[:, 0, :, :2] = 1
    memory, trace = routed(coarse)
    expected = equation_6(attn, latents, fine.flatten(2), 0.0)
    torch.testing.assert_close(PROCESSOR(attn, latents, memory=memory, trace=trace), expected)


@torch.no_grad()
def test_regions_stand_in_for_the_router(attn, latents) -> None:
    regions = torch.zeros(ROWS, SUBJECTS, 4, 4)
    regions[:, 0, :2] = regions[:, 1, 2:] = 1
    memory = fit(AttentionMemory(reference={LAYER: reference()}, regions=regions), (4, 4))
    expected = equation_6(attn, latents, regions.flatten(2), 0.0)
    torch.testing.assert_close(PROCESSOR(attn, latents, memory=memory), expected)


def test_a_layer_without_a_preceding_map_is_refused(attn, latents) -> None:
    memory, trace = routed(halves())
    with pytest.raises(EngineError, match=f"no routing map precedes {LAYER}"):
        SelfAttention(LAYER, None)(attn, latents, memory=memory, trace=trace)
    with pytest.raises(EngineError, match=f"no routing map precedes {LAYER}"):
        PROCESSOR(attn, latents, memory=memory)
