from __future__ import annotations

import pytest
import torch
from tests import tiny

from inkcast.errors import EngineError
from inkcast.sdxl.attention import AttentionMemory, KeyValue
from inkcast.sdxl.fitting import fit, resolutions


@pytest.mark.parametrize("size", [(8, 8), (9, 14), (5, 3)])
def test_resolutions_are_the_unets_own(size: tuple[int, int]) -> None:
    unet = tiny.unet()
    seen = set()
    for name, module in unet.named_modules():
        if name.endswith("attn1"):
            module.register_forward_pre_hook(lambda _, args: seen.add(args[0].shape[1]))
    inputs = tiny.unet_inputs(unet, 1) | {"sample": torch.randn(1, 4, *size)}
    with torch.no_grad():
        unet(**inputs)
    grid = resolutions(size)
    assert seen <= set(grid)
    assert all(height * width == pixels for pixels, (height, width) in grid.items())
    assert grid[size[0] * size[1]] == size


def test_the_smaller_region_wins_and_the_background_gets_the_rest() -> None:
    regions = torch.zeros(1, 2, 4, 4)
    regions[:, 0, :, :3] = regions[:, 1, :2, :1] = 1
    gates = fit(AttentionMemory(regions=regions), (4, 4)).region_maps[16].gates.view(3, 4, 4)
    small = regions[0, 1]
    assert torch.equal(gates[1], small)
    assert torch.equal(gates[0], regions[0, 0] - small)
    assert torch.equal(gates[2], 1 - regions[0, 0])


def test_a_free_subject_gets_what_no_box_claims() -> None:
    regions = torch.ones(1, 2, 4, 4)
    regions[:, 1, :, 2:] = 0
    gates = fit(AttentionMemory(regions=regions), (4, 4)).region_maps[16].gates
    assert gates.view(3, 4, 4)[:, 0].tolist() == [[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]]


def test_a_small_box_survives_at_every_resolution() -> None:
    regions = torch.zeros(1, 1, 64, 64)
    regions[..., 3:5, 3:5] = 1
    for maps in fit(AttentionMemory(regions=regions), (16, 16)).region_maps.values():
        assert maps.gates[:, 0].sum() >= 1


def test_tokens_that_no_region_can_share_are_refused() -> None:
    kv = KeyValue(torch.randn(1, 2, 7, 4), torch.randn(1, 2, 7, 4))
    with pytest.raises(EngineError, match="7 subject tokens cannot be shared out to 2 regions"):
        fit(AttentionMemory(subjects={"a": kv}, regions=torch.ones(1, 2, 4, 4)), (4, 4))
