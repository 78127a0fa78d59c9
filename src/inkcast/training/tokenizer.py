"""The toon base's vocabulary: CLIP's byte-level pair encoding, trained on what the drawn world's captions say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from tokenizers.pre_tokenizers import ByteLevel
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


@cache
def toon_vocabulary(seed: int, scenes: int, merges: int) -> Vocabulary:
    """Learned from `scenes` captions with `merges` merges; then every word of a star's name is made one token."""
    rng = generator(seed, "tokenizer")
    words = sorted({word for name in stars() for word in name.split()})
    text = corpus(rng, (sample_scene(rng, star_share=0.1) for _ in range(scenes)))
    return whole(learned(text, merges), words)


def learned(text: Iterable[str], merges: int) -> Vocabulary:
    """The most frequent pair first (Sennrich et al. 2016, algorithm 1), over bytes, within words as CLIP cuts them.

    Written out here because the tokenizers library breaks ties by chance; here the smaller pair wins.
    """
    cut = tokenizer_from(alphabet(), ()).backend_tokenizer
    counts = Counter(
        piece for line in text for piece, _ in cut.pre_tokenizer.pre_tokenize_str(cut.normalizer.normalize_str(line))
    )
    words = [(letters_of(word), count) for word, count in sorted(counts.items())]
    pairs: list[tuple[str, str]] = []
    while len(pairs) < merges:
        tally: Counter[tuple[str, str]] = Counter()
        for pieces, count in words:
            for pair in pairwise(pieces):
                tally[pair] += count
        if not tally:
            break
        best = min(tally, key=lambda pair: (-tally[pair], pair))
        pairs.append(best)
        words = [(list(joined(pieces, best)) if best[0] in pieces else pieces, count) for pieces, count in words]
    return vocabulary(pairs)


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
    pieces = letters_of(word)
    while len(pieces) > 1:
        best = min(pairwise(pieces), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        pieces = list(joined(pieces, best))
    return pieces


def letters_of(word: str) -> list[str]:
    return [*word[:-1], word[-1] + END_OF_WORD]


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
