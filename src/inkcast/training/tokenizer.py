"""The toon base's vocabulary: CLIP's byte-level pair encoding, trained on what the drawn world's captions say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

from inkcast.toon.base import END, END_OF_WORD, START, tokenizer_from
from inkcast.toon.captions import corpus
from inkcast.toon.dataset import sample_scene, stars
from inkcast.training.objective import generator


@dataclass(frozen=True)
class Vocabulary:
    """Token numbers by token (bytes, bytes at a word's end, one per merge, start, end) and the merges in order."""

    tokens: dict[str, int]
    merges: tuple[tuple[str, str], ...]

    def tokenizer(self) -> CLIPTokenizer:
        return tokenizer_from(self.tokens, self.merges)


def toon_vocabulary(seed: int, scenes: int, merges: int) -> Vocabulary:
    """Learned from `scenes` captions with `merges` merges; then every word of a star's name is made one token."""
    rng = generator(seed, "tokenizer")
    words = sorted({word for name in stars() for word in name.split()})
    text = corpus(rng, (sample_scene(rng, star_share=0.1) for _ in range(scenes)))
    return whole(learned(text, merges), words)


def learned(text: Iterable[str], merges: int) -> Vocabulary:
    """The pairs merged first by frequency (Sennrich et al. 2016), over bytes, as CLIP's tokenizer cuts words."""
    template = tokenizer_from(alphabet(), ()).backend_tokenizer
    model = Tokenizer(BPE(end_of_word_suffix=END_OF_WORD, unk_token=END))
    model.normalizer, model.pre_tokenizer = template.normalizer, template.pre_tokenizer
    trainer = BpeTrainer(
        vocab_size=len(alphabet()) + merges,
        end_of_word_suffix=END_OF_WORD,
        initial_alphabet=bytes_as_letters(),
        show_progress=False,
    )
    model.train_from_iterator(text, trainer)
    pairs = [tuple(pair) for pair in json.loads(model.to_str())["model"]["merges"]]
    return vocabulary(pairs[:merges])


def whole(start: Vocabulary, words: Sequence[str]) -> Vocabulary:
    """`start` with merges added last, so that no earlier one is disturbed, until each of `words` is one token."""
    merges = list(start.merges)
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    for word in words:
        pieces = pieces_of(word, ranks)
        while len(pieces) > 1:
            pair = (pieces[0], pieces[1])
            ranks[pair] = len(merges)
            merges.append(pair)
            pieces = pieces_of(word, ranks)
    return vocabulary(merges)


def pieces_of(word: str, ranks: dict[tuple[str, str], int]) -> list[str]:
    """A lower-case ASCII word cut by merges, the earliest first: the definition of byte-pair encoding."""
    pieces = [*word[:-1], word[-1] + END_OF_WORD]
    while len(pieces) > 1:
        best = min(pairwise(pieces), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        pieces = list(joined(pieces, best))
    return pieces


def joined(pieces: Sequence[str], pair: tuple[str, str]) -> Iterator[str]:
    index = 0
    while index < len(pieces):
        fits = tuple(pieces[index : index + 2]) == pair
        yield pieces[index] + pieces[index + 1] if fits else pieces[index]
        index += 2 if fits else 1


def vocabulary(merges: Sequence[tuple[str, str]]) -> Vocabulary:
    tokens = alphabet()
    for left, right in merges:
        tokens.setdefault(left + right, len(tokens) - 2)
    ordered = [token for token in tokens if token not in (START, END)]
    return Vocabulary({token: n for n, token in enumerate([*ordered, START, END])}, tuple(merges))


def bytes_as_letters() -> list[str]:
    """The 256 letters that stand for bytes (GPT-2's table), in a fixed order."""
    return sorted(ByteLevel.alphabet())


def alphabet() -> dict[str, int]:
    letters = bytes_as_letters()
    tokens = [*letters, *(letter + END_OF_WORD for letter in letters), START, END]
    return {token: number for number, token in enumerate(tokens)}
