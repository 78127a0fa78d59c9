"""CLIP's text encoders read 77 tokens at a time: prompts in windows of that size, or a warning naming what is cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WINDOW = 77  # tokens, two of them start and end
Tokenize = Callable[[str], Sequence[int]]  # ids without start and end tokens


@dataclass(frozen=True)
class Cut:
    """What one window leaves out of a prompt."""

    kept: str
    dropped: str
    tokens: int

    def __str__(self) -> str:
        return f"the prompt has {self.tokens} tokens, {WINDOW - 2} fit; not read: {self.dropped!r}"


def prompt_windows(prompt: str, tokenize: Tokenize, *, window: int = WINDOW) -> tuple[str, ...]:
    """`prompt` as pieces of at most `window - 2` tokens each, cut between phrases where possible, else between words.

    Joined by spaces the pieces are the prompt again. A single word longer than a window is a piece of its own.
    """
    room = window - 2
    pieces: list[str] = []
    current = ""
    for part in _parts(prompt, tokenize, room):
        longer = f"{current} {part}".strip()
        if current and len(tokenize(longer)) > room:
            pieces.append(current)
            longer = part
        current = longer
    return tuple([*pieces, current] if current else pieces)


def _parts(prompt: str, tokenize: Tokenize, room: int) -> list[str]:
    """Phrases of `prompt` (up to a comma or full stop), those too long for a window as single words."""
    phrases = [phrase for phrase in re.split(r"(?<=[,.;:!?,。;、])\s+", " ".join(prompt.split())) if phrase]
    return [part for phrase in phrases for part in ([phrase] if len(tokenize(phrase)) <= room else phrase.split(" "))]


def find_cut(prompt: str, tokenize: Tokenize, *, window: int = WINDOW) -> Cut | None:
    """What an encoder that reads one window only would not read of `prompt`; None if it fits."""
    tokens = len(tokenize(prompt))
    if tokens <= window - 2:
        return None
    words = prompt.split(" ")
    kept = max((n for n in range(len(words) + 1) if len(tokenize(" ".join(words[:n]))) <= window - 2), default=0)
    return Cut(" ".join(words[:kept]), " ".join(words[kept:]), tokens)
