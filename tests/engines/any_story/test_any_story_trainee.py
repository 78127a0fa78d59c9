"""AnyStory's two training stages at tiny size: who gets gradients, what is dropped, what is read."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests import tiny
from tests.engines.any_story.parts import ANN, character, engine, image_encoder, panel, random_parts, training_batch

from inkcast.engines.any_story.encoder import squares
from inkcast.engines.any_story.router import gumbel_gate
from inkcast.engines.any_story.trainee import AnyStoryTrainee, unread_parameters
from inkcast.engines.engine import Style, TrainingBatch
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.fitting import resolutions


def trainee(base: Backbone, stage: int, **more: object) -> AnyStoryTrainee:
    """A stage as `EngineLoss` sets it up: everything frozen but what the stage trains."""
    made = AnyStoryTrainee(base, image_encoder(), random_parts(base), stage, **more)  # type: ignore[arg-type]
    for module in (base.unet, base.vae, *made.parts.modules()):
        module.requires_grad_(False)
    for module in made.trainable().values():
        module.requires_grad_(True)
    return made


def step(one: AnyStoryTrainee, batch: TrainingBatch) -> tuple[torch.Tensor, AttentionTrace]:
    torch.manual_seed(0)
    inputs = tiny.unet_inputs(one.base.unet, batch.text.shape[0]) | {"encoder_hidden_states": batch.text}
    trace = AttentionTrace()
    memory = one.memory(batch)
    out = one.base.unet(**inputs, cross_attention_kwargs={"memory": memory, "trace": trace}).sample
    return out, trace


def without_gradient(module: torch.nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}


@pytest.mark.parametrize("gates", ["open", "masks"])
def test_stage_1_trains_the_encoder_and_reference_net_only(backbone: Backbone, gates: str) -> None:
    one = trainee(backbone, 1, gates=gates)
    batch = training_batch(backbone.unet)
    out, trace = step(one, batch)
    out.square().mean().backward()
    assert one.losses(batch, trace) == {}
    assert without_gradient(one.parts.encoder) == set()
    unread = {name for name, p in one.parts.reference_net.named_parameters() if p.grad is None}
    assert unread == unread_parameters(backbone.unet)
    assert all(
        p.grad is None for module in (backbone.unet, backbone.vae, one.parts.router) for p in module.parameters()
    )
    assert all(p.grad is None for p in one.encoder.model.parameters())


def test_stage_2_trains_the_router_only(backbone: Backbone) -> None:
    one = trainee(backbone, 2)
    batch = training_batch(backbone.unet)
    out, trace = step(one, batch)
    terms = one.losses(batch, trace)
    (out.square().mean() + terms["route"]).backward()
    assert without_gradient(one.parts.router) == set()
    others = (backbone.unet, backbone.vae, one.parts.encoder, one.parts.reference_net, one.encoder.model)
    assert all(p.grad is None for module in others for p in module.parameters())


def test_the_diffusion_loss_alone_reaches_the_router(backbone: Backbone) -> None:
    """Through equation 5's gate: the bias of equation 8 passes nothing."""
    one = trainee(backbone, 2, coarse_share=0.0)
    out, _ = step(one, training_batch(backbone.unet))
    out.square().mean().backward()
    assert without_gradient(one.parts.router) == set()


def test_the_routing_loss_is_weighted_and_over_every_layer(backbone: Backbone) -> None:
    one = trainee(backbone, 2)
    batch = training_batch(backbone.unet)
    _, trace = step(one, batch)
    loss = one.losses(batch, trace)["route"]
    grid, total = resolutions((8, 8)), 0.0
    for maps in trace.routing.values():
        height, width = grid[maps.shape[-1]]
        target = torch.nn.functional.avg_pool2d(batch.masks, (32 // height, 32 // width)).ge(0.5).float().flatten(2)
        for row, count in ((0, 2), (1, 1), (2, 2)):
            total += float((maps[row, :count] - target[row, :count]).square().mean()) / 3
    assert float(loss) == pytest.approx(0.1 * total / len(trace.routing), rel=1e-5)
    assert float(replace(one, weight=0.2).losses(batch, trace)["route"]) == pytest.approx(2 * float(loss))


@torch.no_grad()
def test_coarse_rows_stop_at_the_coarse_map(backbone: Backbone) -> None:
    batch = training_batch(backbone.unet)
    latents = torch.randn(3, 16, 32)
    layer = next(name for name in trainee(backbone, 2).memory(batch).subjects if "down_blocks.1" in name)
    never, always = (trainee(backbone, 2, coarse_share=share).memory(batch).router for share in (0.0, 1.0))
    router = never.router  # type: ignore[union-attr]
    torch.testing.assert_close(never(layer, latents), router(layer, latents))  # type: ignore[misc]
    coarse = replace(router, refine=False)(layer, latents)
    torch.testing.assert_close(always(layer, latents), coarse)  # type: ignore[misc]
    assert not torch.allclose(coarse, router(layer, latents), atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("stage", [1, 2])
def test_padding_does_nothing(backbone: Backbone, stage: int) -> None:
    one = trainee(backbone, stage, gates="masks")
    batch = training_batch(backbone.unet)
    references, masks = batch.references.clone(), batch.reference_masks.clone()
    references[1, 1], masks[1, 1] = 0.3, 1.0
    first, second = (step(one, x)[0] for x in (batch, replace(batch, references=references, reference_masks=masks)))
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_dropped_rows_read_the_zero_image_but_keep_reference_and_route(backbone: Backbone) -> None:
    """Section 4.1 drops the CLIP subject conditioning only."""
    one = trainee(backbone, 2)
    batch = training_batch(backbone.unet)
    memory, kept = one.memory(batch), one.memory(replace(batch, drop=torch.zeros(3, dtype=torch.bool)))
    nothing = one.parts.encoder.to_subject(one.parts.encoder.tokens(one.encoder.nothing()))
    for layer, kv in memory.subjects.items():
        assert kv.key.shape[1] == 3
        torch.testing.assert_close(kv.key[2], nothing[layer].key.expand(3, -1, -1, -1), atol=1e-5, rtol=1e-4)
        assert torch.equal(kv.key[:2], kept.subjects[layer].key[:2])
        assert not torch.allclose(kv.key[2], kept.subjects[layer].key[2])
    for layer, kv in memory.reference.items():
        assert torch.equal(kv.value, kept.reference[layer].value)
    latents = torch.randn(3, 16, 32)
    layer = next(name for name in memory.subjects if "down_blocks.1" in name)
    torch.testing.assert_close(
        replace(memory.router.router, refine=False)(layer, latents),  # type: ignore[union-attr]
        replace(kept.router.router, refine=False)(layer, latents),  # type: ignore[union-attr]
    )


@torch.no_grad()
def test_masks_hold_each_subject_to_its_instance(backbone: Backbone) -> None:
    batch = training_batch(backbone.unet)
    open_, held = (trainee(backbone, 1, gates=gates).memory(batch) for gates in ("open", "masks"))
    assert next(iter(open_.subjects.values())).key.shape[1] == 2
    assert next(iter(held.subjects.values())).key.shape[1] == 3
    gates = held.region_maps[64].gates
    torch.testing.assert_close(gates.sum(1), torch.ones(3, 64))
    assert torch.equal(gates[0, 0].view(8, 8)[:, :4], torch.ones(8, 4))
    assert torch.equal(gates[1, 1], torch.zeros(64))
    assert torch.equal(gates[0, 2].view(8, 8)[:2, 4:], torch.ones(2, 4))
    assert torch.equal(open_.region_maps[64].gates[:, :2, 0], batch.present.float())


@torch.no_grad()
def test_training_reads_what_drawing_reads(backbone: Backbone) -> None:
    """The same reference: training's tokens, columns and routes are the engine's."""
    story = engine(backbone)
    one = AnyStoryTrainee(backbone, story.encoder, story.parts, 2)
    ann = character(ANN)
    drawn = story.condition(panel(ANN), {ANN: story.encode(ann)}, Style()).positive
    seen = squares(ann.references, backbone.side // 2)
    batch = replace(
        training_batch(backbone.unet, 2),
        references=seen.pictures.expand(2, 1, -1, -1, -1),
        reference_masks=seen.masks.expand(2, -1, -1, -1),
        present=torch.ones(2, 1, dtype=torch.bool),
        drop=torch.zeros(2, dtype=torch.bool),
    )
    trained = one.memory(batch)
    assert trained.gate is gumbel_gate
    for field in ("subjects", "reference"):
        ours, theirs = getattr(trained, field), getattr(drawn, field)
        assert ours.keys() == theirs.keys()
        for layer, kv in ours.items():
            torch.testing.assert_close(kv.key[:1], theirs[layer].key, atol=1e-4, rtol=1e-3)
            torch.testing.assert_close(kv.value[1:], theirs[layer].value, atol=1e-4, rtol=1e-3)
    layer = next(name for name in trained.subjects if "down_blocks.1" in name)
    latents = torch.randn(2, 16, 32)
    torch.testing.assert_close(trained.router.router(layer, latents), drawn.router(layer, latents))  # type: ignore


@pytest.mark.parametrize("stage", [1, 2])
def test_a_few_steps_lower_the_loss(backbone: Backbone, stage: int) -> None:
    one = trainee(backbone, stage, gates="masks")
    batch = training_batch(backbone.unet)
    target = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    parameters = [p for module in one.trainable().values() for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3)
    losses = []
    for _ in range(4):
        out, trace = step(one, batch)
        terms = one.losses(batch, trace)
        loss = terms["route"] if stage == 2 else (out - target).square().mean()
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    assert sorted(losses, reverse=True)[0] == losses[0]


def test_memory_is_plain_data(backbone: Backbone) -> None:
    memory = trainee(backbone, 2).memory(training_batch(backbone.unet))
    assert isinstance(memory, AttentionMemory)
    assert set(memory.text) == set(memory.subjects)
