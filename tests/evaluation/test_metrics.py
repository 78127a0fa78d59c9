"""Every metric against numbers computed by hand, or against another way to compute it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inkcast.evaluation.metrics import (
    best_pairs,
    copy_paste,
    cosines,
    cross_similarity,
    face_similarity,
    greedy_pairs,
    least_matched,
    mask_iou,
    mean_similarity,
    occm,
    own_similarities,
    routing_iou,
    self_similarity,
    swap_score,
    text_similarity,
)

EAST, NORTH, DIAGONAL = np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0.6, 0.8])
SWAPPABLE = np.array([[0.8, 0.7], [0.75, 0.1]])
"""Greedy takes (0, 0) first and is left with 0.1; the best sum is 0.7 + 0.75."""


def test_cosines_agree_with_torch_and_a_zero_vector_is_like_nothing() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 5, 7))
    expected = torch.nn.functional.cosine_similarity(torch.from_numpy(a)[:, None], torch.from_numpy(b)[None], dim=2)
    np.testing.assert_allclose(cosines(a, b), expected.numpy())
    assert cosines(np.zeros((1, 2)), EAST[None])[0, 0] == 0


def test_face_similarity_reads_the_largest_face_and_never_falls_below_nothing() -> None:
    assert face_similarity(np.stack([DIAGONAL, EAST]), EAST) == pytest.approx(0.6)
    assert face_similarity(-EAST[None], EAST) == 0
    assert face_similarity(np.zeros((0, 2)), EAST) == 0


def test_picture_and_text_similarities() -> None:
    assert mean_similarity(EAST, np.stack([DIAGONAL, NORTH])) == pytest.approx(0.3)
    assert text_similarity(DIAGONAL, NORTH) == pytest.approx(0.8)
    assert text_similarity(EAST, -EAST) == -1, "unlike CLIPScore, not clipped"


def test_greedy_and_best_matching_differ_where_they_must() -> None:
    assert greedy_pairs(SWAPPABLE) == ((0, 0), (1, 1))
    assert best_pairs(SWAPPABLE) == ((0, 1), (1, 0))
    assert SWAPPABLE[0, 0] == 0.8, "the matrix that was handed in is untouched"


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6))
def test_best_pairs_have_the_greatest_sum_of_all_assignments(references: int, found: int, seed: int) -> None:
    similarity = np.random.default_rng(seed).uniform(-1, 1, (references, found))
    wide = similarity if references <= found else similarity.T
    greatest = max(
        sum(wide[k, column] for k, column in enumerate(columns))
        for columns in itertools.permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert sum(similarity[pair] for pair in best_pairs(similarity)) == pytest.approx(greatest)


def test_the_least_matched_pair_counts_and_a_missing_person_is_zero() -> None:
    assert least_matched(SWAPPABLE) == pytest.approx(0.1)
    assert least_matched(np.array([[0.9], [0.4]])) == 0, "two expected, one found"
    assert least_matched(np.array([[0.2, 0.9, 0.1]])) == pytest.approx(0.9), "more found than expected"
    assert least_matched(np.zeros((2, 0))) == 0
    assert own_similarities(np.array([[0.9], [0.4]]), ((0, 0),)) == [0.9, 0.0]


def test_swapped_people_score_below_zero_and_blended_ones_near_it() -> None:
    alike = np.array([[0.9, 0.2], [0.3, 0.8]])
    own, swapped = ((0, 0), (1, 1)), ((0, 1), (1, 0))
    assert swap_score(alike, own) == pytest.approx(((0.9 - 0.3) + (0.8 - 0.2)) / 2)
    assert swap_score(alike, swapped) == pytest.approx(((0.2 - 0.8) + (0.3 - 0.9)) / 2)
    assert swap_score(np.full((2, 2), 0.5), own) == 0
    three = np.array([[0.9, 0, 0], [0.5, 0, 0], [0.7, 0, 0]])
    assert swap_score(three, ((0, 0),)) == pytest.approx(0.2), "against the nearest other"
    assert math.isnan(swap_score(np.ones((1, 1)), ((0, 0),)))
    assert math.isnan(swap_score(alike, ()))


def test_the_count_of_characters() -> None:
    assert occm(2, 2) == 100
    assert occm(1, 2) == pytest.approx(100 * math.exp(-0.5), rel=1e-5)
    assert occm(4, 2) == pytest.approx(100 * math.exp(-1), rel=1e-5)
    assert occm(0, 0) == 100
    assert occm(1, 0) == 0, "somebody in an empty panel"


@pytest.mark.parametrize(("own", "mirrored"), [(0.8, 0.8), (0.8, 0.79), (0.2, 0.9), (1.0, -1.0)])
def test_copy_paste_is_a_softmax(own: float, mirrored: float) -> None:
    expected = torch.tensor([own, mirrored], dtype=torch.float64).div(0.01).softmax(0)[0]
    assert copy_paste(own, mirrored) == pytest.approx(float(expected), abs=1e-12)


def test_cross_and_self_similarity_of_one_character() -> None:
    drawn = np.stack([EAST, DIAGONAL, NORTH])
    assert self_similarity(drawn) == pytest.approx((0.6 + 0.0 + 0.8) / 3)
    assert cross_similarity(drawn[:2], np.stack([EAST, NORTH])) == pytest.approx((1 + 0 + 0.6 + 0.8) / 4)
    assert math.isnan(self_similarity(drawn[:1]))
    assert math.isnan(cross_similarity(np.zeros((0, 2)), drawn))


def test_routing_is_measured_by_who_wins_a_pixel() -> None:
    first = np.array([[0.9, 0.4], [0.3, 0.1]])
    second = np.array([[0.05, 0.5], [0.3, 0.1]])
    background = 1 - first - second
    masks = np.array([[[1, 1], [0, 0]], [[0, 1], [0, 0]]], dtype=bool)
    assert routing_iou(np.stack([first, second, background]), masks) == [0.5, 1.0]
    assert math.isnan(mask_iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)))
