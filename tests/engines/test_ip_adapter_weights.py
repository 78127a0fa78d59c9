"""The public `ip-adapter-plus_sdxl_vit-h` layout: strictly at full names and shapes, and for real at tiny ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.engines.test_ip_adapter import SIZE

from inkcast.engines.checkpoints import LEVELS, weights_digest
from inkcast.engines.ip_adapter.weights import Adapter, fresh_adapter, load_adapter, save_adapter
from inkcast.errors import WeightsError
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.full_size import sdxl_unet
from inkcast.sdxl.resampler import ResamplerSize

BLOCK = {
    "0.norm1.weight": (1280,),
    "0.norm1.bias": (1280,),
    "0.norm2.weight": (1280,),
    "0.norm2.bias": (1280,),
    "0.to_q.weight": (1280, 1280),
    "0.to_kv.weight": (2560, 1280),
    "0.to_out.weight": (1280, 1280),
    "1.0.weight": (1280,),
    "1.0.bias": (1280,),
    "1.1.weight": (5120, 1280),
    "1.3.weight": (1280, 5120),
}
PUBLIC_RESAMPLER = {
    "latents": (1, 16, 1280),
    "proj_in.weight": (1280, 1280),
    "proj_in.bias": (1280,),
    "proj_out.weight": (2048, 1280),
    "proj_out.bias": (2048,),
    "norm_out.weight": (2048,),
    "norm_out.bias": (2048,),
} | {f"layers.{n}.{name}": shape for n in range(4) for name, shape in BLOCK.items()}
# Cross-attentions of SDXL as checkpoints number them: 640 channels at 1/16 of the picture, 1280 at 1/32.
AT_A_SIXTEENTH = {1, 3, 5, 7, *range(109, 120, 2)}
PUBLIC_LAYERS = {
    f"{n}.to_{kind}_ip.weight": (640 if n in AT_A_SIXTEENTH else 1280, 2048) for n in range(1, 140, 2) for kind in "kv"
}
PUBLIC = {f"image_proj.{k}": v for k, v in PUBLIC_RESAMPLER.items()} | {
    f"ip_adapter.{k}": v for k, v in PUBLIC_LAYERS.items()
}


def test_every_name_and_shape_of_the_public_file() -> None:
    assert len(PUBLIC_RESAMPLER) == 51
    with torch.device("meta"):
        adapter = Adapter(sdxl_unet(), ResamplerSize())
    assert {name: tuple(t.shape) for name, t in adapter.state_dict().items()} == PUBLIC


def trained(backbone: Backbone) -> Adapter:
    torch.manual_seed(5)
    adapter = Adapter(backbone.unet, SIZE).requires_grad_(False)
    for parameter in adapter.parameters():
        parameter.copy_(torch.randn_like(parameter).half().float())
    return adapter


def test_our_own_file_round_trips(backbone: Backbone, tmp_path: Path) -> None:
    adapter = trained(backbone)
    save_adapter(adapter, tmp_path / "adapter.safetensors")
    again = load_adapter(backbone, tmp_path / "adapter.safetensors")
    assert again.image_proj.size == SIZE
    assert weights_digest(again) == weights_digest(adapter)
    assert all(
        torch.equal(a, b) for a, b in zip(again.state_dict().values(), adapter.state_dict().values(), strict=True)
    )
    assert all(p.dtype == torch.float32 for p in again.parameters())


def test_int8_is_a_quarter_and_near(backbone: Backbone, tmp_path: Path) -> None:
    adapter = trained(backbone)
    save_adapter(adapter, tmp_path / "int8.safetensors", int8=True)
    again = load_adapter(backbone, tmp_path / "int8.safetensors")
    for name, tensor in adapter.state_dict().items():
        step = tensor.flatten(1).abs().amax(1) / LEVELS if tensor.ndim > 1 else torch.zeros(1)
        assert float((again.state_dict()[name] - tensor).abs().max()) <= float(step.max()) / 2 + 1e-6


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_the_public_forms_load(backbone: Backbone, tmp_path: Path, form: str) -> None:
    """Dotted names, or a .bin of two dictionaries; without metadata the heads are 64 wide, as in the public file."""
    size = ResamplerSize(feature_channels=32, out_channels=64, channels=32, depth=1, heads=2, queries=3)
    adapter = Adapter(backbone.unet, size)
    path = tmp_path / f"public.{form}"
    if form == "safetensors":
        save_file({k: v.contiguous() for k, v in adapter.state_dict().items()}, path)
    else:
        parts = {"image_proj": adapter.image_proj.state_dict(), "ip_adapter": adapter.ip_adapter.state_dict()}
        torch.save({name: dict(part) for name, part in parts.items()}, path)
    again = load_adapter(backbone, path)
    assert again.image_proj.size == size
    assert weights_digest(again) == weights_digest(adapter)


def test_the_first_missing_and_the_first_unexpected_name_are_told(backbone: Backbone, tmp_path: Path) -> None:
    tensors = {k: v.detach().clone() for k, v in trained(backbone).state_dict().items()}
    tensors["ip_adapter.22.to_k_ip.weight"] = tensors.pop("ip_adapter.3.to_k_ip.weight")
    save_file(tensors, tmp_path / "odd.safetensors", metadata={"resampler_head_dim": "8"})
    with pytest.raises(
        WeightsError,
        match=r"lacks ip_adapter\.3\.to_k_ip\.weight and has an unexpected ip_adapter\.22\.to_k_ip\.weight: use",
    ):
        load_adapter(backbone, tmp_path / "odd.safetensors")


@pytest.mark.parametrize(
    "name", ["latents", "proj_in.weight", "proj_out.weight", "layers.0.0.to_q.weight", "layers.0.1.1.weight"]
)
def test_a_tensor_that_tells_a_size_is_named_where_it_is_missing_or_flat(
    name: str, backbone: Backbone, tmp_path: Path
) -> None:
    name = f"image_proj.{name}"
    others = {key: tensor.detach().clone() for key, tensor in trained(backbone).state_dict().items()}
    tensor = others.pop(name)
    for tensors, complaint in (
        ({f"{name}s": tensor}, f"lacks {name} and has an unexpected {name}s: use weights made for"),
        ({name: tensor.flatten()}, f"is [{tensor.numel()}] but the engine needs {tensor.ndim} dimensions"),
    ):
        save_file(others | tensors, tmp_path / "odd.safetensors", metadata={"resampler_head_dim": "8"})
        with pytest.raises(WeightsError, match=re.escape(complaint)):
            load_adapter(backbone, tmp_path / "odd.safetensors")
    for width in ("0", "wide"):
        save_file(others | {name: tensor}, tmp_path / "odd.safetensors", metadata={"resampler_head_dim": width})
        with pytest.raises(WeightsError, match=rf"tells the resampler_head_dim '{width}'"):
            load_adapter(backbone, tmp_path / "odd.safetensors")


def test_weights_of_another_base_are_told_by_shape(backbone: Backbone, tmp_path: Path) -> None:
    tensors = {k: v.detach().clone() for k, v in trained(backbone).state_dict().items()}
    tensors["ip_adapter.3.to_k_ip.weight"] = torch.zeros(48, 64)
    save_file(tensors, tmp_path / "odd.safetensors", metadata={"resampler_head_dim": "8"})
    with pytest.raises(
        WeightsError, match=r"ip_adapter\.3\.to_k_ip\.weight in .* is \[48, 64\] but the engine needs \[32, 64\]"
    ):
        load_adapter(backbone, tmp_path / "odd.safetensors")


def test_files_that_are_no_adapter(backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights at"):
        load_adapter(backbone, tmp_path / "absent.safetensors")
    for name, content in (("broken.safetensors", b"\xff" * 64), ("broken.bin", b"no pickle")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match="the file is damaged or not plain tensors"):
            load_adapter(backbone, tmp_path / name)
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"lacks image_proj\.latents and has an unexpected weight: use weights made"):
        load_adapter(backbone, tmp_path / "other.safetensors")


class Trap:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_a_bin_never_runs_code(backbone: Backbone, tmp_path: Path) -> None:
    torch.save({"image_proj": Trap(tmp_path / "ran"), "ip_adapter": {}}, tmp_path / "trap.bin")
    with pytest.raises(WeightsError, match="not plain tensors"):
        load_adapter(backbone, tmp_path / "trap.bin")
    assert not (tmp_path / "ran").exists()


def test_a_fresh_adapter_starts_as_the_prompts_own_projections(backbone: Backbone) -> None:
    adapter = fresh_adapter(backbone, SIZE)
    name = adapter.ip_adapter.layers[2].name
    pair = adapter.ip_adapter.state_dict()
    assert torch.equal(pair["5.to_k_ip.weight"], backbone.unet.get_submodule(name).to_k.weight)
    assert torch.equal(pair["5.to_v_ip.weight"], backbone.unet.get_submodule(name).to_v.weight)
