"""What is read off a reference: the character's crop, the face on it, and the aligned face."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests.engines.story_maker.small import POINTS, PUBLISHED, eyes, reference

from inkcast.engines.story_maker.eyes import aligned_face, face_of, squashed
from inkcast.images import Reference
from inkcast.vision.face import SeenFace


def face(x: float, size: float) -> SeenFace:
    return SeenFace((x, 10, x + size, 10 + size), POINTS, 0.9, np.zeros(6))


def test_the_face_on_the_subject_goes_before_a_larger_one_beside_it() -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[:, :30] = True
    own, other = face(5, 8), face(40, 15)
    assert face_of((other, own), mask) is own
    assert face_of((other, own), ~mask) is other
    assert face_of((), mask) is None
    assert face_of((own, face(12, 10)), np.ones((60, 60), dtype=bool)).area == 100  # type: ignore[union-attr]


def test_the_published_crop_is_the_box_squashed_on_white() -> None:
    picture = np.zeros((50, 60, 3), dtype=np.uint8)
    picture[...] = (200, 30, 30)
    mask = np.zeros((50, 60), dtype=bool)
    mask[10:50, 20:30] = True
    mask[10:20, 20:25] = False
    crop = squashed(picture, mask, 20)
    assert crop.shape == (20, 20, 3)
    assert tuple(crop[15, 10]) == (200, 30, 30)  # a box of 10 x 40 fills the square
    assert crop[1, 2].min() >= 250  # what is not the subject is white
    assert squashed(picture, ~np.ones_like(mask), 20).min() == 255


def test_beyond_the_picture_an_aligned_face_is_black() -> None:
    picture = np.full((30, 30, 3), 200, dtype=np.uint8)
    corner = np.array([[-2.0, 2], [4, 2], [1, 5], [-1, 8], [3, 8]])
    crop = aligned_face(picture, corner, 32, 1.0)
    assert crop[16, 1].max() == 0
    assert crop[16, 24].min() == 200


@pytest.mark.parametrize("preparation", [None, PUBLISHED])
def test_a_reference_as_the_encoders_read_it(preparation) -> None:  # type: ignore[no-untyped-def]
    given = eyes() if preparation is None else eyes(preparation=preparation)
    seen = given.read(reference((200, 30, 30)))
    assert seen.character.shape == seen.face.shape == (32, 32, 3)
    assert seen.how == "plain background"
    width = (seen.character[20].min(1) < 250).mean()
    assert (width > 0.95) == (preparation is not None)
    assert np.linalg.norm(seen.embedding) == pytest.approx(1)
    busy = Image.fromarray(np.random.default_rng(0).integers(0, 240, (40, 40, 3), dtype=np.uint8))
    whole = given.read(Reference(busy, ""))
    assert whole.how == "whole picture"
    assert whole.face is None
    assert whole.embedding is None


def test_nothing_has_as_many_patches_as_something() -> None:
    given = eyes()
    assert given.nothing.shape[1:] == given.features([np.zeros((32, 32, 3), np.uint8)]).shape[1:]
    assert not torch.count_nonzero(given.nothing)
