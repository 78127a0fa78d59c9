"""StoryMaker's weights: the published layout at full size (names and shapes), sizes read back, faults in one line."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.engines.story_maker.small import RANK, SIZE, random_adapter

from inkcast.engines.checkpoints import LEVELS, Checkpoint, read_checkpoint, weights_digest
from inkcast.engines.ip_adapter.weights import fresh_adapter as plus_adapter
from inkcast.engines.ip_adapter.weights import save_adapter as save_plus
from inkcast.engines.story_maker.encoder import PerceiverSize
from inkcast.engines.story_maker.eyes import Preparation
from inkcast.engines.story_maker.options import Options
from inkcast.engines.story_maker.start import start_from_faceid, start_from_plus
from inkcast.engines.story_maker.weights import (
    PUBLISHED,
    Adapter,
    Facts,
    check_layout,
    fresh_adapter,
    load_adapter,
    parameter_counts,
    save_adapter,
)
from inkcast.errors import WeightsError
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.full_size import sdxl_unet

FACTS = Facts(8, 16, Preparation("square", 0.7), Options(0.9, 0.8))


def published_layout() -> dict[str, list[int]]:
    """Names and shapes of the published file, from the compact list beside this test."""
    table = json.loads((Path(__file__).parent / "mask_layout.json").read_text())
    names = {f"image_proj_model.{name}": shape for name, shape in table["image_proj_model"].items()}
    widths = [width for width, count in table["channels_of_layers"] for _ in range(count)]
    for number, width in enumerate(widths):
        cross = number % 2
        for projection in ("q", "k", "v", "out"):
            inputs = 2048 if cross and projection in "kv" else width
            names[f"ip_adapter.{number}.to_{projection}_lora.down.weight"] = [128, inputs]
            names[f"ip_adapter.{number}.to_{projection}_lora.up.weight"] = [width, 128]
        if cross:
            names |= {f"ip_adapter.{number}.to_{part}_ip.weight": [width, 2048] for part in "kv"}
    return names


def on_meta(layout: dict[str, list[int]]) -> Checkpoint:
    return Checkpoint("mask.bin", {name: torch.empty(shape, device="meta") for name, shape in layout.items()})


def test_the_published_file_fits_sdxl_at_full_size() -> None:
    unet, layout = sdxl_unet(), published_layout()
    assert len(layout) == 113 + 1260
    check_layout(unet, on_meta(layout))
    counts = parameter_counts(unet)
    assert counts["image_proj_model"] == pytest.approx(304.45e6, abs=5e3)
    assert counts["ip_adapter"] == pytest.approx(526.58e6, abs=5e3)
    renamed = {name.replace("17.to_v_ip", "17.to_x_ip"): shape for name, shape in layout.items()}
    with pytest.raises(
        WeightsError, match=r"lacks ip_adapter\.17\.to_v_ip\.weight and has an unexpected ip_adapter\.17\.to_x_ip"
    ):
        check_layout(unet, on_meta(renamed))
    with pytest.raises(WeightsError, match=r"ip_adapter\.9\.to_k_ip\.weight .* is \[640, 2048\] but .* \[1280, 2048\]"):
        check_layout(unet, on_meta(layout | {"ip_adapter.9.to_k_ip.weight": [640, 2048]}))


@pytest.mark.parametrize("form", ["bin", "bare"])
def test_a_foreign_file_runs_as_its_code_runs_it(backbone: Backbone, tmp_path: Path, form: str) -> None:
    """Two dictionaries, or their contents side by side; without facts heads are 64 wide and strengths 0.8."""
    size = replace(SIZE, character=replace(SIZE.character, heads=2, head_dim=64), face_head_dim=64)
    adapter = fresh_adapter(backbone.unet, size, RANK)
    parts = {name: dict(part.state_dict()) for name, part in adapter.named_children()}
    torch.save(parts if form == "bin" else parts["image_proj_model"] | parts["ip_adapter"], tmp_path / "mask.bin")
    again, facts = load_adapter(backbone.unet, tmp_path / "mask.bin")
    assert facts == PUBLISHED
    assert facts.preparation == Preparation("squashed", 1.0)
    assert facts.options == Options(0.8, 0.8)
    assert again.image_proj_model.size == size
    assert again.rank == RANK
    assert weights_digest(again) == weights_digest(adapter)


def test_a_file_of_ours_comes_back_whole(backbone: Backbone, tmp_path: Path) -> None:
    adapter = random_adapter(backbone)
    save_adapter(adapter, FACTS, tmp_path / "adapter.safetensors")
    again, facts = load_adapter(backbone.unet, tmp_path / "adapter.safetensors")
    assert facts == FACTS
    assert again.image_proj_model.size == SIZE
    assert weights_digest(again) == weights_digest(adapter)
    save_adapter(adapter, FACTS, tmp_path / "int8.safetensors", int8=True)
    small, _ = load_adapter(backbone.unet, tmp_path / "int8.safetensors")
    for name, tensor in adapter.state_dict().items():
        assert float((small.state_dict()[name] - tensor).abs().max()) <= float(tensor.abs().max()) / LEVELS
    sizes = [(tmp_path / name).stat().st_size for name in ("int8.safetensors", "adapter.safetensors")]
    assert sizes[0] < sizes[1]


class Trap:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize(
    "name",
    ["pos_embed", "resample.latents", "resample.proj_in.weight", "resample.layers.0.0.to_q.weight", "proj.0.weight",
     "resample.layers.0.1.1.weight", "perceiver_resampler.layers.0.1.1.weight", "ip_adapter.0.to_q_lora.down.weight"],
)  # fmt: skip
def test_a_tensor_that_tells_a_size_is_named_where_it_is_missing_or_flat(
    name: str, backbone: Backbone, tmp_path: Path
) -> None:
    name = name if name.startswith("ip_adapter.") else f"image_proj_model.{name}"
    whole = random_adapter(backbone).state_dict()
    facts = {"story_maker": json.dumps(asdict(FACTS))}

    def saved(tensors: dict[str, torch.Tensor]) -> Path:
        save_file(tensors, tmp_path / "odd.safetensors", metadata=facts)
        return tmp_path / "odd.safetensors"

    others = {key: tensor for key, tensor in whole.items() if key != name}
    with pytest.raises(
        WeightsError, match=rf"lacks {re.escape(name)} and has an unexpected {re.escape(name)}s: use weights made for"
    ):
        load_adapter(backbone.unet, saved(others | {f"{name}s": whole[name]}))
    for odd in (whole[name].flatten(), torch.zeros(0, *whole[name].shape[1:])):
        with pytest.raises(WeightsError, match=rf"{re.escape(name)} in '.*' is .* but the engine needs \d dimensions"):
            load_adapter(backbone.unet, saved(others | {name: odd}))


def test_files_that_are_no_story_maker(backbone: Backbone, tmp_path: Path) -> None:
    torch.save({"image_proj_model": Trap(tmp_path / "ran"), "ip_adapter": {}}, tmp_path / "trap.bin")
    with pytest.raises(WeightsError, match="not plain tensors"):
        load_adapter(backbone.unet, tmp_path / "trap.bin")
    assert not (tmp_path / "ran").exists()
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(
        WeightsError, match=r"lacks image_proj_model\.\w+ and has an unexpected image_proj_model\.weight"
    ):
        load_adapter(backbone.unet, tmp_path / "other.safetensors")
    parts = {k: v for k, v in random_adapter(backbone).state_dict().items() if not k.endswith("3.to_v_ip.weight")}
    torch.save(parts, tmp_path / "short.bin")
    with pytest.raises(WeightsError, match=r"lacks ip_adapter\.3\.to_v_ip\.weight: use weights made for this engine"):
        load_adapter(backbone.unet, tmp_path / "short.bin")
    save_file({"a": torch.zeros(1)}, tmp_path / "odd.safetensors", metadata={"story_maker": '{"colour": 1}'})
    with pytest.raises(WeightsError, match=r"tells unknown facts"):
        load_adapter(backbone.unet, tmp_path / "odd.safetensors")
    faceless = random_adapter(backbone).state_dict()
    faceless["image_proj_model.pos_embed"] = faceless["image_proj_model.pos_embed"][:, : SIZE.character.queries]
    facts = asdict(FACTS)
    for odd, complaint in (
        (facts, "so none is left for a face"),
        (facts | {"head_dim": 0}, "heads of 0 and 16 channels"),
    ):
        metadata = {"story_maker": json.dumps(odd)}
        save_file({k: t.contiguous() for k, t in faceless.items()}, tmp_path / "odd.safetensors", metadata=metadata)
        with pytest.raises(WeightsError, match=complaint):
            load_adapter(backbone.unet, tmp_path / "odd.safetensors")


def test_a_fresh_adapter_starts_as_the_prompts_own_projections_without_lora(backbone: Backbone) -> None:
    adapter = fresh_adapter(backbone.unet, SIZE, RANK)
    tensors = adapter.ip_adapter.state_dict()
    layer = adapter.ip_adapter.layers[2]
    attn = backbone.unet.get_submodule(layer.name)
    assert torch.equal(tensors[f"{layer.number}.to_k_ip.weight"], attn.to_k.weight)
    assert torch.equal(tensors[f"{layer.number}.to_v_ip.weight"], attn.to_v.weight)
    assert all(not tensor.any() for name, tensor in tensors.items() if name.endswith("up.weight"))


def test_training_begins_from_published_adapters(backbone: Backbone, tmp_path: Path) -> None:
    """Section 5.1.2: the face's resampler, keys, values and LoRA from FaceID, the character's resampler from Plus.

    What is new to both lets their tokens through as they are.
    """
    ours, theirs = (random_adapter(backbone, seed) for seed in (1, 2))
    tensors = theirs.state_dict()
    mine = ("pos_embed", "bg_embed", "proj_out.", "norm_out.", "resample.")
    ppr = {n.removeprefix("image_proj_model."): t for n, t in tensors.items() if n.startswith("image_proj_model.")}
    faceid = {n: t for n, t in ppr.items() if not n.startswith(mine)}
    plus = {n.removeprefix("resample."): t for n, t in ppr.items() if n.startswith("resample.")}
    attention = dict(theirs.ip_adapter.state_dict())
    torch.save({"image_proj": faceid, "ip_adapter": attention}, tmp_path / "faceid.bin")
    torch.save({"image_proj": plus, "ip_adapter": {"1.to_k_ip.weight": torch.zeros(2)}}, tmp_path / "plus.bin")
    before = {n: t.clone() for n, t in ours.state_dict().items()}
    start_from_faceid(ours, read_checkpoint(tmp_path / "faceid.bin"))
    start_from_plus(ours, read_checkpoint(tmp_path / "plus.bin"), projections=False)
    silent = {"image_proj_model.norm_out.weight": torch.zeros(SIZE.character.out_channels)}
    for name, tensor in ours.state_dict().items():
        stays = name.startswith(tuple(f"image_proj_model.{part}" for part in mine[:4]))
        assert torch.equal(tensor, ((before | silent) if stays else tensors)[name]), name
    with pytest.raises(WeightsError, match=r"has an unexpected image_proj_model\.resample\.proj\.0\.weight"):
        start_from_plus(ours, read_checkpoint(tmp_path / "faceid.bin"), projections=False)
    with pytest.raises(WeightsError, match=r"holds no image_proj\.\*"):
        start_from_plus(ours, Checkpoint("none.bin", {"unet.weight": torch.zeros(1)}), projections=False)


def faceid_layout() -> dict[str, list[int]]:
    """`ip-adapter-faceid-plusv2_sdxl.bin`: what StoryMaker's file has, but for what its paper adds."""
    added = tuple(f"image_proj_model.{part}" for part in ("pos_embed", "bg_embed", "proj_out", "norm_out", "resample"))
    kept = {name: shape for name, shape in published_layout().items() if not name.startswith(added)}
    return {name.replace("image_proj_model.", "image_proj."): shape for name, shape in kept.items()}


def test_the_published_faceid_fits_at_full_size_and_a_part_of_it_does_not() -> None:
    with torch.device("meta"):
        adapter = Adapter(sdxl_unet(), PerceiverSize(), 128)
    layout = faceid_layout()
    assert len(layout) == 56 + 1260
    assert 2 * sum(math.prod(shape) for shape in layout.values()) == pytest.approx(1_487_555_181, rel=1e-3)
    start_from_faceid(adapter, on_meta(layout))
    for name in ("ip_adapter.7.to_v_ip.weight", "ip_adapter.0.to_q_lora.up.weight", "image_proj.norm.bias"):
        some = {key: shape for key, shape in layout.items() if key != name}
        with pytest.raises(WeightsError, match=re.escape(f"lacks {name.replace('image_proj.', 'image_proj_model.')}")):
            start_from_faceid(adapter, on_meta(some))
    with pytest.raises(
        WeightsError, match=r"image_proj_model\.norm\.bias in 'mask\.bin' is \[3\] but the engine needs"
    ):
        start_from_faceid(adapter, on_meta(layout | {"image_proj.norm.bias": [3]}))


def test_an_ip_adapter_alone_gives_keys_and_values_too(backbone: Backbone, tmp_path: Path) -> None:
    """Silent beside the shortcut, the tokens of eq. 6 are the IP-Adapter's with their place added."""
    ours = random_adapter(backbone, 1)
    torch.manual_seed(2)
    plus = plus_adapter(backbone, SIZE.character)
    save_plus(plus, tmp_path / "plus.safetensors")
    start_from_plus(ours, read_checkpoint(tmp_path / "plus.safetensors"), projections=True)
    for number in (layer.number for layer in ours.ip_adapter.layers if layer.is_cross):
        for name in ("to_k_ip", "to_v_ip"):
            theirs = plus.ip_adapter.get_parameter(f"{number}.{name}.weight")
            assert torch.allclose(ours.ip_adapter.get_parameter(f"{number}.{name}.weight"), theirs, atol=1e-3)
    perceiver, features = ours.image_proj_model, torch.randn(1, 5, SIZE.character.feature_channels)
    with torch.no_grad():
        torch.nn.init.zeros_(perceiver.norm_out.bias)
        face, character = torch.randn(1, SIZE.face_tokens, SIZE.character.out_channels), perceiver.character(features)
        placed = perceiver.placed(face, character, torch.tensor([1]))[:, SIZE.face_tokens :]
        assert torch.allclose(character, plus.image_proj(features), atol=1e-2)
        assert torch.allclose(placed, character + perceiver.pos_embed[1, SIZE.face_tokens :])
