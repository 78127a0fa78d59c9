"""Reference-prompted segmentation and the picture of figure 5."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny
from tests.engines.any_story.parts import ANN, BEN, character, engine, panel

from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.any_story.routes import chosen_steps, colours, layer_maps, routes_picture
from inkcast.engines.any_story.segment import Asking, fitting_size, mean_map, segment, segmentation
from inkcast.engines.engine import Style, rows
from inkcast.errors import EngineError
from inkcast.sdxl.attention import AttentionTrace
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import attention_layers, execution_order


@pytest.fixture
def story(backbone: Backbone) -> AnyStory:
    return engine(backbone)


def picture(width: int = 50, height: int = 70) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def test_segmentation_shares_the_picture_out(story: AnyStory) -> None:
    cast = {who: story.encode(character(who)) for who in (ANN, BEN)}
    shares = segment(story, picture(), cast)
    assert shares.shape == (3, 70, 50)
    np.testing.assert_allclose(shares.sum(0), 1, atol=1e-5)
    masks = segmentation(shares)
    assert masks.shape == (2, 70, 50)
    assert masks.dtype == bool
    assert not (masks[0] & masks[1]).any()
    assert np.array_equal(segment(story, picture(), cast), shares)
    assert not np.allclose(segment(story, picture(), cast, Asking(seed=1)), shares)


def test_segmentation_asks_the_router_at_the_stated_noise(story: AnyStory) -> None:
    """One draw at noise 0 is one UNet call on the picture's latents at t = 0."""
    cast, seen = {ANN: story.encode(character(ANN))}, []
    story.base.unet.register_forward_pre_hook(lambda _, args: seen.append(args[:2]))
    segment(story, picture(64, 64), cast, Asking(noise=0.0, draws=1))
    segment(story, picture(64, 64), cast, Asking(noise=0.5, draws=3))
    assert [int(t) for _, t in seen] == [0, 500, 500, 500]
    assert len({float(x.sum()) for x, _ in seen}) == 4
    with pytest.raises(EngineError, match=r"noise 1.2 is out of range: use 0"):
        segment(story, picture(), cast, Asking(noise=1.2))


def test_masks_are_of_those_who_win() -> None:
    shares = np.array([[[0.5, 0.2, 0.1]], [[0.3, 0.6, 0.1]], [[0.2, 0.2, 0.8]]])
    assert np.array_equal(segmentation(shares), np.array([[[True, False, False]], [[False, True, False]]]))


def test_pictures_are_read_near_their_shape_and_the_bases_size() -> None:
    assert fitting_size((512, 512), 128, 16) == (128, 128)
    height, width = fitting_size((1000, 250), 128, 16)
    assert (height, width) == (64, 256)
    assert fitting_size((16, 1600), 128, 16) == (1280, 16)


def test_layers_average_at_the_finest_resolution() -> None:
    fine, coarse = torch.zeros(1, 2, 16), torch.ones(1, 2, 4)
    fine[:, :, :8] = 1
    mean = mean_map([fine, coarse], (4, 4))
    assert mean.shape == (1, 2, 4, 4)
    assert torch.equal(mean[0, 0, :2], torch.ones(2, 4))
    assert torch.equal(mean[0, 0, 2:], torch.full((2, 4), 0.5))


@torch.no_grad()
def test_maps_of_every_layer_in_execution_order(story: AnyStory) -> None:
    cast = {who: story.encode(character(who)) for who in (ANN, BEN)}
    memory, trace = rows(story.condition(panel(ANN, BEN), cast, Style()), 1, (8, 8)), AttentionTrace()
    unet = story.base.unet
    unet(**tiny.unet_inputs(unet, 2), cross_attention_kwargs={"memory": memory, "trace": trace})
    maps = layer_maps(trace, execution_order(unet), (8, 8))
    crosses = {layer.name for layer in attention_layers(unet) if layer.is_cross}
    order = [name for name in execution_order(unet) if name in crosses]
    assert len(maps) == len(order)
    for name, found in zip(order, maps, strict=True):
        assert np.array_equal(found.reshape(3, -1), trace.routing[name][1].numpy())
    sides = [len(found[0]) for found in maps]
    assert sides[0] == sides[-1] == max(sides)


def test_the_picture_has_a_block_per_subject_and_step() -> None:
    """70 layers as 10 rows of 7; yellow where a subject acts."""
    layers = [np.zeros((3, 32, 32)) for _ in range(10)] + [np.zeros((3, 16, 16)) for _ in range(60)]
    for layer in layers:
        layer[0, :, : layer.shape[2] // 2] = 1
        layer[1, :, layer.shape[2] // 2 :] = 1
    drawn = np.asarray(routes_picture([tuple(layers)] * 3))
    block = (10 * 20 + 9, 7 * 20 + 6)
    assert drawn.shape == (2 * block[0] + 8, 3 * block[1] + 16, 3)
    yellow, violet = np.array([253, 231, 37]), np.array([68, 1, 84])
    assert np.array_equal(drawn[5, 4], yellow)
    assert np.array_equal(drawn[5, 16], violet)
    assert np.array_equal(drawn[block[0] + 8 + 5, 4], violet)
    assert np.array_equal(drawn[block[0] + 8 + 5, block[1] + 8 + 16], yellow)
    assert np.array_equal(colours(np.array([[0.5]]))[0, 0], [33, 145, 140])


def test_steps_are_spread_from_first_to_last() -> None:
    assert chosen_steps(25) == (0, 6, 12, 18, 24)
    assert chosen_steps(3) == (0, 1, 2)
    assert chosen_steps(1) == (0,)
