"""Drawing with StoryMaker through diffusers' own pipelines: UniPC, a pose ControlNet and a LoRA of the user's."""

from __future__ import annotations

import numpy as np
import torch
from peft import LoraConfig
from PIL import Image
from tests import tiny
from tests.engines.story_maker.small import ANN, BEN, character, engine, panel

from inkcast.engines.engine import Style
from inkcast.engines.story_maker.engine import StoryMaker
from inkcast.sampling.control import Follow
from inkcast.sampling.sampler import DrawSettings, draw
from inkcast.sdxl.backbone import Backbone


def drawn(maker: StoryMaker, control: Follow | None = None, pictures: int = 1) -> list[np.ndarray]:
    cast = {who: maker.encode(character(who)) for who in (ANN, BEN)}
    settings = DrawSettings((64, 64), 2, maker.guidance, scheduler=maker.scheduler, seed=1, pictures=pictures)
    with maker.active():
        conditioning = maker.condition(panel(ANN, BEN), cast, Style())
        images = draw(maker.base, conditioning, settings, control=control)
    return [np.asarray(image).astype(int) for image in images]


def test_poses_and_a_users_lora_go_together_with_it(backbone: Backbone) -> None:
    """Fig. 5c and 5e: each changes the picture, and all of them together leave the base as it was."""
    maker = engine(backbone)
    torch.manual_seed(4)
    net = tiny.controlnet(backbone.unet)
    with torch.no_grad():
        for layer in (net.controlnet_mid_block, *net.controlnet_down_blocks, net.controlnet_cond_embedding.conv_out):
            layer.weight.add_(torch.randn_like(layer.weight) * 0.3)  # zero before training
    pose = Follow(net, Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)))
    before = {name: tensor.clone() for name, tensor in backbone.unet.state_dict().items()}
    (alone,) = drawn(maker)
    (posed,) = drawn(maker, pose)
    assert all(torch.equal(tensor, backbone.unet.state_dict()[name]) for name, tensor in before.items())
    backbone.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    (with_lora,), (with_both,) = drawn(maker), drawn(maker, pose)
    pictures = [alone, posed, with_lora, with_both]
    assert all(np.abs(a - b).max() > 2 for i, a in enumerate(pictures) for b in pictures[:i])
    backbone.unet.delete_adapters("default")
    assert np.array_equal(drawn(maker)[0], alone)
    several = drawn(maker, pictures=2)
    assert np.abs(several[0] - alone).max() <= 1
