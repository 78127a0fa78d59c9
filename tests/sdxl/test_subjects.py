"""Decoupled cross-attention over subjects, against diffusers' own IP-Adapter processor and against the equations."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0, IPAdapterAttnProcessor2_0
from tests import tiny

from inkcast.errors import EngineError
from inkcast.sdxl import grouping, processors
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, KeyValue, one_hot_gate
from inkcast.sdxl.fitting import fit
from inkcast.sdxl.layers import LayerProjections, attention_layers, prepare
from inkcast.sdxl.processors import CrossAttention, split_heads

LAYER = "cross"
ROWS, PIXELS, TOKENS, HEADS, CHANNELS = 2, 16, 3, 2, 8


@pytest.fixture
def attn() -> Attention:
    torch.manual_seed(0)
    return Attention(CHANNELS, cross_attention_dim=6, heads=HEADS, dim_head=CHANNELS // HEADS).eval()


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(ROWS, PIXELS, CHANNELS, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def text() -> torch.Tensor:
    return torch.randn(ROWS, 77, 6, generator=torch.Generator().manual_seed(2))


def key_value(subjects: int | None, seed: int = 3, rows: int = ROWS) -> KeyValue:
    g = torch.Generator().manual_seed(seed)
    shape = (rows, HEADS, TOKENS, CHANNELS // HEADS) if subjects is None else (rows, subjects, HEADS, TOKENS, 4)
    return KeyValue(torch.randn(shape, generator=g), torch.randn(shape, generator=g))


def softmax_terms(attn: Attention, latents: torch.Tensor, kv: KeyValue) -> torch.Tensor:
    """Softmax(Q K_i^T / sqrt(d)) V_i for each subject, heads merged: [rows, subjects, pixels, channels]."""
    query = attn.to_q(latents).view(ROWS, PIXELS, HEADS, -1)
    scores = torch.einsum("bphd,bnhtd->bnhpt", query, kv.key) / query.shape[-1] ** 0.5
    return torch.einsum("bnhpt,bnhtd->bnphd", scores.softmax(-1), kv.value).flatten(3)


def to_out(attn: Attention, text: torch.Tensor, latents: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
    """The layer's output when `extra` is added before its output projection."""
    weight = attn.to_out[0].weight
    return AttnProcessor2_0()(attn, latents, encoder_hidden_states=text) + extra @ weight.T


@torch.no_grad()
@pytest.mark.parametrize("scale", [1.0, 0.6])
@pytest.mark.parametrize("subjects", [1, 2])
def test_the_whole_unet_equals_diffusers_ip_adapter(scale: float, subjects: int) -> None:
    torch.manual_seed(0)
    unet = tiny.unet()
    inputs = tiny.unet_inputs(unet, 2)
    tokens = torch.randn(2, 4 * subjects, 24)
    crosses = [layer for layer in attention_layers(unet) if layer.is_cross]
    projections = LayerProjections(crosses, 24)
    theirs = {}
    for layer in attention_layers(unet):
        theirs[f"{layer.name}.processor"] = processor = (
            IPAdapterAttnProcessor2_0(layer.channels, 24, num_tokens=(tokens.shape[1],), scale=scale)
            if layer.is_cross
            else AttnProcessor2_0()
        )
        if layer.is_cross:
            pair = projections.get_submodule(str(layer.number))
            processor.to_k_ip[0].load_state_dict(pair["to_k_ip"].state_dict())
            processor.to_v_ip[0].load_state_dict(pair["to_v_ip"].state_dict())
    unet.set_attn_processor(dict(theirs))
    expected = unet(**inputs | {"encoder_hidden_states": (inputs["encoder_hidden_states"], [tokens])}).sample
    prepare(unet)
    memory = AttentionMemory(subjects=projections(tokens), subject_scale=scale)
    ours = unet(**inputs, cross_attention_kwargs={"memory": memory}).sample
    assert torch.equal(ours, expected)
    assert not torch.allclose(ours, unet(**inputs).sample, atol=1e-3)


@torch.no_grad()
def test_regions_equal_diffusers_masked_ip_adapter(attn, latents, text) -> None:
    """One softmax per subject, each inside its own half, where diffusers takes a mask per image."""
    theirs = IPAdapterAttnProcessor2_0(CHANNELS, 5, num_tokens=(TOKENS,), scale=0.7)
    states = torch.randn(ROWS, 2, TOKENS, 5)
    masks = torch.zeros(1, 2, 4, 4)
    masks[:, 0, :, :2] = masks[:, 1, :, 2:] = 1
    expected = theirs(attn, latents, (text, [states]), ip_adapter_masks=[masks])
    kv = KeyValue(*(split_heads(linear[0](states), HEADS) for linear in (theirs.to_k_ip, theirs.to_v_ip)))
    memory = AttentionMemory(subjects={LAYER: kv}, subject_scale=0.7, regions=masks.expand(ROWS, -1, -1, -1))
    ours = CrossAttention(LAYER)(attn, latents, text, memory=fit(memory, (4, 4)))
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("way", ["one by one", "all, for gradients", "all, being few"])
def test_routed_subjects_follow_equation_5(attn, latents, text, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subject by subject, or all of them gated."""
    if way == "all, being few":
        monkeypatch.setattr(processors, "by_subject", None)
    else:
        monkeypatch.setattr(grouping, "SORTED_ABOVE", 0)
    kv = key_value(3)
    routing = torch.rand(ROWS, 3, PIXELS, generator=torch.Generator().manual_seed(5))
    eta = torch.tensor([0.5, 2.0])
    memory = AttentionMemory(subjects={LAYER: kv}, router=lambda layer, z: routing, subject_scale=eta)
    trace = AttentionTrace()
    with torch.set_grad_enabled(way == "all, for gradients"):
        ours = CrossAttention(LAYER)(attn, latents, text, memory=memory, trace=trace)
    gates = torch.nn.functional.one_hot(routing.argmax(1), 3).permute(0, 2, 1).float()
    extra = eta[:, None, None] * (gates[..., None] * softmax_terms(attn, latents, kv)).sum(1)
    torch.testing.assert_close(ours, to_out(attn, text, latents, extra))
    assert torch.equal(trace.routing[LAYER], routing)
    assert torch.equal(trace.gates[LAYER], gates)


@torch.no_grad()
def test_without_router_every_gate_is_one(attn, latents, text) -> None:
    kv = key_value(2)
    ours = CrossAttention(LAYER)(attn, latents, text, memory=AttentionMemory(subjects={LAYER: kv}))
    torch.testing.assert_close(ours, to_out(attn, text, latents, softmax_terms(attn, latents, kv).sum(1)))


@torch.no_grad()
def test_regions_limit_a_router_and_the_background_takes_the_rest(attn, latents, text) -> None:
    """Subject 0 is routed everywhere but allowed on the left only; the right goes to the background."""
    routing = torch.stack([torch.ones(PIXELS), torch.zeros(PIXELS), torch.zeros(PIXELS)]).expand(ROWS, -1, -1)
    regions = torch.zeros(ROWS, 2, 4, 4)
    regions[:, 0, :, :2] = regions[:, 1, :2, 2:] = 1
    memory = AttentionMemory(subjects={LAYER: key_value(3)}, router=lambda layer, z: routing, regions=regions)
    trace = AttentionTrace()
    CrossAttention(LAYER)(attn, latents, text, memory=fit(memory, (4, 4)), trace=trace)
    left = regions[0, 0].flatten()
    acted = torch.stack([left, torch.zeros(PIXELS), 1 - left]).expand(ROWS, -1, -1)
    assert torch.equal(trace.gates[LAYER], acted)
    torch.testing.assert_close(trace.routing[LAYER], acted)


@torch.no_grad()
@pytest.mark.parametrize("guided", [False, True])
def test_the_map_that_is_traced_is_shared_out_among_those_who_may_be_there(attn, latents, text, guided: bool) -> None:
    """M = (0.6, 0.3, 0.1). First row: all; second: half of subject 0; third: not subject 0; fourth: nobody."""
    routing = torch.tensor([0.6, 0.3, 0.1])[:, None].expand(ROWS, -1, PIXELS)
    regions = torch.ones(2 * ROWS if guided else ROWS, 2, 4, 4)
    regions[:, 0, 1], regions[:, 0, 2:], regions[:, 1, 3] = 0.5, 0, 0
    subjects = {LAYER: key_value(3, rows=len(regions))}
    memory = AttentionMemory(subjects=subjects, router=lambda layer, z: routing, regions=regions, guided=guided)
    trace = AttentionTrace()
    CrossAttention(LAYER)(attn, latents, text, memory=fit(memory, (4, 4)), trace=trace)
    acted = torch.tensor([[0.6, 0.3, 0.1], [3 / 7, 3 / 7, 1 / 7], [0, 0.75, 0.25], [0, 0, 1]])
    expected = acted.T.repeat_interleave(4, dim=1).expand(ROWS, -1, -1)
    torch.testing.assert_close(trace.routing[LAYER], expected)
    assert torch.equal(trace.gates[LAYER], one_hot_gate(trace.routing[LAYER]))
    winners = torch.tensor([0, 1, 2]).repeat_interleave(torch.tensor([8, 4, 4]))
    assert torch.equal(trace.gates[LAYER][0].argmax(0), winners)


@torch.no_grad()
def test_without_regions_the_map_that_is_traced_is_the_router_s(attn, latents, text) -> None:
    routing = torch.rand(ROWS, 3, PIXELS)
    memory = AttentionMemory(subjects={LAYER: key_value(3)}, router=lambda layer, z: routing)
    trace = AttentionTrace()
    CrossAttention(LAYER)(attn, latents, text, memory=fit(memory, (4, 4)), trace=trace)
    assert trace.routing[LAYER] is routing


@torch.no_grad()
def test_regions_inside_one_softmax(attn, latents, text) -> None:
    """Two subjects under one softmax: a pixel reads the tokens of the subjects whose region it is in, or none."""
    kv = key_value(2)
    merged = KeyValue(*(x.permute(0, 2, 1, 3, 4).flatten(2, 3) for x in (kv.key, kv.value)))
    regions = torch.zeros(ROWS, 2, 4, 4)
    regions[:, 0, :2] = regions[:, 1, 1:3] = 1  # rows 0: first; 1: both; 2: second; 3: nobody
    memory = fit(AttentionMemory(subjects={LAYER: merged}, regions=regions), (4, 4))
    ours = CrossAttention(LAYER)(attn, latents, text, memory=memory)
    each = softmax_terms(attn, latents, kv)
    both = softmax_terms(attn, latents, KeyValue(merged.key[:, None], merged.value[:, None]))[:, 0]
    extra = torch.cat([each[:, 0, :4], both[:, 4:8], each[:, 1, 8:12], torch.zeros(ROWS, 4, CHANNELS)], dim=1)
    torch.testing.assert_close(ours, to_out(attn, text, latents, extra))


@torch.no_grad()
@pytest.mark.parametrize("together", [True, False])
def test_absent_subjects_of_a_ragged_batch_do_nothing(attn, latents, text, together: bool) -> None:
    kv = key_value(2)
    present = torch.tensor([[True, False], [False, False]])
    subjects = KeyValue(*(x.permute(0, 2, 1, 3, 4).flatten(2, 3) for x in (kv.key, kv.value))) if together else kv
    memory = fit(AttentionMemory(subjects={LAYER: subjects}, present=present), (4, 4))
    ours = CrossAttention(LAYER)(attn, latents, text, memory=memory)
    extra = softmax_terms(attn, latents, kv)[:, 0] * torch.tensor([1.0, 0.0])[:, None, None]
    torch.testing.assert_close(ours, to_out(attn, text, latents, extra))


@torch.no_grad()
def test_all_present_subjects_act_everywhere(attn, latents, text) -> None:
    kv = key_value(2)
    memory = fit(AttentionMemory(subjects={LAYER: kv}, present=torch.ones(ROWS, 2, dtype=torch.bool)), (4, 4))
    free = CrossAttention(LAYER)(attn, latents, text, memory=replace(memory, present=None, region_maps={}))
    torch.testing.assert_close(CrossAttention(LAYER)(attn, latents, text, memory=memory), free)


def test_attention_maps_are_traced_with_gradients(attn, latents, text) -> None:
    kv = key_value(2)
    merged = KeyValue(*(x.permute(0, 2, 1, 3, 4).flatten(2, 3) for x in (kv.key, kv.value)))
    for subjects in (merged, kv):
        key = subjects.key.clone().requires_grad_()
        trace = AttentionTrace(record_attention=True)
        memory = AttentionMemory(subjects={LAYER: KeyValue(key, subjects.value)})
        CrossAttention(LAYER)(attn, latents, text, memory=memory, trace=trace)
        query = attn.to_q(latents).view(ROWS, PIXELS, HEADS, -1)
        pattern = "bphd,bhtd->bhpt" if subjects is merged else "bphd,bnhtd->bnhpt"
        expected = (torch.einsum(pattern, query, key) / 2.0).softmax(-1).mean(-3)
        torch.testing.assert_close(trace.attention[LAYER], expected)
        trace.attention[LAYER][..., 0].sum().backward()
        assert key.grad is not None
        assert key.grad.abs().sum() > 0
    silent = AttentionTrace()
    CrossAttention(LAYER)(attn, latents, text, memory=AttentionMemory(subjects={LAYER: kv}), trace=silent)
    assert not silent.attention


def test_gates_and_routing_carry_gradients_when_the_gate_does(attn, latents, text) -> None:
    routing = torch.rand(ROWS, 3, PIXELS).requires_grad_()
    memory = AttentionMemory(
        subjects={LAYER: key_value(3)}, router=lambda layer, z: routing, gate=lambda m: m.softmax(1)
    )
    CrossAttention(LAYER)(attn, latents, text, memory=memory, trace=AttentionTrace()).square().sum().backward()
    assert routing.grad is not None
    assert routing.grad.abs().sum() > 0


def test_one_hot_gate_picks_one_subject_a_pixel() -> None:
    routing = torch.tensor([[[0.2, 0.9], [0.7, 0.05], [0.1, 0.05]]], requires_grad=True)
    gates = one_hot_gate(routing)
    assert gates.tolist() == [[[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]]
    assert not gates.requires_grad


def test_what_is_missing_is_said(attn, latents, text) -> None:
    routed = AttentionMemory(subjects={LAYER: key_value(3)}, router=lambda layer, z: torch.rand(ROWS, 3, PIXELS))
    with pytest.raises(EngineError, match="a router needs a trace"):
        CrossAttention(LAYER)(attn, latents, text, memory=routed)
    unfitted = AttentionMemory(subjects={LAYER: key_value(2)}, regions=torch.ones(ROWS, 2, 4, 4))
    with pytest.raises(EngineError, match=r"regions were not made for 16 pixels: pass the memory through fit\(\)"):
        CrossAttention(LAYER)(attn, latents, text, memory=unfitted)
