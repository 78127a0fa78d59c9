"""The any-story engine at tiny size: equations 5 to 8 through a real UNet call, ablations, counters, identities."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.hooks import CpuOffload, add_hook_to_module
from tests import tiny
from tests.engines.any_story import parts as made
from tests.engines.any_story.parts import ANN, BEN, CUP, PEOPLE, character, engine, panel, reference

from inkcast.cast.character import CharacterId, Identity
from inkcast.engines.any_story.encoder import squares
from inkcast.engines.any_story.engine import AnyStory, load_engine
from inkcast.engines.any_story.weights import save_encoders, save_router
from inkcast.engines.engine import Conditioning, PanelPrompt, Style, rows
from inkcast.engines.identity import load_identity, save_identity
from inkcast.engines.settings import Value
from inkcast.errors import EngineError
from inkcast.sampling.schedulers import SCHEDULERS
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, one_hot_gate
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.fitting import fit
from inkcast.sdxl.image_encoder import ImageEncoder
from inkcast.sdxl.layers import attention_layers, execution_order, prepare, restore
from inkcast.sdxl.processors import CrossAttention

SIZE = (8, 8)


@pytest.fixture
def story(backbone: Backbone) -> AnyStory:
    return engine(backbone)


def encoded(story: AnyStory, *who: CharacterId) -> dict[CharacterId, Identity]:
    return {one: story.encode(character(one)) for one in who}


@torch.no_grad()
def sample(
    story: AnyStory, conditioning: Conditioning, batch: int = 1, trace: AttentionTrace | None = None
) -> torch.Tensor:
    """One UNet call with both guidance rows of `batch` pictures: [negative…, positive…]."""
    memory = rows(conditioning, batch, SIZE)
    inputs = tiny.unet_inputs(story.base.unet, 2 * batch)
    trace = AttentionTrace() if trace is None else trace
    return story.base.unet(**inputs, cross_attention_kwargs={"memory": memory, "trace": trace}).sample


@torch.no_grad()
def test_strengths_of_zero_are_the_plain_base_to_the_bit(story: AnyStory) -> None:
    cast = encoded(story, ANN)
    off = story.condition(panel(ANN, subject_scale=0.0, reference_strength=0.0), cast, Style())
    plain = story.condition(PanelPrompt(("a girl waves in the park",)), {}, Style())
    acting = sample(story, story.condition(panel(ANN), cast, Style()))
    assert off.positive.router is None
    assert torch.equal(sample(story, off), sample(story, plain))
    assert not torch.allclose(sample(story, off), acting, atol=1e-3)
    own = panel(ANN, **{"subject_scale.Ann": 0.0, "reference_strength.Ann": 0.0, "router": "off"})
    torch.testing.assert_close(sample(story, story.condition(own, cast, Style()))[1:], sample(story, plain)[1:])


@torch.no_grad()
def test_each_branch_alone_is_an_ablation(story: AnyStory) -> None:
    """Fig. 3: CLIP only, ReferenceNet only."""
    cast = encoded(story, ANN)
    clip = story.condition(panel(ANN, reference_strength=0.0), cast, Style())
    details = story.condition(panel(ANN, subject_scale=0.0), cast, Style())
    assert clip.positive.subjects
    assert not clip.positive.reference
    assert details.positive.reference
    assert not details.positive.subjects
    both, one, other = (
        sample(story, story.condition(panel(ANN), cast, Style())),
        sample(story, clip),
        sample(story, details),
    )
    assert len({round(float(x.double().sum()), 6) for x in (both, one, other)}) == 3


@torch.no_grad()
def test_router_modes(story: AnyStory) -> None:
    """Fig. 4 and 6. Off: every gate 1, no background term, no bias: what equation 5 and 6 say without M."""
    cast = encoded(story, ANN, BEN)
    coarse, refined, off = (
        story.condition(panel(ANN, BEN, router=mode), cast, Style()) for mode in ("coarse", "refined", "off")
    )
    assert not torch.allclose(sample(story, coarse), sample(story, refined), atol=1e-5)
    assert off.positive.router is None
    assert next(iter(off.positive.subjects.values())).key.shape[1] == 2
    assert next(iter(refined.positive.subjects.values())).key.shape[1] == 3
    trace = AttentionTrace()
    assert torch.isfinite(sample(story, off, trace=trace)).all()
    assert not trace.routing
    with pytest.raises(EngineError, match="router is 'on': use one of refined, coarse, off"):
        story.condition(panel(ANN, router="on"), cast, Style())


def nearest(gate: torch.Tensor, pixels: int) -> torch.Tensor:
    """A square map's values at another square resolution."""
    fine, coarse = math.isqrt(pixels), math.isqrt(gate.shape[-1])
    places = [(y * coarse // fine) * coarse + x * coarse // fine for y in range(fine) for x in range(fine)]
    return gate[:, places]


class Naive:
    """Equations 5 to 8 one subject, head and pixel at a time, from the engine's parts; plugged in as a processor."""

    def __init__(
        self,
        story: AnyStory,
        people: list[Identity],
        gates: dict[str, torch.Tensor],
        eta: list[float],
        gamma: list[float],
    ) -> None:
        encoder, base = story.parts.encoder, story.base
        nothing = encoder.tokens(story.encoder.nothing())[0]
        self.tokens = [one.tensors["tokens"][0] for one in people] + [nothing]
        net = story.parts.reference_net
        self.features = [net(one.tensors["reference"], base.side // 2) for one in people]
        self.weights = {
            layer.name: (projections.get_submodule(str(layer.number)), projections)
            for projections in (encoder.to_subject, encoder.to_reference)
            for layer in projections.layers
        }
        self.gates, self.eta, self.gamma, self.order = gates, eta, gamma, execution_order(base.unet)

    def pair(self, layer: str, x: torch.Tensor, heads: int) -> tuple[torch.Tensor, torch.Tensor]:
        pair, projections = self.weights[layer]
        return tuple(  # type: ignore[return-value]
            (x @ pair[name].weight.T).view(len(x), heads, -1) for name in (projections.key_name, projections.value_name)
        )

    def attention(self, layer: str, attn: torch.nn.Module, z: torch.Tensor, text: torch.Tensor | None) -> torch.Tensor:
        source = z if text is None else text
        q, k, v = (
            m(x).view(len(x), attn.heads, -1) for m, x in ((attn.to_q, z), (attn.to_k, source), (attn.to_v, source))
        )
        out = torch.zeros_like(q)
        scale = q.shape[-1] ** -0.5
        before = self.order[: self.order.index(layer)]
        gate = self.gates[layer] if text is not None else self.gates[before[-1]] if before else None
        gate = None if gate is None else nearest(gate, len(z))
        for u in range(len(z)):
            for h in range(attn.heads):
                if text is not None:
                    out[u, h] = (k[:, h] @ q[u, h] * scale).softmax(0) @ v[:, h]
                    for i, tokens in enumerate(self.tokens):
                        key, value = self.pair(layer, tokens, attn.heads)
                        out[u, h] += self.eta[i] * gate[i, u] * ((key[:, h] @ q[u, h] * scale).softmax(0) @ value[:, h])
                    continue
                logits, values = [k[:, h] @ q[u, h] * scale], [v[:, h]]
                for i, features in enumerate(self.features if gate is not None else []):
                    key, value = self.pair(layer, features[layer][0], attn.heads)
                    bias = self.gamma[i] if gate[i, u] == 1 else -math.inf
                    logits.append(key[:, h] @ q[u, h] * scale + bias)
                    values.append(value[:, h])
                out[u, h] = torch.cat(logits).softmax(0) @ torch.cat(values)
        return attn.to_out[0](out.flatten(1))


STRENGTHS = {
    "one of them": ({"reference_strength.Ben": 0.4}, [1.0, 1.0, 1.0], [0.0, math.log(0.4)]),
    "all alike": ({"subject_scale": 0.6, "reference_strength": 2.5}, [0.6, 0.6, 0.6], [math.log(2.5), math.log(2.5)]),
    "each its own": (
        {"subject_scale": 1.7, "subject_scale.Ben": 0.5, "reference_strength": 0.3, "reference_strength.Ann": 2.0},
        [1.7, 0.85, 1.7],
        [math.log(0.6), math.log(0.3)],
    ),
}
"""Settings, and what they make of eta (Ann's, Ben's, the background's) and gamma (Ann's, Ben's)."""


@torch.no_grad()
@pytest.mark.parametrize(("settings", "eta", "gamma"), STRENGTHS.values(), ids=STRENGTHS)
def test_equations_5_to_8_in_every_layer_of_one_call(
    story: AnyStory, settings: dict[str, Value], eta: list[float], gamma: list[float]
) -> None:
    """Each attention of a real UNet call against the paper written out on that attention's own input."""
    cast = encoded(story, ANN, BEN)
    conditioning = story.condition(panel(ANN, BEN, **settings), cast, Style())
    memory, trace, unet = fit(conditioning.positive, (4, 4)), AttentionTrace(), story.base.unet
    inputs = tiny.unet_inputs(unet, 1) | {"encoder_hidden_states": conditioning.prompt.positive}
    inputs["sample"] = inputs["sample"][:, :, :4, :4]
    calls: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for layer in attention_layers(unet):
        unet.get_submodule(layer.name).register_forward_hook(
            lambda _, args, out, name=layer.name: calls.__setitem__(name, (args[0][0], out[0]))
        )
    unet(**inputs, cross_attention_kwargs={"memory": memory, "trace": trace})
    gates = {name: one_hot_gate(maps)[0] for name, maps in trace.routing.items()}
    assert {int(i) for gate in gates.values() for i in gate.argmax(0).unique()} == {
        0,
        1,
        2,
    }  # all of them act somewhere
    naive = Naive(story, [cast[ANN], cast[BEN]], gates, eta, gamma)
    for layer in attention_layers(unet):
        z, out = calls[layer.name]
        text = conditioning.prompt.positive[0] if layer.is_cross else None
        expected = naive.attention(layer.name, unet.get_submodule(layer.name), z, text)
        torch.testing.assert_close(out, expected, atol=2e-5, rtol=1e-3, msg=lambda m, n=layer.name: f"{n}: {m}")


@torch.no_grad()
def test_subjects_permuted_permute_the_routes_and_leave_the_picture(story: AnyStory) -> None:
    cast = encoded(story, ANN, BEN, CUP)
    one, other = AttentionTrace(), AttentionTrace()
    first = sample(story, story.condition(panel(ANN, BEN, CUP), cast, Style()), trace=one)
    members = [PEOPLE[who] for who in (CUP, ANN, BEN)]
    second = sample(story, story.condition(panel(ANN, BEN, CUP, members=members), cast, Style()), trace=other)
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)
    for layer, maps in one.routing.items():
        torch.testing.assert_close(other.routing[layer], maps[:, [2, 0, 1, 3]], atol=1e-4, rtol=1e-3)
    assert len(one.routing) == len([layer for layer in attention_layers(story.base.unet) if layer.is_cross])


@torch.no_grad()
def test_a_batch_of_two_panels_is_two_single_panels(story: AnyStory) -> None:
    cast = encoded(story, ANN, BEN)
    panels = [story.condition(panel(who), cast, Style()) for who in (ANN, BEN)]
    memories = [fit(one.positive, SIZE) for one in panels]
    inputs = tiny.unet_inputs(story.base.unet, 2)

    def joined(field: str) -> dict:
        first, second = (getattr(memory, field) for memory in memories)
        return {
            n: type(kv)(torch.cat([kv.key, second[n].key]), torch.cat([kv.value, second[n].value]))
            for n, kv in first.items()
        }

    routers = [memory.router for memory in memories]

    def router(layer: str, latents: torch.Tensor) -> torch.Tensor:
        return torch.cat([one(layer, latents[i : i + 1]) for i, one in enumerate(routers)])

    both = replace(memories[0], **{f: joined(f) for f in ("text", "subjects", "reference")}, router=router)
    together = story.base.unet(**inputs, cross_attention_kwargs={"memory": both, "trace": AttentionTrace()}).sample
    for i, memory in enumerate(memories):
        own = {
            name: {k: v[i : i + 1] for k, v in x.items()} if isinstance(x, dict) else x[i : i + 1] if x.ndim else x
            for name, x in inputs.items()
        }
        alone = story.base.unet(**own, cross_attention_kwargs={"memory": memory, "trace": AttentionTrace()}).sample
        torch.testing.assert_close(alone, together[i : i + 1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_two_pictures_of_a_panel_route_each_for_itself(story: AnyStory) -> None:
    conditioning = story.condition(panel(ANN), encoded(story, ANN), Style())
    trace = AttentionTrace()
    out = sample(story, conditioning, batch=2, trace=trace)
    assert out.shape[0] == 4
    maps = next(iter(trace.routing.values()))
    assert maps.shape[:2] == (4, 2)
    assert not torch.allclose(maps[2], maps[3])


def test_attaching_and_detaching_twice_restores_the_model(story: AnyStory) -> None:
    unet = story.base.unet
    before, names = (
        {k: v.clone() for k, v in unet.state_dict().items()},
        type(next(iter(unet.attn_processors.values()))),
    )
    for _ in range(2):
        prepare(unet)
        sample(story, story.condition(panel(ANN), encoded(story, ANN), Style()))
        restore(unet)
    assert names is not type(next(iter(unet.attn_processors.values())))
    assert all(torch.equal(before[k], v) for k, v in unet.state_dict().items())
    assert not isinstance(next(iter(unet.attn_processors.values())), CrossAttention)


def test_reference_net_runs_once_per_character(story: AnyStory) -> None:
    calls: list[str] = []
    story.parts.reference_net.register_forward_hook(lambda *_: calls.append("reference"))
    story.parts.encoder.to_subject.register_forward_hook(lambda *_: calls.append("project"))
    story.encoder.model.register_forward_hook(lambda *_: calls.append("clip"))
    cast = encoded(story, ANN, BEN)
    for who in ((ANN,), (ANN, BEN), (BEN, ANN), (BEN,)):
        sample(story, story.condition(panel(*who), cast, Style()))
    assert (calls.count("reference"), calls.count("project"), calls.count("clip")) == (2, 3, 3)  # + the zero image
    story.condition(panel(ANN), {ANN: cast[ANN]}, Style())
    assert calls.count("reference") == 2
    story.condition(panel(BEN), cast, Style())  # a comic without Ben came between: he was let go
    assert calls.count("reference") == 3


def test_several_references_average_and_the_front_view_gives_detail(story: AnyStory) -> None:
    side, front = reference((200, 30, 30), view="side"), reference((30, 30, 200), view="front")
    both, one, other = (story.encode(character(ANN, *pictures)) for pictures in ((side, front), (side,), (front,)))
    for name in ("tokens", "routing"):
        torch.testing.assert_close(both.tensors[name], (one.tensors[name] + other.tensors[name]) / 2)
    assert torch.equal(both.tensors["reference"], other.tensors["reference"])
    assert both.tensors["reference"].shape == (1, 5, 4, 4)
    armour = reference((30, 30, 200), view="front", state="armour")
    outfitted = story.encode(character(ANN, side, armour))
    assert all(torch.equal(outfitted.tensors[name], one.tensors[name]) for name in one.tensors), "an outfit is no look"


def test_the_mask_channel_says_where_the_subject_is() -> None:
    seen = squares((reference((200, 30, 30)),), 32)
    unlike = (seen.pictures < 0.95).any(1, keepdim=True).float()
    assert set(seen.masks.unique().tolist()) >= {0.0, 1.0}
    assert float((seen.masks - unlike).abs().mean()) < 0.05
    assert 0.1 < float(seen.masks.mean()) < 0.6


@torch.no_grad()
def test_the_negative_row_reads_the_zero_image(backbone: Backbone) -> None:
    story = engine(backbone)
    cast = encoded(story, ANN)
    conditioning = story.condition(panel(ANN), cast, Style())
    nothing = story.parts.encoder.to_subject(story.parts.encoder.tokens(story.encoder.nothing()))
    for layer, kv in conditioning.negative.subjects.items():
        assert torch.equal(kv.key, torch.stack([nothing[layer].key] * 2, dim=1))
        assert torch.equal(conditioning.positive.subjects[layer].value[:, 1], nothing[layer].value)
        assert not torch.allclose(kv.value[:, 0], conditioning.positive.subjects[layer].value[:, 0])
    assert not conditioning.negative.reference
    assert torch.equal(rows(conditioning, 1, SIZE).reference_bias, torch.tensor([-math.inf, 0.0]))
    kept = engine(backbone, negative_reference=True).condition(panel(ANN), cast, Style())
    assert kept.negative.reference.keys() == kept.positive.reference.keys()
    set_so = story.condition(panel(ANN, negative_reference=True), cast, Style())
    assert set_so.negative.reference.keys() == kept.negative.reference.keys()


@torch.no_grad()
def test_boxes_keep_the_router_inside(story: AnyStory) -> None:
    boxed = replace(PEOPLE[ANN], box=(0.0, 0.0, 0.5, 1.0))
    trace = AttentionTrace()
    sample(
        story,
        story.condition(panel(ANN, BEN, members=(boxed, PEOPLE[BEN])), encoded(story, ANN, BEN), Style()),
        trace=trace,
    )
    for maps in trace.gates.values():
        side = math.isqrt(maps.shape[-1])
        assert float(maps.unflatten(-1, (side, side))[:, 0, :, (side + 1) // 2 :].sum()) == 0
    assert any(float(maps[:, 0].sum()) > 0 for maps in trace.gates.values())


@torch.no_grad()
def test_each_subjects_own_strength(story: AnyStory) -> None:
    cast = encoded(story, ANN, BEN)
    usual = story.condition(panel(ANN, BEN), cast, Style()).positive
    set_ = {"subject_scale.Ben": 0.5, "reference_strength.Ann": 0.0, "reference_strength": 2.0}
    own = story.condition(panel(ANN, BEN, **set_), cast, Style()).positive
    for layer, kv in own.subjects.items():
        assert torch.equal(kv.value[:, 1], usual.subjects[layer].value[:, 1] * 0.5)
        assert torch.equal(kv.value[:, [0, 2]], usual.subjects[layer].value[:, [0, 2]])
    torch.testing.assert_close(own.reference_bias, torch.tensor([[-math.inf, math.log(2.0)]]))
    for wrong in (-1.0, 11.0, True, "much"):
        with pytest.raises(EngineError, match="use a number from 0"):
            story.condition(panel(ANN, subject_scale=wrong), cast, Style())


def test_identities_round_trip_and_those_of_other_weights_are_refused(story: AnyStory, tmp_path: Path) -> None:
    ann = story.encode(character(ANN))
    save_identity(ann, tmp_path / "ann.safetensors")
    again = load_identity(tmp_path / "ann.safetensors")
    first, second = (sample(story, story.condition(panel(ANN), {ANN: one}, Style())) for one in (ann, again))
    assert torch.equal(first, second)
    other = replace(again, weights_digest="f" * 64)
    with pytest.raises(EngineError, match="the identity of Ann was made by weights ffffffffffff, not"):
        story.condition(panel(ANN), {ANN: other}, Style())
    for name in ("tokens", "reference", "routing"):
        rest = {other: tensor for other, tensor in ann.tensors.items() if other != name}
        with pytest.raises(EngineError, match=f"the identity of Ann lacks '{name}': take the character out"):
            story.condition(panel(ANN), {ANN: replace(ann, tensors=rest)}, Style())
        cut = {**ann.tensors, name: ann.tensors[name][..., :1]}
        with pytest.raises(EngineError, match=rf"Ann has '{name}' of \[1, .*1\], not \[1, "):
            story.condition(panel(ANN), {ANN: replace(ann, tensors=cut)}, Style())
    with pytest.raises(EngineError, match="Ann has no reference picture"):
        story.encode(replace(character(ANN), references=()))


def test_loading_gives_the_engine_that_was_saved(backbone: Backbone, tiny_base_folder: Path, tmp_path: Path) -> None:
    story = engine(backbone)
    save_encoders(story.parts, tmp_path)
    without = load_engine(backbone, weights=tmp_path)
    with pytest.raises(EngineError, match="have no router: train stage 2, or set the router to off"):
        without.condition(panel(ANN), {ANN: without.encode(character(ANN))}, Style())
    with pytest.raises(EngineError, match="have no router"):
        without.refuse(panel(ANN))
    without.refuse(panel(ANN, router="off"))
    assert story.parts.router is not None
    save_router(story.parts.router, tmp_path)
    loaded = load_engine(backbone, weights=tmp_path)
    assert loaded.digest == AnyStory(backbone, loaded.encoder, story.parts).digest
    with torch.no_grad():  # an identity holds the autoencoder's latents
        backbone.vae.encoder.conv_in.bias.add_(1.0)
    assert loaded.digest != AnyStory(backbone, loaded.encoder, story.parts).digest


def test_bases_and_encoders_that_do_not_fit_are_refused(backbone: Backbone) -> None:
    story = engine(backbone)
    with pytest.raises(EngineError, match="needs an SDXL base"):
        AnyStory(replace(backbone, family="sd"), story.encoder, story.parts)
    wrong = replace(made.SUBJECT, feature_channels=48)
    parts = replace(story.parts, encoder=type(story.parts.encoder)(backbone.unet, wrong))
    with pytest.raises(EngineError, match="read 48 channels but the image encoder gives 32"):
        AnyStory(backbone, ImageEncoder(tiny.image_encoder()), parts)


def test_reference_net_waits_on_the_cpu_under_offload(backbone: Backbone) -> None:
    """Offloaded models go to their device when called; ReferenceNet, which no hook moves, does so by itself."""
    usual = engine(backbone)
    cast = encoded(usual, ANN)
    expected = usual.condition(panel(ANN), cast, Style()).positive.reference
    add_hook_to_module(backbone.unet, CpuOffload(execution_device="cpu"))
    moved: list[str] = []
    story = engine(backbone)
    to = story.parts.reference_net.to
    story.parts.reference_net.to = lambda place: moved.append(str(place)) or to(place)  # type: ignore[method-assign]
    found = story.condition(panel(ANN), cast, Style()).positive.reference
    assert moved == ["cpu", "cpu"]
    assert all(torch.equal(found[layer].key, kv.key) for layer, kv in expected.items())


def test_the_papers_way_of_sampling_is_one_we_have() -> None:
    assert AnyStory.scheduler in SCHEDULERS
    assert (AnyStory.steps, AnyStory.guidance) == (25, 7.5)


@torch.no_grad()
def test_an_empty_memory_is_nobody(story: AnyStory) -> None:
    plain = story.condition(PanelPrompt(("a park",)), {}, Style())
    assert isinstance(plain.positive, AttentionMemory)
    assert not plain.positive.subjects
    assert plain.positive.router is None
