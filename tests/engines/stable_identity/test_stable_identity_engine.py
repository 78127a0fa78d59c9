"""Words in prompts: by span, from identities, on both families of bases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import tiny
from tests.engines.stable_identity.people import ANN, ANN_HERE, BEN, BEN_HERE, BOTH, FAME, Stare, person

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.cast.embeddings import read_embeddings
from inkcast.cast.identities import unpack
from inkcast.engines.engine import PanelPrompt, Style, rows
from inkcast.engines.identity import load_identity, save_identity
from inkcast.engines.registry import load_engine
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.engines.stable_identity.words import mark, spoken
from inkcast.errors import EngineError
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import prepare
from inkcast.sdxl.prompts import encode_prompt, encode_texts


@pytest.fixture
def engine(backbone: Backbone) -> StableIdentity:
    return StableIdentity(backbone, Stare(), fame=FAME)


def identity(engine: StableIdentity, seed: int = 0) -> Identity:
    chance = torch.Generator().manual_seed(seed)
    names = ("text_encoder", "text_encoder_2")[: len(engine.base.text_encoders)]
    return Identity(engine.name, engine.digest, {name: torch.randn(1, 2, 32, generator=chance) for name in names})


def in_the_table(base: Backbone, words: str, who: Identity) -> None:
    """The reference form: the vectors written over rows of the embedding tables."""
    ids = base.tokenizers[0](words, add_special_tokens=False).input_ids
    for name, encoder in zip(("text_encoder", "text_encoder_2"), base.text_encoders, strict=False):
        encoder.get_input_embeddings().weight.data[ids] = who.tensors[name][0]


def same(ours: object, theirs: object) -> bool:
    fields = ("positive", "negative", "pooled", "negative_pooled")
    return all(torch.equal(getattr(ours, name), getattr(theirs, name)) for name in fields)


def test_mentions_read_as_if_the_words_were_in_the_embedding_tables(engine: StableIdentity) -> None:
    ann, ben = identity(engine, 1), identity(engine, 2)
    style = Style("flat", "flat drawing", "red cat")
    ours = engine.condition(BOTH, {ANN: ann, BEN: ben}, style).prompt
    in_the_table(engine.base, "zqa zqb", ann)
    in_the_table(engine.base, "tom reed", ben)
    theirs = encode_prompt(engine.base, "zqa zqb hugs tom reed in the park, flat drawing", "red cat")
    assert same(ours, theirs)


def test_somebody_mentioned_twice_is_put_in_twice_and_names_are_never_read(engine: StableIdentity) -> None:
    who = CharacterId("x")
    panel = PanelPrompt((who, " runs, ", who, "'s bear waves"), (replace(ANN_HERE, id=who, name="Ann van der Lee"),))
    ours = engine.condition(panel, {who: identity(engine)}, Style()).prompt
    in_the_table(engine.base, "zqa zqb", identity(engine))
    assert same(ours, encode_prompt(engine.base, "zqa zqb runs, zqa zqb's bear waves"))


@pytest.mark.parametrize("before", [73, 74, 75, 160])
def test_long_prompts_keep_both_words_in_one_window(engine: StableIdentity, before: int) -> None:
    parts = ("girl " * before, ANN, " waves")
    places = mark(engine.base, parts, [ANN]).places[0]
    assert places[0].window == places[1].window == (before + 1) // 75
    assert places[1].column == places[0].column + 1
    ours = engine.condition(PanelPrompt(parts, (ANN_HERE,)), {ANN: identity(engine)}, Style()).prompt
    assert ours.positive.shape == ours.negative.shape
    start = 77 * places[0].window
    length = places[1].column + 1
    in_the_table(engine.base, "zqa zqb", identity(engine))
    alone = encode_prompt(engine.base, "girl " * (places[0].column - 1) + "zqa zqb waves").positive
    assert torch.allclose(ours.positive[:, start : start + length], alone[:, :length], atol=1e-5)


def test_without_members_it_is_the_plain_base_to_the_bit(engine: StableIdentity) -> None:
    panel = PanelPrompt(("a girl ", "waves in the park"))
    found = engine.condition(panel, {}, Style("flat", "flat drawing", "red cat"))
    assert same(found.prompt, encode_prompt(engine.base, "a girl waves in the park, flat drawing", "red cat"))
    inputs = tiny.unet_inputs(engine.base.unet, 1)
    inputs["encoder_hidden_states"] = found.prompt.positive
    with torch.no_grad():
        plain = engine.base.unet(**inputs).sample
        memory = rows(found, 1, (8, 8))
        ours = engine.base.unet(**inputs, cross_attention_kwargs={"memory": memory}).sample
    assert torch.equal(ours, plain)
    assert not memory.subjects
    assert not memory.reference


def test_text_encoders_are_as_before_whatever_happens(engine: StableIdentity) -> None:
    before = encode_prompt(engine.base, "! a girl waves")
    words = {ANN: [vectors[0] for vectors in identity(engine).tensors.values()]}
    tables = [encoder.get_input_embeddings() for encoder in engine.base.text_encoders]

    def stopped() -> None:
        with spoken(engine.base, [mark(engine.base, [ANN], [ANN])], words):
            assert all(len(table._forward_hooks) == 1 for table in tables)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert not any(table._forward_hooks for table in tables)
    assert same(encode_prompt(engine.base, "! a girl waves"), before)
    assert all(table.num_embeddings == len(engine.base.tokenizers[0]) for table in tables)


def test_two_prompts_at_once_are_two_prompts(engine: StableIdentity) -> None:
    ann, ben = ([x[0] for x in identity(engine, seed).tensors.values()] for seed in (1, 2))
    first, second = mark(engine.base, [ANN, " waves"], [ANN]), mark(engine.base, ["a cat and ", BEN], [BEN])
    with torch.no_grad():
        with spoken(engine.base, [first, second], {ANN: ann, BEN: ben}):
            hidden, pooled = encode_texts(engine.base, [first.runs, second.runs])
        for row, (prompt, words) in enumerate(((first, {ANN: ann}), (second, {BEN: ben}))):
            with spoken(engine.base, [prompt], words):
                alone, alone_pooled = encode_texts(engine.base, [prompt.runs])
            torch.testing.assert_close(hidden[row], alone[0], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(pooled[row], alone_pooled[0], atol=1e-5, rtol=1e-4)


def test_identities_round_trip_and_strangers_are_refused(engine: StableIdentity, tmp_path: Path) -> None:
    ann = identity(engine)
    save_identity(ann, tmp_path / "ann.safetensors")
    again = load_identity(tmp_path / "ann.safetensors")
    panel = PanelPrompt((ANN, " waves"), (ANN_HERE,))
    assert same(
        engine.condition(panel, {ANN: again}, Style()).prompt, engine.condition(panel, {ANN: ann}, Style()).prompt
    )
    with pytest.raises(EngineError, match="identity of Ann Lee was made by weights ffffffffffff, not"):
        engine.condition(panel, {ANN: replace(ann, weights_digest="f" * 64)}, Style())
    other = StableIdentity(replace(engine.base, digest="other"), None, fame=FAME)
    assert other.digest != engine.digest


def imported(folder: Path, *widths: tuple[str, int]) -> Identity:
    for suffix, width in widths:
        torch.save(torch.randn(1, 2, width), folder / f"Ann_Lee{suffix}.pt")
    (record,) = read_embeddings(sorted(folder.glob("*.pt")))
    (found,) = record.identities
    return unpack(found.tensors, found.engine, found.weights_digest)


def test_the_comic_generator_s_files_draw_on_a_base_of_their_widths(tmp_path: Path) -> None:
    words = tiny.tokenizer()
    pipeline = tiny.pipeline()
    for name, width in (("text_encoder", 768), ("text_encoder_2", 1280)):
        config = tiny.text_config(words, width)
        config.num_hidden_layers = 1
        setattr(pipeline, name, type(getattr(pipeline, name))(config).eval())
    sizes = {"cross_attention_dim": 2048, "projection_class_embeddings_input_dim": 48 + 1280}
    pipeline.unet = tiny.unet(**sizes)
    prepare(pipeline.unet)
    base = Backbone("tiny", "sdxl", pipeline, torch.device("cpu"), torch.float32, "digest")
    engine = StableIdentity(base, None, fame=FAME)
    ann = imported(tmp_path, ("_1", 768), ("_2", 1280))
    found = engine.condition(PanelPrompt((ANN, " waves"), (ANN_HERE,)), {ANN: ann}, Style()).prompt
    in_the_table(base, "zqa zqb", ann)
    assert same(found, encode_prompt(base, "zqa zqb waves"))


def test_words_of_another_family_or_width_are_refused(engine: StableIdentity, tmp_path: Path) -> None:
    panel = PanelPrompt((ANN, " waves"), (ANN_HERE,))
    for name, widths, complaint in (
        ("sd", [("", 1024)], "Ann Lee's words were imported for sd bases, but .* is of family sdxl"),
        ("sdxl", [("_1", 768), ("_2", 1280)], r"'text_encoder' of \[1, 2, 768\], not \[1, 2, 32\]: learn the face on"),
    ):
        (tmp_path / name).mkdir()
        with pytest.raises(EngineError, match=complaint):
            engine.condition(panel, {ANN: imported(tmp_path / name, *widths)}, Style())
    lacking = replace(identity(engine), tensors={"text_encoder": torch.zeros(1, 2, 32)})
    with pytest.raises(EngineError, match="the identity of Ann Lee lacks 'text_encoder_2': learn the face on"):
        engine.condition(panel, {ANN: lacking}, Style())


def test_without_pictures_or_eyes_nothing_is_learned(engine: StableIdentity) -> None:
    with pytest.raises(EngineError, match="Ann has no reference picture"):
        engine.encode(Character(ANN, "Ann", ()))
    blind = load_engine("stable-identity", replace(engine.base, folder=None))
    with pytest.raises(EngineError, match="brings no face encoder to learn Ann with: put a face ViT"):
        blind.learn(person())


def test_a_panel_may_ask_for_what_somebody_wears(engine: StableIdentity) -> None:
    armed = replace(ANN_HERE, noun="a girl in red")
    panel = PanelPrompt((ANN, " waves and ", ANN, " runs"), (armed,), {"noun": True})
    ours = engine.condition(panel, {ANN: identity(engine)}, Style()).prompt
    in_the_table(engine.base, "zqa zqb", identity(engine))
    assert same(ours, encode_prompt(engine.base, "zqa zqb, a girl in red, waves and zqa zqb runs"))


def test_members_keep_to_the_panel(engine: StableIdentity) -> None:
    """Somebody of the cast who is only listed, not mentioned, changes nothing."""
    panel = PanelPrompt(("a girl waves",), (ANN_HERE, BEN_HERE))
    found = engine.condition(panel, {ANN: identity(engine, 1), BEN: identity(engine, 2)}, Style())
    assert same(found.prompt, encode_prompt(engine.base, "a girl waves"))
