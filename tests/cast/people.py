"""Small people for the tests of the cast library."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from inkcast.cast.record import CharacterRecord, ReferenceRecord


def picture(seed: int, width: int = 24, height: int = 32) -> bytes:
    """A PNG file of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def person(name: str, *seeds: int) -> CharacterRecord:
    return CharacterRecord(name, references=tuple(ReferenceRecord(picture(seed)) for seed in seeds or (0,)))
