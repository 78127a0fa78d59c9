"""Routing maps of several layers and sizes become one map, boxes and a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from inkcast.cast.character import CharacterId
from inkcast.drawing.routes import RouteMaps, routes_picture
from inkcast.engines.engine import Member

ANN = Member(CharacterId("a"), "Ann", "a girl")
ROLF = Member(CharacterId("b"), "Rolf", "a bear", (0.5, 0.0, 1.0, 1.0))


def halves(height: int, width: int) -> torch.Tensor:
    """[2 rows, 3 maps, pixels]: one subject left, one right, no background; reversed in the negative row."""
    left = torch.zeros(height, width)
    left[:, : width // 2] = 1
    maps = torch.stack([left, 1 - left, torch.zeros_like(left)]).flatten(1)
    return torch.stack([maps.flip(0), maps])


def test_layers_of_different_sizes_add_up_to_the_right_places() -> None:
    routes = RouteMaps()
    routes.collect({"coarse": halves(4, 8), "fine": halves(8, 16)}, (8, 16))
    routes.collect({"coarse": halves(4, 8)}, (8, 16))
    figures = routes.figures((ANN, ROLF), (128, 64))
    assert [figure.name for figure in figures] == ["Ann", "Rolf"]
    assert figures[0].box == (0, 0, 64, 64)
    assert figures[1].box == (64, 0, 128, 64)


def test_odd_latents_are_halved_rounding_up() -> None:
    routes = RouteMaps()
    routes.collect({"coarse": halves(4, 6), "coarsest": halves(2, 3)}, (7, 11))
    assert routes.mean is not None
    assert routes.mean.shape == (3, 7, 11)


def test_a_coarse_layer_s_map_stays_where_its_layer_let_somebody_act() -> None:
    """Grown to the latents' size, both halves are still shared out, and nothing crosses the line between them."""
    routes, maps = RouteMaps(), halves(2, 2)
    maps[:, 0] *= 0.75
    maps[:, 2] = 1 - maps[:, 0] - maps[:, 1]  # the background has the rest of the left half
    routes.collect({"coarse": maps}, (8, 8))
    assert routes.mean is not None
    assert not routes.mean[0, :, 4:].any()
    assert not routes.mean[1, :, :4].any()
    np.testing.assert_allclose(routes.mean.sum(0), 1, rtol=1e-6)
    np.testing.assert_allclose(routes.mean[:, :, 0].T, [[0.75, 0, 0.25]] * 8, rtol=1e-6)


def test_somebody_routed_nowhere_has_no_figure() -> None:
    routes = RouteMaps()
    maps = torch.zeros(1, 3, 16)
    maps[:, 0] = 1
    routes.collect({"layer": maps}, (4, 4))
    assert [figure.name for figure in routes.figures((ANN, ROLF), (64, 64))] == ["Ann"]


def test_without_routes_the_author_s_boxes_count() -> None:
    (figure,) = RouteMaps().figures((ANN, ROLF), (128, 64))
    assert (figure.name, figure.box) == ("Rolf", (64, 0, 128, 64))


def test_without_routes_a_mask_is_a_place_too_within_its_box() -> None:
    left = Image.new("L", (64, 64))
    left.paste(255, (0, 0, 32, 64))
    (figure,) = RouteMaps().figures((replace(ANN, mask=left),), (128, 64))
    assert figure.box == pytest.approx((0, 0, 64, 64), abs=1)
    left.paste(60, (32, 0, 64, 64))  # a soft edge is not where they stand
    (figure,) = RouteMaps().figures((replace(ANN, mask=left, box=(0.25, 0.5, 1.0, 1.0)),), (128, 64))
    assert figure.box == (32, 32, 64, 64)


def test_the_picture_shows_each_map() -> None:
    routes = RouteMaps()
    routes.collect({"layer": halves(8, 8)}, (8, 8))
    assert routes.mean is not None
    strip = routes_picture(Image.new("RGB", (32, 32), "white"), routes.mean)
    assert strip.size == (128, 32)
    assert strip.getpixel((34, 16)) == (255, 255, 255)
    assert max(strip.getpixel((62, 16))) < 60  # Ann's map is dark on the right
    assert max(strip.getpixel((66, 16))) < 60  # Rolf's on the left
    assert pytest.approx(255) == strip.getpixel((94, 16))[0]
