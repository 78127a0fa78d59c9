from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from tests import tiny

from inkcast.errors import EngineError
from inkcast.sdxl.layers import LayerProjections, attention_layers, execution_order, prepare
from inkcast.sdxl.processors import SelfAttention


@pytest.fixture
def unet() -> UNet2DConditionModel:
    return tiny.unet()


def test_layers_are_numbered_as_checkpoints_number_them(unet: UNet2DConditionModel) -> None:
    layers = attention_layers(unet)
    assert [f"{layer.name}.processor" for layer in layers] == list(unet.attn_processors)
    assert [layer.number for layer in layers] == list(range(22))
    assert [layer.is_cross for layer in layers] == [False, True] * 11
    assert layers[-1].name.startswith("mid_block")
    first = layers[1]
    assert (first.heads, first.channels, first.context_channels) == (2, 32, 2 * tiny.TEXT_DIM)


def test_execution_order_is_what_the_unet_runs(unet: UNet2DConditionModel) -> None:
    ran: list[str] = []
    for layer in attention_layers(unet):
        unet.get_submodule(layer.name).register_forward_hook(lambda *_, name=layer.name: ran.append(name))
    with torch.no_grad():
        unet(**tiny.unet_inputs(unet, 1))
    assert tuple(ran) == execution_order(unet)
    assert ran != [layer.name for layer in attention_layers(unet)]


def test_each_self_attention_knows_the_cross_attention_run_before_it(unet: UNet2DConditionModel) -> None:
    prepare(unet)
    order, crosses = execution_order(unet), {layer.name for layer in attention_layers(unet) if layer.is_cross}
    for position, name in enumerate(order):
        processor = unet.get_submodule(name).processor
        if isinstance(processor, SelfAttention):
            before = [other for other in order[:position] if other in crosses]
            assert processor.preceding == (before[-1] if before else None)
    up = unet.get_submodule("up_blocks.0.attentions.0.transformer_blocks.0.attn1").processor
    assert up.preceding == "mid_block.attentions.0.transformer_blocks.1.attn2"


def test_processors_own_nothing(unet: UNet2DConditionModel) -> None:
    names = set(unet.state_dict())
    prepare(unet)
    prepare(unet)
    assert set(unet.state_dict()) == names


def test_attention_of_another_kind_is_refused() -> None:
    unet = tiny.unet(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "AttnDownBlock2D"),
        transformer_layers_per_block=1,
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )
    with pytest.raises(EngineError, match="is not SDXL's kind of attention"):
        prepare(unet)


def test_projections_have_the_public_names_and_shapes(unet: UNet2DConditionModel) -> None:
    crosses = [layer for layer in attention_layers(unet) if layer.is_cross]
    projections = LayerProjections(crosses, 24)
    assert {name: tuple(t.shape) for name, t in projections.state_dict().items()} == {
        f"{n}.to_{kind}_ip.weight": (32, 24) for n in range(1, 22, 2) for kind in "kv"
    }
    assert "0.to_k_ref.weight" in LayerProjections(attention_layers(unet)[:1], None, suffix="_ref").state_dict()


def test_projections_split_heads_and_keep_subjects(unet: UNet2DConditionModel) -> None:
    layer = attention_layers(unet)[3]
    projections = LayerProjections([layer], 24)
    tokens = torch.randn(2, 3, 5, 24)
    kv = projections(tokens)[layer.name]
    assert kv.key.shape == (2, 3, layer.heads, 5, layer.channels // layer.heads)
    weight = projections.state_dict()["3.to_v_ip.weight"]
    flat = tokens @ weight.T
    head = layer.channels // layer.heads
    torch.testing.assert_close(kv.value[1, 2, 1], flat[1, 2, :, head : 2 * head])
    assert projections(tokens[:, 0])[layer.name].key.shape == (2, layer.heads, 5, head)


def test_projections_of_each_layers_own_features(unet: UNet2DConditionModel) -> None:
    layers = [layer for layer in attention_layers(unet) if not layer.is_cross][:2]
    features = {layer.name: torch.randn(1, 2, 7, layer.channels) for layer in layers}
    memory = LayerProjections(layers, None)(features)
    assert set(memory) == set(features)
    assert memory[layers[0].name].value.shape == (1, 2, 2, 7, 16)
