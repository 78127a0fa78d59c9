"""A prompt in which characters are words of their own: marked by token spans, put in by a hook on the word embeddings.

No name is ever tokenised, so any name works: of one word, of three, in any script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inkcast.cast.character import CharacterId
from inkcast.engines.engine import PanelPrompt, Style
from inkcast.engines.stable_identity.options import NOUN
from inkcast.engines.stable_identity.prior import WORDS
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.prompts import Runs, cut, token_ids

Vectors = Mapping[CharacterId, Sequence[Float[Tensor, "2 channels"]]]
"""Each character's words, per text encoder."""


@dataclass(frozen=True)
class Place:
    """Where one word goes in what a text encoder reads: a window of the text, a column of it (0 is its mark)."""

    who: CharacterId
    word: int
    window: int
    column: int


@dataclass(frozen=True)
class MarkedPrompt:
    """Token ids with room for the words, and where it is, per text encoder."""

    runs: Runs
    places: tuple[tuple[Place, ...], ...]


def pieces(panel: PanelPrompt, style: Style) -> tuple[str | CharacterId, ...]:
    """The panel's words and its members' mentions in turn, then the style's words.

    With the panel's setting `noun`, a member's first mention is followed by their noun, which may tell of an outfit:
    ", a girl in armour,".
    """
    members = {member.id: member for member in panel.members}
    parts: list[str | CharacterId] = [*panel.parts, f", {style.prompt}" if style.prompt else ""]
    if NOUN.of(panel.settings, False):
        for who, member in members.items():
            if who in parts:
                parts.insert(parts.index(who) + 1, f", {member.noun},")
    merged: list[str | CharacterId] = []
    for part in parts:
        if part in members or not merged or merged[-1] in members:
            merged.append(part)
        else:
            merged[-1] = f"{merged[-1]}{part}"
    return tuple(part for part in merged if part)


def mark(base: Backbone, parts: Sequence[str | CharacterId], people: Sequence[CharacterId]) -> MarkedPrompt:
    """Tokens of the text between mentions, and two places at each mention of one of `people`."""
    marked = [_marked(base, tokenizer, parts, set(people)) for tokenizer in base.tokenizers]
    return MarkedPrompt(tuple(runs for runs, _ in marked), tuple(places for _, places in marked))


def _marked(
    base: Backbone, tokenizer: Any, parts: Sequence[str | CharacterId], people: set[CharacterId]
) -> tuple[tuple[list[int], ...], tuple[Place, ...]]:
    ids: list[int] = []
    at: list[tuple[CharacterId, int, int]] = []
    filler = fillers(tokenizer)
    for part in parts:
        if part in people:
            at += [(CharacterId(part), word, len(ids) + word) for word in range(WORDS)]
            ids += filler
        else:
            ids += token_ids(tokenizer, base.pipeline.maybe_convert_prompt(part, tokenizer))
    runs = cut(tokenizer, ids)
    return tuple(runs), tuple(Place(who, word, *_position(runs, place)) for who, word, place in at)


def _position(runs: Sequence[Sequence[int]], place: int) -> tuple[int, int]:
    for window, run in enumerate(runs):
        if place < len(run):
            return window, place + 1
        place -= len(run)
    raise IndexError(place)


def fillers(tokenizer: Any) -> tuple[int, int]:
    """Two tokens to be overwritten: the first does not end a word, so that no window ends between the two."""
    return _first(tokenizer, ends_word=False), _first(tokenizer, ends_word=True)


def _first(tokenizer: Any, ends_word: bool) -> int:
    """Not a mark: text encoders pool at those."""
    marks = {*tokenizer.all_special_ids}
    ids = (number for number in range(len(tokenizer)) if number not in marks)
    return next(number for number in ids if tokenizer.convert_ids_to_tokens(number).endswith("</w>") == ends_word)


@contextmanager
def spoken(base: Backbone, marked: Sequence[MarkedPrompt | None], vectors: Vectors) -> Iterator[None]:
    """Inside the block the text encoders read `vectors` at the marked places; afterwards they are as before.

    Args:
        marked: one per text of the `encode_texts` call in the block; None for a text without places.
    """
    with ExitStack() as stack:
        for number, encoder in enumerate(base.text_encoders):
            places = [(text, place) for text, prompt in enumerate(marked) if prompt for place in prompt.places[number]]
            if places:
                hook = _hook(len(marked), places, [vectors[place.who][number][place.word] for _, place in places])
                stack.callback(encoder.get_input_embeddings().register_forward_hook(hook).remove)
        yield


def _hook(texts: int, places: Sequence[tuple[int, Place]], words: Sequence[Float[Tensor, " channels"]]) -> Any:
    def put(module: nn.Module, args: Any, out: Float[Tensor, "rows tokens channels"]) -> Tensor:
        windows = out.shape[0] // texts
        rows = torch.tensor([text * windows + place.window for text, place in places], device=out.device)
        columns = torch.tensor([place.column for _, place in places], device=out.device)
        return out.index_put((rows, columns), torch.stack(list(words)).to(out))

    return put
