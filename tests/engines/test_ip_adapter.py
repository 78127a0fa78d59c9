"""The ip-adapter engine end to end at tiny size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.engines.engine import Member, PanelPrompt, Style, TrainingBatch, rows
from inkcast.engines.ip_adapter.encoder import reference_squares
from inkcast.engines.ip_adapter.engine import IpAdapter
from inkcast.engines.ip_adapter.weights import fresh_adapter
from inkcast.errors import EngineError
from inkcast.images import Reference
from inkcast.sdxl.attention import AttentionTrace
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.image_encoder import ImageEncoder
from inkcast.sdxl.resampler import ResamplerSize
from inkcast.vision.cutout import subject_mask

SIZE = ResamplerSize(feature_channels=32, out_channels=64, channels=16, depth=2, heads=2, head_dim=8, queries=4)
ANN, BEN = CharacterId("ann"), CharacterId("ben")


@pytest.fixture
def engine(backbone: Backbone) -> IpAdapter:
    torch.manual_seed(3)
    return IpAdapter(backbone, ImageEncoder(tiny.image_encoder()), fresh_adapter(backbone, SIZE))


def reference(colour: tuple[int, int, int], size: tuple[int, int] = (40, 60)) -> Reference:
    """A coloured block, off centre on white."""
    picture = np.full((size[1], size[0], 3), 255, dtype=np.uint8)
    picture[10:50, 5:20] = colour
    return Reference(Image.fromarray(picture), digest="0" * 64)


def character(who: CharacterId, *references: Reference) -> Character:
    return Character(who, who.title(), references)


def panel(*members: Member, **settings: float) -> PanelPrompt:
    parts = [part for member in members for part in (member.id, " waves ")]
    return PanelPrompt((*parts, "in the park"), members, settings)


ANN_HERE, BEN_HERE = Member(ANN, "Ann", "a girl"), Member(BEN, "Ben", "a bear")


def unet_sample(engine: IpAdapter, conditioning, batch: int = 1) -> torch.Tensor:
    unet, memory = engine.base.unet, rows(conditioning, batch, (8, 8))
    inputs = tiny.unet_inputs(unet, 2 * batch)
    with torch.no_grad():
        return unet(**inputs, cross_attention_kwargs={"memory": memory, "trace": AttentionTrace()}).sample


def test_the_subject_is_cut_out_onto_a_white_square() -> None:
    plain = reference((200, 30, 30))
    assert subject_mask(plain).sum() == 40 * 15
    square = reference_squares((plain,), 32)[0]
    assert square.shape == (3, 32, 32)
    assert torch.allclose(square[:, 0, 0], torch.ones(3))
    assert torch.allclose(square[:, 16, 16], torch.tensor([200, 30, 30]) / 255, atol=0.02)
    mask = Image.new("L", (40, 60), 0)
    mask.paste(255, (5, 10, 20, 30))
    assert subject_mask(replace(plain, mask=mask)).sum() == 20 * 15
    rgba = plain.image.convert("RGBA")
    rgba.putalpha(mask)
    assert subject_mask(replace(plain, image=rgba)).sum() == 20 * 15


def test_holes_in_a_subject_belong_to_it_and_busy_pictures_stay_whole() -> None:
    picture = np.full((40, 40, 3), 255, dtype=np.uint8)
    picture[5:35, 5:35] = 0
    picture[15:20, 15:20] = 255
    assert subject_mask(Reference(Image.fromarray(picture), "0")).sum() == 30 * 30
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert subject_mask(Reference(Image.fromarray(noise), "0")).all()


def test_identity_tells_characters_apart_and_averages_references(engine: IpAdapter) -> None:
    red, blue = reference((200, 30, 30)), reference((30, 30, 200))
    ann, ben = engine.encode(character(ANN, red)), engine.encode(character(BEN, blue))
    assert ann.engine == "ip-adapter"
    assert ann.weights_digest == engine.digest
    assert ann.tensors["tokens"].shape == (1, 4, 64)
    assert not torch.allclose(ann.tensors["tokens"], ben.tensors["tokens"], atol=1e-3)
    both = engine.encode(character(ANN, red, blue)).tensors["tokens"]
    torch.testing.assert_close(both, (ann.tensors["tokens"] + ben.tensors["tokens"]) / 2)
    assert torch.equal(engine.encode(character(ANN, red)).tensors["tokens"], ann.tensors["tokens"])
    armour = replace(blue, state="armour")
    assert torch.equal(engine.encode(character(ANN, red, armour)).tensors["tokens"], ann.tensors["tokens"])
    assert torch.equal(engine.encode(character(ANN, armour)).tensors["tokens"], ben.tensors["tokens"])


def test_two_characters_stand_side_by_side_under_one_softmax(engine: IpAdapter) -> None:
    cast = {
        ANN: engine.encode(character(ANN, reference((200, 30, 30)))),
        BEN: engine.encode(character(BEN, reference((9, 9, 200)))),
    }
    both = engine.condition(panel(ANN_HERE, BEN_HERE), cast, Style())
    for who, place in ((ANN_HERE, slice(0, 4)), (BEN_HERE, slice(4, 8))):
        alone = engine.condition(panel(who), cast, Style()).positive.subjects
        for layer, kv in both.positive.subjects.items():
            assert kv.key.shape[2] == 8
            assert torch.equal(kv.key[:, :, place], alone[layer].key)
    assert both.negative.subjects.keys() == both.positive.subjects.keys()


def test_strength_zero_is_the_plain_base_to_the_bit(engine: IpAdapter) -> None:
    cast = {ANN: engine.encode(character(ANN, reference((200, 30, 30))))}
    plain = unet_sample(engine, engine.condition(PanelPrompt(panel(ANN_HERE).parts, (ANN_HERE,)), cast, Style()))
    off = unet_sample(engine, engine.condition(panel(ANN_HERE, subject_scale=0.0), cast, Style()))
    nobody = engine.condition(PanelPrompt(("a girl waves in the park",)), {}, Style())
    assert torch.equal(off, unet_sample(engine, nobody))
    assert not torch.allclose(off, plain, atol=1e-4)


def test_a_strength_that_cannot_be_is_refused(engine: IpAdapter) -> None:
    cast = {ANN: engine.encode(character(ANN, reference((200, 30, 30))))}
    for wrong in (-1, 11, True, "much"):
        with pytest.raises(EngineError, match=r"subject_scale is .*: use a number from 0"):
            engine.condition(panel(ANN_HERE, subject_scale=wrong), cast, Style())


def test_boxes_keep_a_character_in_its_place(engine: IpAdapter) -> None:
    cast = {ANN: engine.encode(character(ANN, reference((200, 30, 30))))}
    boxed = Member(ANN, "Ann", "a girl", (0.0, 0.0, 0.5, 1.0))
    memory = rows(engine.condition(panel(boxed), cast, Style()), 1, (8, 8))
    reached = memory.region_maps[16].reached
    assert reached is not None
    assert torch.equal(reached[0, :, 0].view(4, 4), torch.tensor([[1.0, 1, 0, 0]] * 4))
    half = Image.new("L", (20, 30))
    half.paste(255, (0, 0, 10, 30))
    same = rows(engine.condition(panel(replace(ANN_HERE, mask=half)), cast, Style()), 1, (8, 8))
    assert torch.equal(same.regions, memory.regions)


def test_characters_are_projected_once_per_comic(engine: IpAdapter) -> None:
    cast = {ANN: engine.encode(character(ANN, reference((200, 30, 30))))}
    calls = []
    engine.adapter.ip_adapter.register_forward_hook(lambda *_: calls.append("project"))
    engine.adapter.image_proj.register_forward_hook(lambda *_: calls.append("resample"))
    engine.encoder.model.register_forward_hook(lambda *_: calls.append("clip"))
    for _ in range(3):
        engine.condition(panel(ANN_HERE), cast, Style())
    assert sorted(calls) == ["clip", "project", "project", "resample"]  # the character, and nothing (once)


def test_identities_of_other_weights_are_refused(engine: IpAdapter) -> None:
    ann = engine.encode(character(ANN, reference((200, 30, 30))))
    for stale, complaint in (
        (replace(ann, weights_digest="f" * 64), "was made by weights ffffffffffff, not"),
        (Identity("story-maker", ann.weights_digest, ann.tensors), "was made by story-maker, not ip-adapter"),
        (replace(ann, tensors={}), "the identity of Ann lacks 'tokens': take the character out"),
        (replace(ann, tensors={"tokens": torch.zeros(1, 4, 3)}), r"Ann has 'tokens' of \[1, 4, 3\], not \[1, 4, 64\]"),
    ):
        with pytest.raises(EngineError, match=complaint):
            engine.condition(panel(ANN_HERE), {ANN: stale}, Style())
    with pytest.raises(EngineError, match="Ann has no reference picture"):
        engine.encode(character(ANN))


def test_bases_and_encoders_that_do_not_fit_are_refused(backbone: Backbone) -> None:
    adapter = fresh_adapter(backbone, replace(SIZE, feature_channels=48))
    with pytest.raises(EngineError, match="reads 48 channels but the image encoder gives 32"):
        IpAdapter(backbone, ImageEncoder(tiny.image_encoder()), adapter)
    with pytest.raises(EngineError, match="needs an SDXL base"):
        IpAdapter(replace(backbone, family="sd"), ImageEncoder(tiny.image_encoder()), adapter)


def training_batch(rows_: int = 3) -> TrainingBatch:
    g = torch.Generator().manual_seed(0)
    return TrainingBatch(
        text=torch.randn(rows_, 77, 64, generator=g),
        references=torch.rand(rows_, 2, 3, 32, 32, generator=g),
        reference_masks=torch.ones(rows_, 2, 32, 32),
        masks=torch.ones(rows_, 2, 64, 64),
        present=torch.tensor([[True, True], [True, False], [True, True]])[:rows_],
        drop=torch.tensor([False, False, True])[:rows_],
        latent_size=(8, 8),
    )


def test_training_sends_gradients_to_the_adapter_only(engine: IpAdapter) -> None:
    unet = engine.base.unet.requires_grad_(False)
    batch, trace = training_batch(), AttentionTrace()
    memory = engine.memory(batch)
    inputs = tiny.unet_inputs(unet, 3)
    sample = unet(**inputs, cross_attention_kwargs={"memory": memory, "trace": trace}).sample
    sample.square().mean().backward()
    assert engine.losses(batch, trace) == {}
    for name, module in engine.trainable().items():
        grads = [p.grad for p in module.parameters()]
        assert all(g is not None and bool(torch.isfinite(g).all()) and g.abs().sum() > 0 for g in grads), name
    assert all(p.grad is None for p in engine.encoder.model.parameters())


@torch.no_grad()
def test_training_reads_what_drawing_reads(engine: IpAdapter) -> None:
    """One subject, the same picture: training's keys are drawing's; dropped rows hold those of nothing."""
    square = reference_squares((reference((200, 30, 30)),), 32)
    batch = training_batch()
    batch = replace(batch, references=square.expand(3, 1, -1, -1, -1), reference_masks=torch.ones(3, 1, 32, 32))
    batch = replace(batch, present=torch.ones(3, 1, dtype=torch.bool))
    trained = engine.memory(batch)
    cast = {ANN: engine.encode(character(ANN, reference((200, 30, 30))))}
    drawn = engine.condition(panel(ANN_HERE), cast, Style())
    for layer, kv in trained.subjects.items():
        torch.testing.assert_close(kv.key[:1], drawn.positive.subjects[layer].key)
        torch.testing.assert_close(kv.value[2:], drawn.negative.subjects[layer].value)


@torch.no_grad()
def test_padding_of_a_ragged_batch_does_nothing(engine: IpAdapter) -> None:
    unet, batch = engine.base.unet, training_batch(2)
    inputs = tiny.unet_inputs(unet, 2)
    first = unet(**inputs, cross_attention_kwargs={"memory": engine.memory(batch)}).sample
    references = batch.references.clone()
    references[1, 1] = 0.5  # the second row has one subject; the other place is padding
    second = unet(
        **inputs, cross_attention_kwargs={"memory": engine.memory(replace(batch, references=references))}
    ).sample
    torch.testing.assert_close(first, second)
