"""StoryMaker's training side: who learns, what drops do, and that two steps on a tiny base lower the loss."""

from __future__ import annotations

from dataclasses import replace

import torch
from tests import tiny
from tests.engines.story_maker.small import ANN, SIZE, character, engine, panel, training_batch

from inkcast.engines.engine import Style, TrainingBatch
from inkcast.engines.story_maker.lora import beside
from inkcast.engines.story_maker.losses import attention_loss
from inkcast.engines.story_maker.trainee import StoryMakerTrainee
from inkcast.sdxl.attention import AttentionTrace
from inkcast.sdxl.backbone import Backbone


def trainee(base: Backbone, **more: object) -> StoryMakerTrainee:
    """As the objective sets it up: the base frozen, the adapter free."""
    maker = engine(base, lora_scale=0.0)
    for module in (base.unet, base.vae, *base.text_encoders):
        module.requires_grad_(False)
    return StoryMakerTrainee(base, maker.eyes, maker.adapter.requires_grad_(True), **more)  # type: ignore[arg-type]


def step(one: StoryMakerTrainee, batch: TrainingBatch) -> tuple[torch.Tensor, AttentionTrace]:
    trace, inputs = AttentionTrace(record_attention=True), tiny.unet_inputs(one.base.unet, batch.text.shape[0])
    memory = one.memory(batch)
    inputs |= {"encoder_hidden_states": batch.text}
    out = one.base.unet(**inputs, cross_attention_kwargs={"memory": memory, "trace": trace}).sample
    return out, trace


def test_two_steps_lower_the_loss_and_move_what_they_should(backbone: Backbone) -> None:
    one, batch = trainee(backbone), training_batch()
    frozen = (backbone.unet, backbone.vae, *backbone.text_encoders, one.eyes.clip.model)
    before = [p.detach().clone() for module in frozen for p in module.parameters()]
    parameters = {n: p for part, m in one.trainable().items() for n, p in m.named_parameters(prefix=part)}
    start = {n: p.detach().clone() for n, p in parameters.items()}
    optimiser = torch.optim.AdamW(parameters.values(), lr=1e-3)
    losses = []
    with beside(backbone.unet, one.adapter.ip_adapter):
        for _ in range(3):
            out, trace = step(one, batch)
            terms = one.losses(batch, trace)
            loss = out.square().mean() + terms["attention"]
            losses.append(float(loss))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert losses[2] < losses[1] < losses[0]
    # The third place is nobody's here; all else is read.
    assert all(not torch.equal(start[n], p.detach()) for n, p in parameters.items())
    assert torch.equal(
        start["image_proj_model.pos_embed"][2] * (1 - 1e-5), parameters["image_proj_model.pos_embed"][2]
    ) or ((start["image_proj_model.pos_embed"][2] - parameters["image_proj_model.pos_embed"][2]).abs().max() < 1e-4)
    assert all(torch.equal(a, b) for a, b in zip(before, (p for m in frozen for p in m.parameters()), strict=True))
    assert all(p.grad is None for module in frozen for p in module.parameters())


@torch.no_grad()
def test_the_loss_is_lambda_times_equation_12_over_every_layer(backbone: Backbone) -> None:
    one, batch = trainee(backbone), training_batch()
    _, trace = step(one, batch)
    assert len(trace.attention) == 11
    sides = {64: (8, 8), 16: (4, 4), 4: (2, 2)}
    maps = [(attention, sides[attention.shape[1]]) for attention in trace.attention.values()]
    expected = 0.1 * attention_loss(maps, batch.masks, batch.present)
    assert torch.equal(one.losses(batch, trace)["attention"], expected)
    other = replace(one, form="published").losses(batch, trace)["attention"]
    assert not torch.isclose(other, expected)
    assert replace(one, weight=0.0).losses(batch, trace) == {}


@torch.no_grad()
def test_a_dropped_row_is_the_negative_guidance_row(backbone: Backbone) -> None:
    """And a row that is not is the positive one: training reads what drawing reads."""
    maker = engine(backbone, lora_scale=0.0)
    one = StoryMakerTrainee(backbone, maker.eyes, maker.adapter)
    seen = maker.eyes.read(character(ANN).references[0])
    picture, face = (torch.from_numpy(x.copy()).permute(2, 0, 1).float() / 255 for x in (seen.character, seen.face))
    batch = training_batch(2)
    extra = {name: value[:, :1] if value.ndim > 1 else value for name, value in batch.extra.items()}
    extra["faces"] = face.expand(2, 1, -1, -1, -1)
    extra["face_embeds"] = torch.from_numpy(seen.embedding).expand(2, 1, -1)
    batch = replace(
        batch,
        references=picture.expand(2, 1, -1, -1, -1),
        reference_masks=torch.ones(2, 1, 32, 32),
        masks=batch.masks[:, :1],
        present=torch.ones(2, 1, dtype=torch.bool),
        drop=torch.tensor([False, True]),
        extra=extra,
    )
    trained = one.memory(batch)
    drawn = maker.condition(panel(ANN), {ANN: maker.encode(character(ANN))}, Style())
    for layer, kv in trained.subjects.items():
        torch.testing.assert_close(kv.key[:1], drawn.positive.subjects[layer].key, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(kv.value[1:], drawn.negative.subjects[layer].value, atol=1e-5, rtol=1e-4)
    alone = one.memory(replace(batch, extra=extra | {"zero_character": torch.tensor([True, False])}))
    asked = maker.condition(panel(ANN, character_strength=0), {ANN: maker.encode(character(ANN))}, Style())
    first = next(iter(alone.subjects))
    torch.testing.assert_close(alone.subjects[first].key[:1], asked.positive.subjects[first].key, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_what_each_drop_takes_away(backbone: Backbone) -> None:
    one, batch = trainee(backbone), training_batch()
    yes = torch.tensor([True, False, False])

    def keys(batch: TrainingBatch) -> torch.Tensor:
        return next(iter(one.memory(batch).subjects.values())).key

    usual = keys(batch)
    for name, changed in (("drop_crop", "references"), ("zero_character", "references"), ("zero_face", "faces")):
        dropped = replace(batch, extra=batch.extra | {name: yes})
        assert not torch.allclose(keys(dropped)[0], usual[0], atol=1e-4)
        torch.testing.assert_close(keys(dropped)[1:], usual[1:])
        if changed == "references":
            other = replace(dropped, references=1 - batch.references)
        else:
            other = replace(dropped, extra=dropped.extra | {"faces": 1 - batch.extra["faces"]})
        torch.testing.assert_close(keys(other)[0], keys(dropped)[0])
    unseen = replace(batch, extra=batch.extra | {"face_embeds": batch.extra["face_embeds"] + 1})
    place = slice((1 + 1) * SIZE.tokens, None)  # the second person, whose face is not seen
    torch.testing.assert_close(keys(unseen)[:, :, place], usual[:, :, place])
    assert not torch.allclose(keys(unseen)[0], usual[0], atol=1e-4)


@torch.no_grad()
def test_padding_does_nothing(backbone: Backbone) -> None:
    one, batch = trainee(backbone), training_batch()
    references = batch.references.clone()
    references[1, 1] = 0.3
    (first, seen), (second, other) = (step(one, x) for x in (batch, replace(batch, references=references)))
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)
    terms = [one.losses(batch, trace)["attention"] for trace in (seen, other)]
    torch.testing.assert_close(*terms)
