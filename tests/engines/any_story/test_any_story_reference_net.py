"""ReferenceNet (eq. 3, table 1): its size at full SDXL scale, its features, its start; parts on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from tests import tiny
from tests.engines.any_story.parts import ROUTER, SUBJECT, random_parts

from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.any_story.options import Options
from inkcast.engines.any_story.reference_net import ReferenceNet, initialise, reference_layers, started
from inkcast.engines.any_story.trainee import unread_parameters
from inkcast.engines.any_story.weights import (
    ENCODER,
    fresh_parts,
    load_parts,
    load_reference_net,
    parameter_counts,
    save_encoders,
    save_router,
)
from inkcast.engines.checkpoints import LEVELS, read_checkpoint, save_tensors, weights_digest
from inkcast.errors import WeightsError
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.full_size import sdxl_unet
from inkcast.sdxl.image_encoder import ImageEncoder
from inkcast.sdxl.layers import attention_layers, execution_order


def test_table_1_at_full_size() -> None:
    unet = sdxl_unet()
    assert sum(p.numel() for p in unet.parameters()) == 2_567_463_684
    counts = parameter_counts(unet)
    assert counts["reference_net"] == 2_021_626_884 + 2_880
    keys_and_values = 2 * (10 * 640 + 60 * 1280) * 2048
    columns = 2 * (9 * 640**2 + 60 * 1280**2)  # the first self-attention reads no reference
    assert counts["encoder"] - keys_and_values - columns == pytest.approx(83e6, rel=0.001)  # the QFormer
    assert 100e6 < counts["router"] < 250e6
    assert len(reference_layers(unet)) == 69


def reference(pictures: int = 2) -> torch.Tensor:
    return torch.randn(pictures, 5, 4, 4, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_features_are_what_the_self_attentions_read(backbone: Backbone) -> None:
    """With no text to read, the UNet whose cross-attentions answer zero is the network without them."""
    unet = backbone.unet
    net = ReferenceNet(unet)
    initialise(net, unet)
    seen: dict[str, torch.Tensor] = {}
    for layer in attention_layers(unet):
        attn = unet.get_submodule(layer.name)
        if layer.is_cross:
            attn.to_out[0].weight.zero_()
            attn.to_out[0].bias.zero_()
        else:
            attn.register_forward_pre_hook(
                lambda _, args, name=layer.name: seen.__setitem__(name, args[0]), with_kwargs=False
            )
    given = reference()
    features = net(given, 32)
    constants = {
        "text_embeds": torch.zeros(2, 32),
        "time_ids": torch.tensor([[32.0, 32, 0, 0, 32, 32]]).expand(2, -1),
    }
    unet(given[:, :4], torch.tensor(0), torch.randn(2, 77, 64), added_cond_kwargs=constants)
    first = execution_order(unet)[0]
    assert list(features) == [layer.name for layer in reference_layers(unet)]
    assert first in seen
    assert first not in features
    for name, tensor in features.items():
        torch.testing.assert_close(tensor, seen[name], atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_a_fresh_one_does_not_see_its_mask_and_a_trained_one_does(backbone: Backbone) -> None:
    net = ReferenceNet(backbone.unet)
    initialise(net, backbone.unet)
    given = reference()
    unmasked = torch.cat([given[:, :4], torch.zeros_like(given[:, 4:])], dim=1)
    last = list(net(given, 32))[-1]
    assert torch.equal(net(given, 32)[last], net(unmasked, 32)[last])
    net.unet.conv_in.weight[:, 4] = 0.1
    assert not torch.allclose(net(given, 32)[last], net(unmasked, 32)[last])


def test_nothing_of_it_reads_text(backbone: Backbone) -> None:
    ours = {name.removeprefix("unet.") for name in ReferenceNet(backbone.unet).state_dict()}
    theirs = set(backbone.unet.state_dict())
    assert theirs - ours == {n for n in theirs if ".attn2." in n or (".norm2." in n and "transformer_blocks" in n)}


def test_unread_parameters_are_those_without_gradient(backbone: Backbone) -> None:
    net = ReferenceNet(backbone.unet)
    features = net(reference(), 32)
    sum(x.square().sum() for x in features.values()).backward()
    without = {name for name, p in net.named_parameters() if p.grad is None}
    assert unread_parameters(backbone.unet) == without
    assert "unet.conv_out.weight" in without
    assert "unet.conv_in.weight" not in without


def test_fresh_matrices_are_the_unets_own(backbone: Backbone) -> None:
    parts = fresh_parts(backbone, SUBJECT, ROUTER)
    for projections in (parts.encoder.to_subject, parts.encoder.to_reference):
        for layer in projections.layers:
            attn, pair = backbone.unet.get_submodule(layer.name), projections.get_submodule(str(layer.number))
            assert torch.equal(pair[projections.key_name].weight, attn.to_k.weight)
            assert torch.equal(pair[projections.value_name].weight, attn.to_v.weight)


def test_weights_say_how_strongly_they_act(backbone: Backbone, tmp_path: Path) -> None:
    parts, encoder = random_parts(backbone), ImageEncoder(tiny.image_encoder())
    save_encoders(parts, tmp_path / "plain")
    assert load_parts(backbone, tmp_path / "plain").options == Options()
    own = Options(subject_scale=0.4, reference_strength=2.5)
    save_encoders(replace(parts, options=own), tmp_path)
    loaded = load_parts(backbone, tmp_path)
    engine = AnyStory(backbone, encoder, loaded)
    assert engine.options == loaded.options == own
    assert AnyStory(backbone, encoder, loaded, options=Options()).options == Options(), "whoever says others has them"
    plain = AnyStory(backbone, encoder, replace(loaded, options=Options()))
    assert engine.digest != plain.digest, "the same tensors draw other pictures"
    checkpoint = read_checkpoint(tmp_path / ENCODER)
    for name in ("subject_scale", "reference_strength"):
        for wrong in ("-1", "11", "nan", "strong"):
            save_tensors(checkpoint.tensors, tmp_path / ENCODER, {**checkpoint.metadata, name: wrong})
            with pytest.raises(WeightsError, match=f"says a {name} of '{wrong}': it must be a number from 0"):
                load_parts(backbone, tmp_path)


@pytest.mark.parametrize("int8", [False, True])
def test_parts_round_trip_on_disk(backbone: Backbone, tmp_path: Path, int8: bool) -> None:
    parts = random_parts(backbone)
    assert parts.router is not None
    save_encoders(parts, tmp_path, packed_over=backbone.unet if int8 else None)
    assert load_parts(backbone, tmp_path).router is None
    save_router(parts.router, tmp_path, int8=int8)
    again = load_parts(backbone, tmp_path)
    assert again.router is not None
    assert (again.encoder.qformer.size, again.router.size) == (SUBJECT, ROUTER)
    same = weights_digest(*again.modules()) == weights_digest(*parts.modules())
    assert same is not int8
    start = started(parts.reference_net, backbone.unet)
    for ours, theirs in zip(again.modules(), parts.modules(), strict=True):
        over = theirs is parts.reference_net
        for name, tensor in theirs.state_dict().items():
            moved, steps = (tensor - start[name], 7) if over else (tensor, LEVELS)
            step = moved.flatten(1).abs().amax(1).max() / steps if tensor.ndim > 1 and int8 else torch.tensor(0.0)
            assert (
                float((ours.state_dict()[name] - tensor).abs().max()) <= float(step) * 0.51 + 4e-3 * (1 - int8) + 2e-3
            )


def test_a_difference_to_the_unet_is_added_to_that_unet_alone(backbone: Backbone, tmp_path: Path) -> None:
    """LoRAs beside it and another type change nothing; another UNet, or this one rounded, is refused."""
    parts, digest = random_parts(backbone), ""
    with torch.no_grad():
        for weight in backbone.unet.parameters():
            weight.copy_(weight.bfloat16())
    save_encoders(parts, tmp_path, packed_over=backbone.unet)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        backbone.unet.to(dtype)
        net = load_reference_net(backbone, tmp_path)
        assert {weight.dtype for weight in net.parameters()} == {torch.float32}
        digest = digest or weights_digest(net)
        assert weights_digest(net) == digest
    backbone.unet.float().add_adapter(LoraConfig(r=2, target_modules=["to_q", "conv1"]), "theirs")
    assert weights_digest(load_reference_net(backbone, tmp_path)) == digest
    backbone.unet.delete_adapters("theirs")
    with torch.no_grad():
        backbone.unet.conv_out.bias += 1.0
    with pytest.raises(WeightsError, match=r"reference_net.safetensors' was trained over another UNet"):
        load_parts(backbone, tmp_path)


def test_parts_of_another_base_are_refused(backbone: Backbone, tmp_path: Path) -> None:
    save_encoders(random_parts(backbone), tmp_path)
    net = load_file(tmp_path / "reference_net.safetensors")
    net["unet.conv_in.weight"] = net["unet.conv_in.weight"][:, :4].contiguous()
    save_file(net, tmp_path / "reference_net.safetensors")
    with pytest.raises(
        WeightsError, match=r"unet.conv_in.weight in .* is \[16, 4, 3, 3\] but the engine needs \[16, 5"
    ):
        load_parts(backbone, tmp_path)
    save_file(load_file(tmp_path / "encoder.safetensors"), tmp_path / "encoder.safetensors")
    with pytest.raises(WeightsError, match="does not say its sizes"):
        load_parts(backbone, tmp_path)
    with pytest.raises(WeightsError, match="no weights at"):
        load_parts(backbone, tmp_path / "nowhere")
