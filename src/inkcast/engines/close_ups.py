"""Which of several references say what of a character: a close-up shows the face best, and nothing of the clothes.

So a face that an author framed goes before what is found in whole pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from inkcast.images import Reference

CLOSE_UP = "close-up"
S = TypeVar("S")


def close_ups(references: Sequence[Reference], seen: Sequence[S], has_face: Callable[[S], bool]) -> list[S]:
    """Of what was `seen` in the references: the close-ups in which there is a face."""
    return [
        one for reference, one in zip(references, seen, strict=True) if reference.view == CLOSE_UP and has_face(one)
    ]


def bodies(references: Sequence[Reference], seen: Sequence[S]) -> list[S]:
    """All but the close-ups; those too where there is nothing else."""
    whole = [one for reference, one in zip(references, seen, strict=True) if reference.view != CLOSE_UP]
    return whole or list(seen)
