"""The similarity onto a template, and the crop it makes."""

from __future__ import annotations

import numpy as np
import pytest

from inkcast.vision.alignment import TEMPLATE, TEMPLATE_SIDE, align_face, similarity


def matrix(scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.hstack([scale * rotation, np.array(shift)[:, None]])


@pytest.mark.parametrize(("scale", "degrees", "shift"), [(1, 0, (0, 0)), (0.5, 30, (3, -4)), (2.5, -170, (-20, 11))])
def test_a_known_similarity_is_found_again(scale: float, degrees: float, shift: tuple[float, float]) -> None:
    known = matrix(scale, degrees, shift)
    target = TEMPLATE @ known[:, :2].T + known[:, 2]
    np.testing.assert_allclose(similarity(TEMPLATE, target), known, atol=1e-9)


def test_it_never_mirrors_and_is_the_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)) * [-3, 1]
    found = similarity(source, target)
    assert np.linalg.det(found[:, :2]) > 0
    rows = np.concatenate([[[x, -y, 1, 0], [y, x, 0, 1]] for x, y in source])
    a, b, x, y = np.linalg.lstsq(rows, target.ravel(), rcond=None)[0]
    np.testing.assert_allclose(found, [[a, -b, x], [b, a, y]], atol=1e-9)


def test_points_in_one_place_only_shift() -> None:
    found = similarity(np.full((5, 2), 7.0), TEMPLATE)
    np.testing.assert_allclose(found, np.hstack([np.eye(2), (TEMPLATE.mean(0) - 7)[:, None]]))


@pytest.mark.parametrize(("side", "zoom"), [(112, 1.0), (48, 1.0), (48, 0.7)])
def test_the_points_land_on_the_scaled_template(side: int, zoom: float) -> None:
    picture = np.zeros((128, 128, 3), np.uint8)
    points = (TEMPLATE - 56) @ matrix(0.6, 25, (0, 0))[:, :2].T + [64, 60]
    for x, y in points:
        picture[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3] = 255
    face = align_face(picture, points, side, zoom)
    assert face.shape == (side, side, 3)
    expected = ((TEMPLATE - TEMPLATE_SIDE / 2) * zoom + TEMPLATE_SIDE / 2) * side / TEMPLATE_SIDE
    for x, y in expected:
        assert face[round(y), round(x)].min() > 100
