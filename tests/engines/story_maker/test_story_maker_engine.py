"""The story-maker engine at tiny size: what is encoded, conditioned and drawn, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests import tiny
from tests.engines.story_maker.small import (
    ANN,
    BEN,
    CAT,
    COLOURS,
    NAMES,
    SIZE,
    Faces,
    character,
    engine,
    eyes,
    panel,
    random_adapter,
    reference,
)

from inkcast.cast.character import CharacterId, Identity
from inkcast.engines.engine import Conditioning, Member, PanelPrompt, Style, rows
from inkcast.engines.identity import load_identity, save_identity
from inkcast.engines.story_maker.engine import StoryMaker, load_engine
from inkcast.engines.story_maker.options import Options
from inkcast.engines.story_maker.weights import Facts, save_adapter
from inkcast.errors import EngineError
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, KeyValue
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.fitting import fit
from inkcast.vision.face import InsightFaces

L = SIZE.tokens


@pytest.fixture
def maker(backbone: Backbone) -> StoryMaker:
    return engine(backbone, lora_scale=0.0)


def encoded(maker: StoryMaker, *who: CharacterId) -> dict[CharacterId, Identity]:
    return {one: maker.encode(character(one)) for one in who}


@torch.no_grad()
def sample(maker: StoryMaker, conditioning: Conditioning, batch: int = 1) -> torch.Tensor:
    memory = rows(conditioning, batch, (8, 8))
    inputs = tiny.unet_inputs(maker.base.unet, 2 * batch)
    return maker.base.unet(**inputs, cross_attention_kwargs={"memory": memory, "trace": AttentionTrace()}).sample


def key(conditioning: Conditioning, block: int, row: str = "positive") -> torch.Tensor:
    """The first layer's keys of one block: 0 the background, then the members."""
    first = next(iter(getattr(conditioning, row).subjects.values()))
    return first.key[:, :, block * L : (block + 1) * L]


@torch.no_grad()
def test_the_sequence_is_equations_4_to_7_in_both_rows(maker: StoryMaker) -> None:
    """Background first, then each member in its place; the negative row the same of zero features."""
    cast = encoded(maker, ANN, BEN)
    conditioning = maker.condition(panel(ANN, BEN), cast, Style())
    ppr, parts = maker.adapter.image_proj_model, maker.adapter.ip_adapter
    zero = torch.zeros(1, 17, 32)
    nothing = ppr.face(torch.zeros(1, 6), zero), ppr.character(zero)
    pairs = {
        "positive": [(cast[who].tensors["face"], cast[who].tensors["character"]) for who in (ANN, BEN)],
        "negative": [nothing, nothing],
    }
    for row, people in pairs.items():
        tokens = [ppr.bg_embed[0]]
        for place, (face, body) in enumerate(people):
            x = torch.cat([face, body], 1)[0] + ppr.pos_embed[place]
            tokens.append(ppr.norm_out(x @ ppr.proj_out.weight.T + ppr.proj_out.bias) + x)
        expected = parts(torch.cat(tokens)[None])
        for layer, kv in getattr(conditioning, row).subjects.items():
            torch.testing.assert_close(kv.key, expected[layer].key)
            torch.testing.assert_close(kv.value, expected[layer].value)
    assert len(conditioning.positive.subjects) == 11


@torch.no_grad()
def test_strength_zero_without_lora_is_the_plain_base_to_the_bit(maker: StoryMaker) -> None:
    cast = encoded(maker, ANN)
    plain = maker.condition(PanelPrompt(("a girl waves in the park",)), {}, Style())
    off = maker.condition(panel(ANN, subject_scale=0), cast, Style())
    inputs = tiny.unet_inputs(maker.base.unet, 2) | {
        "encoder_hidden_states": torch.cat([plain.prompt.negative, plain.prompt.positive])
    }
    unprepared = maker.base.unet(**inputs).sample
    memory = rows(off, 1, (8, 8))
    with maker.active():
        drawn = maker.base.unet(**inputs, cross_attention_kwargs={"memory": memory, "trace": AttentionTrace()}).sample
    assert torch.equal(drawn, unprepared)
    assert not torch.allclose(sample(maker, maker.condition(panel(ANN), cast, Style())), sample(maker, plain))


@torch.no_grad()
def test_a_batch_of_two_panels_is_two_single_panels(maker: StoryMaker) -> None:
    cast = encoded(maker, ANN, BEN)
    memories = [maker.condition(panel(who), cast, Style()).positive for who in (ANN, BEN)]

    def joined(field: str) -> dict[str, KeyValue]:
        first, second = (getattr(memory, field) for memory in memories)
        return {
            n: KeyValue(torch.cat([kv.key, second[n].key]), torch.cat([kv.value, second[n].value]))
            for n, kv in first.items()
        }

    both = fit(AttentionMemory(text=joined("text"), subjects=joined("subjects")), (8, 8))
    inputs = tiny.unet_inputs(maker.base.unet, 2)
    together = maker.base.unet(**inputs, cross_attention_kwargs={"memory": both}).sample
    for i, memory in enumerate(memories):
        own = {
            name: {k: v[i : i + 1] for k, v in x.items()} if isinstance(x, dict) else x[i : i + 1] if x.ndim else x
            for name, x in inputs.items()
        }
        alone = maker.base.unet(**own, cross_attention_kwargs={"memory": fit(memory, (8, 8))}).sample
        torch.testing.assert_close(alone, together[i : i + 1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_only_the_face_only_the_clothes(maker: StoryMaker) -> None:
    """Fig. 4's stylised synthesis sets E_2 to zero, for all or for one."""
    cast = encoded(maker, ANN, BEN)
    ppr, parts = maker.adapter.image_proj_model, maker.adapter.ip_adapter

    def of(face: torch.Tensor, body: torch.Tensor, place: int) -> torch.Tensor:
        return next(iter(parts(ppr.placed(face, body, torch.tensor([place]))).values())).key

    ann, ben = (cast[who].tensors for who in (ANN, BEN))
    alone = maker.condition(panel(ANN, BEN, **{"character_strength.Ann": 0}), cast, Style())
    torch.testing.assert_close(key(alone, 1), of(ann["face"], torch.zeros_like(ann["character"]), 0))
    torch.testing.assert_close(key(alone, 2), of(ben["face"], ben["character"], 1))
    clothes = maker.condition(panel(ANN, face_strength=0.5), cast, Style())
    torch.testing.assert_close(key(clothes, 1), of(ann["face"] / 2, ann["character"], 0))
    swapped = maker.condition(panel(ANN, **{"clothes.Ann": "ben"}), cast, Style())
    torch.testing.assert_close(key(swapped, 1), of(ann["face"], ben["character"], 0))
    between = maker.condition(panel(ANN, **{"blend.Ann": "Ben", "blend_weight.Ann": 0.25}), cast, Style())
    mix = [0.75 * ann[part] + 0.25 * ben[part] for part in ("face", "character")]
    torch.testing.assert_close(key(between, 1), of(*mix, 0))


@torch.no_grad()
def test_outfits_of_a_character_are_their_own_clothes(maker: StoryMaker) -> None:
    """A reference of another state, with or without a face, gives the clothes; the face stays the usual one."""
    usual, armour = reference(COLOURS[ANN]), reference((90, 90, 90), face=False, state="Armour")
    cast = {ANN: maker.encode(character(ANN, usual, armour))}
    assert set(cast[ANN].tensors) == {"face", "character", "character/armour"}
    asked = maker.condition(panel(ANN, state="armour"), cast, Style())
    set_so = maker.condition(panel(ANN, **{"clothes.Ann": "armour"}), cast, Style())
    plain = maker.condition(panel(ANN), cast, Style())
    torch.testing.assert_close(key(asked, 1), key(set_so, 1))
    assert not torch.allclose(key(asked, 1), key(plain, 1), atol=1e-3)
    torch.testing.assert_close(key(maker.condition(panel(ANN, state="as a child"), cast, Style()), 1), key(plain, 1))


def test_settings_that_cannot_be_are_refused(maker: StoryMaker) -> None:
    cast = encoded(maker, ANN)
    for setting, value, complaint in (
        ("clothes.Ann", "Zoe", "clothes.Ann is 'Zoe', which is nobody of the cast and no outfit of Ann"),
        ("blend.Ann", "Zoe", "blend.Ann is 'Zoe', who is not in the cast"),
        ("clothes.Ann", 3, "clothes.Ann is 3: use the name of a character"),
        ("blend_weight.Ann", 2, r"blend_weight.Ann is 2: use a number from 0 \(off\) to 1"),
        ("subject_scale", "much", "subject_scale is 'much': use a number"),
        ("face_strength.Ann", True, "face_strength.Ann is True: use a number"),
    ):
        with pytest.raises(EngineError, match=complaint):
            maker.condition(panel(ANN, **{setting: value}), cast, Style())


@torch.no_grad()
def test_a_reference_without_a_face_goes_on_and_says_so(backbone: Backbone) -> None:
    notes: list[str] = []
    maker = engine(backbone, notes, lora_scale=0.0)
    faceless = maker.encode(character(ANN, reference(COLOURS[ANN], face=False)))
    assert set(faceless.tensors) == {"character"}
    assert notes == ["no face was found in the references of Ann: keeping hair, clothes and body only"]
    conditioning = maker.condition(panel(ANN), {ANN: faceless}, Style())
    with_face = maker.encode(character(ANN))
    asked = maker.condition(panel(ANN, face_strength=0), {ANN: replace(faceless, tensors=with_face.tensors)}, Style())
    ppr = maker.adapter.image_proj_model
    silent = ppr.placed(torch.zeros(1, 2, 64), faceless.tensors["character"], torch.tensor([0]))
    torch.testing.assert_close(key(conditioning, 1), next(iter(maker.adapter.ip_adapter(silent).values())).key)
    assert asked.positive.subjects.keys() == conditioning.positive.subjects.keys()
    assert len(notes) == 1


@torch.no_grad()
def test_several_references_are_averaged_where_they_have_something_to_say(maker: StoryMaker) -> None:
    two = (reference(COLOURS[ANN]), reference(COLOURS[BEN], face=False))
    both = maker.encode(character(ANN, *two)).tensors
    each = [maker.encode(character(ANN, one)).tensors for one in two]
    torch.testing.assert_close(both["character"], (each[0]["character"] + each[1]["character"]) / 2)
    torch.testing.assert_close(both["face"], each[0]["face"])


@torch.no_grad()
def test_a_close_up_is_the_face_and_says_nothing_of_the_clothes(maker: StoryMaker) -> None:
    whole, close = reference(COLOURS[ANN]), replace(reference(COLOURS[BEN]), view="close-up")
    each = [maker.encode(character(ANN, one)).tensors for one in (whole, close)]
    both = maker.encode(character(ANN, whole, close)).tensors
    torch.testing.assert_close(both["face"], each[1]["face"])
    torch.testing.assert_close(both["character"], each[0]["character"])
    blind = replace(reference(COLOURS[BEN], face=False), view="close-up")
    torch.testing.assert_close(maker.encode(character(ANN, whole, blind)).tensors["face"], each[0]["face"])


def test_more_people_than_places_names_the_engine_that_can(maker: StoryMaker) -> None:
    four = [CharacterId(str(n)) for n in range(4)]
    crowd = PanelPrompt(("a girl waves",), tuple(Member(who, who, "a girl") for who in four))
    with pytest.raises(EngineError, match="room for 3 characters in a picture but this panel has 4: use any-story"):
        maker.condition(crowd, {}, Style())
    with pytest.raises(EngineError, match="room for 3"):
        maker.refuse(crowd)
    maker.refuse(panel(ANN, BEN, CAT))
    cast = encoded(maker, ANN, BEN, CAT)
    assert key(maker.condition(panel(ANN, BEN, CAT), cast, Style()), 3).shape[2] == L


@torch.no_grad()
def test_boxes_hold_people_and_leave_the_background_free(maker: StoryMaker) -> None:
    cast = encoded(maker, ANN)
    memory = rows(maker.condition(panel(ANN, box=(0.0, 0.0, 0.5, 1.0)), cast, Style()), 1, (8, 8))
    mask = memory.region_maps[16].mask
    assert mask is not None
    assert bool(mask[0, 0, :, :L].all())
    assert torch.equal(mask[0, 0, :, L].view(4, 4), torch.tensor([[True, True, False, False]] * 4))
    half = Image.new("L", (20, 30))
    half.paste(255, (0, 0, 10, 30))
    (here,) = panel(ANN).members
    masked = replace(panel(ANN), members=(replace(here, mask=half),))
    same = rows(maker.condition(masked, cast, Style()), 1, (8, 8))
    assert torch.equal(same.regions, memory.regions)


@torch.no_grad()
def test_characters_are_projected_once_per_comic(maker: StoryMaker) -> None:
    cast = encoded(maker, ANN, BEN)
    calls: list[str] = []
    maker.adapter.ip_adapter.register_forward_hook(lambda *_: calls.append("project"))
    maker.eyes.clip.model.register_forward_hook(lambda *_: calls.append("clip"))
    for _ in range(3):
        maker.condition(panel(ANN, BEN), cast, Style())
    assert calls == ["project"] * 5  # two people, nobody in two places, the background


def test_an_identity_comes_back_from_disk(maker: StoryMaker, tmp_path: Path) -> None:
    ann = encoded(maker, ANN)[ANN]
    save_identity(ann, tmp_path / "ann.safetensors")
    again = load_identity(tmp_path / "ann.safetensors")
    first, second = (maker.condition(panel(ANN), {ANN: one}, Style()) for one in (ann, again))
    assert torch.equal(key(first, 1), key(second, 1))
    for stale, complaint in (
        (replace(ann, weights_digest="f" * 64), "made by weights ffffffffffff, not"),
        (Identity("ip-adapter", ann.weights_digest, ann.tensors), "made by ip-adapter, not story-maker"),
        (replace(ann, tensors={}), "the identity of Ann lacks 'character': take the character out"),
        (
            replace(ann, tensors={**ann.tensors, "face": torch.zeros(1, 1, 3)}),
            r"Ann has 'face' of \[1, 1, 3\], not \[1, ",
        ),
    ):
        with pytest.raises(EngineError, match=complaint):
            maker.condition(panel(ANN), {ANN: stale}, Style())


def test_what_does_not_fit_is_refused(backbone: Backbone) -> None:
    with pytest.raises(EngineError, match="needs an SDXL base"):
        StoryMaker(replace(backbone, family="sd"), eyes(), random_adapter(backbone))
    with pytest.raises(EngineError, match="faces as 6 numbers but the face encoder gives 512"):
        StoryMaker(backbone, replace(eyes(), faces=Faces(512)), random_adapter(backbone))
    with pytest.raises(EngineError, match="Ann has no reference picture"):
        engine(backbone).encode(replace(character(ANN), references=()))


def test_it_loads_from_a_base_folder_with_its_facts(backbone: Backbone, tiny_base_folder: Path, tmp_path: Path) -> None:
    adapter = random_adapter(backbone)
    facts = Facts(head_dim=8, face_head_dim=16, options=Options(0.7, 0.6))
    save_adapter(adapter, facts, tmp_path / "engines" / "story-maker" / "adapter.safetensors")
    (tmp_path / "image_encoder").symlink_to(tiny_base_folder / "image_encoder")
    maker = load_engine(replace(backbone, folder=tmp_path), faces=Faces())
    assert maker.options == Options(0.7, 0.6)
    assert (maker.scheduler, maker.steps, maker.guidance) == ("unipc", 25, 7.5)
    saved = maker.adapter.state_dict()
    assert all(torch.equal(saved[n].half(), t.half()) for n, t in adapter.state_dict().items())
    assert maker.encode(character(ANN)).weights_digest == maker.digest
    assert NAMES[ANN] == "Ann"


def test_another_pack_of_faces_makes_other_identities(backbone: Backbone, tmp_path: Path) -> None:
    """Of a pack that is read elsewhere, file by file; nothing of it is loaded for that."""

    def digest(*files: tuple[str, bytes]) -> str:
        for old in tmp_path.glob("*.onnx"):
            old.unlink()
        for name, data in files:
            (tmp_path / name).write_bytes(data)
        seen = replace(eyes(), faces=InsightFaces(tmp_path, dim=Faces.dim))
        return StoryMaker(backbone, seen, random_adapter(backbone)).digest

    detection, recognition = ("det.onnx", b"finds"), ("rec.onnx", b"knows")
    first = digest(detection, recognition)
    assert first == digest(recognition, detection)
    assert len({first, digest(detection, ("rec.onnx", b"knew")), digest(detection), digest()}) == 4
