"""Squares around boxes and along masks."""

from __future__ import annotations

import numpy as np
import torch

from inkcast.vision.crops import crop_boxes, on_white, scaled, to_tensor


def test_the_crop_is_the_square_around_the_box_at_the_same_scale_both_ways() -> None:
    picture = torch.zeros(1, 3, 64, 96)
    picture[..., 20:40, 50:60] = 1.0
    (crop,) = crop_boxes(picture, torch.tensor([[50.0, 20.0, 60.0, 40.0]]), 40, margin=2.0)
    assert crop.shape == (4, 40, 40)
    expected = torch.zeros(40, 40)
    expected[10:30, 15:25] = 1
    torch.testing.assert_close(crop[3], expected)
    torch.testing.assert_close(crop[0], expected)


def test_past_the_border_the_edge_goes_on() -> None:
    picture = torch.full((1, 3, 32, 32), 0.25)
    (crop,) = crop_boxes(picture, torch.tensor([[-20.0, -20.0, 4.0, 4.0]]), 16)
    torch.testing.assert_close(crop[:3], torch.full((3, 16, 16), 0.25))


def test_an_empty_box_gives_finite_numbers() -> None:
    assert torch.isfinite(crop_boxes(torch.rand(1, 3, 16, 16), torch.tensor([[5.0, 5.0, 5.0, 5.0]]), 8)).all()


def test_the_masked_subject_fills_a_white_square() -> None:
    picture = np.full((60, 60, 3), 7, np.uint8)
    picture[10:50, 20:30] = (200, 0, 0)
    mask = np.zeros((60, 60), bool)
    mask[10:50, 20:30] = True
    square = on_white(picture, mask, 44)
    assert square.shape == (44, 44, 3)
    red = (square == (200, 0, 0)).all(-1)
    assert abs(int(red.any(1).sum()) - 40) <= 2
    assert abs(int(red.any(0).sum()) - 10) <= 2
    columns = np.flatnonzero(red.any(0))
    assert abs((columns[0] + columns[-1]) / 2 - 21.5) <= 1.5
    assert (square[0] == 255).all()
    assert not (square == 7).all(-1).any()


def test_an_empty_mask_is_white() -> None:
    assert (on_white(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool), 16) == 255).all()


def test_bytes_become_numbers_from_0_to_1() -> None:
    pictures = np.zeros((2, 4, 6, 3), np.uint8)
    pictures[1, 2, 3] = (255, 51, 0)
    x = to_tensor(pictures)
    assert x.shape == (2, 3, 4, 6)
    torch.testing.assert_close(x[1, :, 2, 3], torch.tensor([1.0, 0.2, 0.0]))
    assert scaled(x, 8).shape == (2, 3, 8, 8)
