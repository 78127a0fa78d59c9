"""Boxes and masks become one map per member, held against sums done by hand."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from inkcast.cast.character import CharacterId
from inkcast.engines.engine import Member
from inkcast.engines.regions import member_regions, region

BEN = Member(CharacterId("b"), "Ben", "a bear")


def ann(box: tuple[float, float, float, float] | None = None, mask: Image.Image | None = None) -> Member:
    return Member(CharacterId("a"), "Ann", "a girl", box, mask=mask)


def grey(rows: list[list[int]]) -> Image.Image:
    return Image.fromarray(np.array(rows, dtype=np.uint8))


def test_boxes_become_maps_and_those_without_one_are_free() -> None:
    regions = member_regions([ann((0.0, 0.5, 0.25, 1.0)), BEN], side=8)
    assert regions is not None
    expected = torch.zeros(8, 8)
    expected[4:, :2] = 1
    assert torch.equal(regions[0, 0], expected)
    assert bool((regions[0, 1] == 1).all())
    assert member_regions([BEN]) is None


def test_a_box_smaller_than_a_cell_still_covers_one() -> None:
    assert region((0.5, 0.5, 0.5, 0.5), None, side=8).sum() == 1


def test_a_mask_is_averaged_over_each_cell_and_keeps_its_shades() -> None:
    """4 x 4 pixels in 2 x 2 cells: all bright, a quarter bright; all of one grey, none."""
    mask = grey([[255, 255, 255, 0], [255, 255, 0, 0], [51, 51, 0, 0], [51, 51, 0, 0]])
    regions = member_regions([BEN, ann(mask=mask)], side=2)
    assert regions is not None
    assert bool((regions[0, 0] == 1).all())
    torch.testing.assert_close(regions[0, 1], torch.tensor([[1.0, 0.25], [0.2, 0.0]]))


def test_a_mask_of_any_shape_is_stretched_over_the_panel() -> None:
    """Of 3 columns the middle one is bright: a cell's share of it, by hand; a mask of fewer pixels than cells too."""
    wide = grey([[0, 255, 0]] * 2)
    torch.testing.assert_close(region(None, wide, side=6), torch.tensor([[0.0, 0, 1, 1, 0, 0]] * 6))
    torch.testing.assert_close(region(None, grey([[0, 255]]), side=4), torch.tensor([[0.0, 0, 1, 1]] * 4))


def test_a_box_and_a_mask_multiply() -> None:
    mask = grey([[102, 204], [102, 204]])
    both = region((0.25, 0.0, 1.0, 0.5), mask, side=4)
    torch.testing.assert_close(both, torch.tensor([[0.0, 0.4, 0.8, 0.8]] * 2 + [[0.0] * 4] * 2))
