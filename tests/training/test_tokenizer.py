"""The toon vocabulary: CLIP's rules, stars as single words, bytes for everything else."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import CLIPTokenizer

from inkcast.toon.captions import caption
from inkcast.toon.dataset import sample_scene, stars
from inkcast.training.tokenizer import Vocabulary, pieces_of, toon_vocabulary, vocabulary, whole


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return toon_vocabulary(seed=7, scenes=300, merges=400)


@pytest.fixture(scope="module")
def tokenizer(words: Vocabulary) -> CLIPTokenizer:
    return words.tokenizer()


def test_marks(tokenizer: CLIPTokenizer) -> None:
    ids = tokenizer(["a cat", ""], padding="max_length", truncation=True).input_ids
    start, end = tokenizer.convert_tokens_to_ids(["<|startoftext|>", "<|endoftext|>"])
    assert len(ids[0]) == len(ids[1]) == tokenizer.model_max_length == 77
    assert ids[0][0] == ids[1][0] == start
    assert ids[1][1:] == [end] * 76
    assert ids[0][3:] == [end] * 74
    assert end == tokenizer.eos_token_id == tokenizer.pad_token_id != 2


def test_every_word_of_a_star_is_one_token(tokenizer: CLIPTokenizer) -> None:
    for name in stars():
        assert tokenizer.tokenize(name) == [f"{word}</w>" for word in name.split()]


def test_common_words_are_one_token_in_any_case(tokenizer: CLIPTokenizer) -> None:
    assert tokenizer.tokenize("The GIRL with a Red top") == [
        f"{w}</w>" for w in ("the", "girl", "with", "a", "red", "top")
    ]


@pytest.mark.parametrize("text", ["zyx qwertz", "naïve café", "漫画 42!", "don't"])
def test_any_text_falls_back_to_bytes(tokenizer: CLIPTokenizer, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.unk_token_id not in ids
    joined = "".join(tokenizer.convert_ids_to_tokens(ids)).replace("</w>", "")
    letters = bytes_by_letter()
    assert bytes(letters[c] for c in joined).decode() == text.replace(" ", "").lower()


def bytes_by_letter() -> dict[str, int]:
    """GPT-2's table, stated again: printable bytes stand for themselves, the rest for letters from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(rest)}


def test_the_fast_tokenizer_cuts_as_byte_pair_encoding_is_defined(words: Vocabulary, tokenizer: CLIPTokenizer) -> None:
    ranks = {pair: rank for rank, pair in enumerate(words.merges)}
    for word in ("watercolor", "dinosaurs", "headphonez", "bela", "q", "mountainous", "striping"):
        assert tokenizer.tokenize(word) == pieces_of(word, ranks)


def test_completing_words_disturbs_no_other() -> None:
    before = vocabulary([("a", "b"), ("b", "c</w>")])
    after = whole(before, ["abc", "xyz"])
    ranks = {pair: rank for rank, pair in enumerate(after.merges)}
    assert after.merges[:2] == before.merges
    assert pieces_of("abc", ranks) == ["abc</w>"]
    assert pieces_of("xyz", ranks) == ["xyz</w>"]
    assert pieces_of("bc", ranks) == ["bc</w>"]


def test_numbers_are_dense_and_stable(words: Vocabulary) -> None:
    assert sorted(words.tokens.values()) == list(range(len(words.tokens)))
    assert toon_vocabulary(seed=7, scenes=300, merges=400) == words


def test_captions_fit(tokenizer: CLIPTokenizer) -> None:
    rng = np.random.default_rng(0)
    lengths = [len(tokenizer(caption(sample_scene(rng), rng)).input_ids) for _ in range(300)]
    assert np.quantile(lengths, 0.99) < 77


def test_saved_and_loaded(tokenizer: CLIPTokenizer, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    again = CLIPTokenizer.from_pretrained(folder)
    text = "Mira the girl waves – naïve"
    assert again(text).input_ids == tokenizer(text).input_ids
    assert again.model_max_length == 77
