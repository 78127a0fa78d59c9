"""LoRA in and out of the UNet: equation 8, and weights that come back to the bit, also beside a user's LoRA."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig
from tests import tiny
from tests.engines.story_maker.small import ANN, character, engine, panel, random_adapter

from inkcast.engines.engine import Style
from inkcast.engines.story_maker.lora import beside, fused
from inkcast.errors import EngineError
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import attention_layers, project_text


def weights(unet: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in unet.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@torch.no_grad()
def test_equation_8_in_every_layer(backbone: Backbone) -> None:
    """W + scale * up down, matrix by matrix, and nothing else."""
    unet, adapter = backbone.unet, random_adapter(backbone)
    before, tensors = weights(unet), adapter.ip_adapter.state_dict()
    with fused(unet, adapter.ip_adapter, 0.8):
        inside = weights(unet)
    changed = set()
    for layer in attention_layers(unet):
        for name, path in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("out", "to_out.0")):
            weight = f"{layer.name}.{path}.weight"
            up, down = (tensors[f"{layer.number}.to_{name}_lora.{part}.weight"] for part in ("up", "down"))
            expected = before[weight] + 0.8 * torch.einsum("o r, r i -> o i", up, down)
            torch.testing.assert_close(inside[weight], expected)
            changed.add(weight)
    assert len(changed) == 4 * 22
    assert all(torch.equal(before[name], inside[name]) for name in before.keys() - changed)
    assert same(before, weights(unet))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attached_and_detached_twice_the_model_is_as_it_was(backbone: Backbone, dtype: torch.dtype) -> None:
    backbone.unet.to(dtype)
    before, processors = weights(backbone.unet), dict(backbone.unet.attn_processors)
    maker = engine(backbone)
    for _ in range(2):
        with maker.active():
            assert not same(before, weights(backbone.unet))
        assert same(before, weights(backbone.unet))
    with pytest.raises(RuntimeError, match="stopped"), maker.active():
        raise RuntimeError("stopped")
    assert same(before, weights(backbone.unet))
    assert processors == backbone.unet.attn_processors


def test_entered_twice_it_is_fused_once(backbone: Backbone) -> None:
    maker = engine(backbone)
    with maker.active():
        once = weights(backbone.unet)
        with maker.active():
            assert same(once, weights(backbone.unet))
        assert same(once, weights(backbone.unet))


@torch.no_grad()
def test_the_loras_of_a_user_stay(backbone: Backbone) -> None:
    """Beside peft's adapter the sum acts; afterwards its own and the base's weights are untouched."""
    unet, adapter = backbone.unet, random_adapter(backbone)
    torch.manual_seed(5)
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_out.0"], init_lora_weights=False))
    before, inputs = weights(unet), tiny.unet_inputs(unet, 1)
    alone = unet(**inputs).sample
    name = next(layer.name for layer in attention_layers(unet))
    x = torch.randn(1, 4, unet.get_submodule(name).to_q.in_features)
    users = unet.get_submodule(name).to_q(x)
    lora = adapter.ip_adapter.get_submodule("0")["to_q_lora"]
    with fused(unet, adapter.ip_adapter, 1.0):
        torch.testing.assert_close(unet.get_submodule(name).to_q(x), users + lora["up"](lora["down"](x)))
        assert not torch.allclose(unet(**inputs).sample, alone, atol=1e-4)
    assert same(before, weights(unet))
    assert torch.equal(unet(**inputs).sample, alone)


@torch.no_grad()
def test_beside_computes_what_fused_computes(backbone: Backbone) -> None:
    unet, adapter = backbone.unet, random_adapter(backbone)
    inputs = tiny.unet_inputs(unet, 1)
    plain = unet(**inputs).sample
    with fused(unet, adapter.ip_adapter, 1.0):
        expected = unet(**inputs).sample
    with beside(unet, adapter.ip_adapter):
        torch.testing.assert_close(unet(**inputs).sample, expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(unet(**inputs).sample, plain)


def test_keys_of_the_prompt_are_cached_with_the_lora(backbone: Backbone) -> None:
    maker = engine(backbone)
    cast = {ANN: maker.encode(character(ANN))}
    with pytest.raises(EngineError, match="outside active"):
        maker.condition(panel(ANN), cast, Style())
    with maker.active():
        conditioning = maker.condition(panel(ANN), cast, Style())
        expected = project_text(backbone.unet, conditioning.prompt.positive)
    plain = project_text(backbone.unet, conditioning.prompt.positive)
    for layer, kv in conditioning.positive.text.items():
        assert torch.equal(kv.key, expected[layer].key)
        assert not torch.allclose(kv.key, plain[layer].key, atol=1e-4)
