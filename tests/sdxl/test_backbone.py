"""Bases from a folder, a hub cache, a single file; and what is said when there is none."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests import tiny
from tests.original_layout import original_layout

from inkcast import assets
from inkcast.errors import BaseModelError
from inkcast.sdxl.backbone import choose_device, choose_dtype, load_backbone
from inkcast.sdxl.layers import check_prepared
from inkcast.sdxl.source import digest_of


def weights(base) -> dict[str, torch.Tensor]:
    return {
        f"{part}.{k}": v
        for part in ("unet", "vae", "text_encoder_2")
        for k, v in getattr(base.pipeline, part).state_dict().items()
    }


def test_a_diffusers_folder_loads_prepared(tiny_base_folder: Path) -> None:
    base = load_backbone(tiny_base_folder, device="cpu", dtype=torch.float32)
    check_prepared(base.unet)
    assert (base.family, base.device.type, base.dtype) == ("sdxl", "cpu", torch.float32)
    assert (base.side, base.vae_scale_factor, len(base.text_encoders), len(base.tokenizers)) == (64, 8, 2, 2)
    assert base.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    assert base.part("image_encoder") == tiny_base_folder / "image_encoder"
    with pytest.raises(BaseModelError, match=r"lacks engines/ip-adapter: put it at "):
        base.part("engines", "ip-adapter")


def test_loading_is_silent(tiny_base_folder: Path) -> None:
    code = "import sys; from inkcast.sdxl.backbone import load_backbone; load_backbone(sys.argv[1], device='cpu')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_base_folder)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_half_precision_files_load_in_the_asked_precision(tiny_base_folder: Path, tmp_path: Path) -> None:
    tiny.pipeline().to(torch.float16).save_pretrained(tmp_path)
    base = load_backbone(tmp_path, device="cpu", dtype=torch.float32)
    assert {p.dtype for p in base.unet.parameters()} | {p.dtype for p in base.vae.parameters()} == {torch.float32}
    assert base.vae.config.force_upcast  # SDXL's VAE overflows in float16


def test_a_stable_diffusion_folder_declares_its_family(tmp_path: Path) -> None:
    tiny.sd_pipeline().save_pretrained(tmp_path)
    base = load_backbone(str(tmp_path), device="cpu")
    assert (base.family, len(base.text_encoders)) == ("sd", 1)


def test_a_hub_id_loads_from_the_cache(tiny_base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "models--someone--tiny-sdxl" / "snapshots" / ("0" * 40)
    shutil.copytree(tiny_base_folder, snapshot)
    (tmp_path / "models--someone--tiny-sdxl" / "refs").mkdir()
    (tmp_path / "models--someone--tiny-sdxl" / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr("diffusers.pipelines.pipeline_utils.HF_HUB_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path))
    base = load_backbone("someone/tiny-sdxl", device="cpu")
    assert base.family == "sdxl"
    assert base.digest == digest_of(snapshot)
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "home"))
    base = load_backbone("someone/tiny-sdxl", device="cpu")
    own = tmp_path / "home" / "bases" / "someone--tiny-sdxl"
    with pytest.raises(BaseModelError, match=re.escape(f"lacks image_encoder: put it at {own / 'image_encoder'}")):
        base.part("image_encoder")
    (own / "image_encoder").mkdir(parents=True)
    assert base.part("image_encoder") == own / "image_encoder"


def test_an_unreachable_hub_id_is_one_clear_line() -> None:
    with pytest.raises(BaseModelError) as caught:
        load_backbone("someone/absent-model", device="cpu")
    assert "cannot fetch the base 'someone/absent-model' from the hub: check the name and the network" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


def test_a_single_file_loads_with_configs_beside_it(tmp_path: Path) -> None:
    pipeline = tiny.pipeline(second_dim=48)
    pipeline.save_pretrained(tmp_path / "folder")
    save_file(original_layout(pipeline), tmp_path / "toon.safetensors")
    shutil.copytree(tmp_path / "folder", tmp_path / "toon", ignore=shutil.ignore_patterns("*.safetensors"))
    (tmp_path / "toon" / "image_encoder").mkdir()
    single = load_backbone(tmp_path / "toon.safetensors", device="cpu", dtype=torch.float32)
    folder = load_backbone(tmp_path / "folder", device="cpu", dtype=torch.float32)
    check_prepared(single.unet)
    ours, theirs = weights(single), weights(folder)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert single.part("image_encoder") == tmp_path / "toon" / "image_encoder"


def test_a_single_file_without_configs_offline_says_where_to_put_them(tmp_path: Path) -> None:
    save_file(original_layout(tiny.pipeline(second_dim=48)), tmp_path / "toon.safetensors")
    with pytest.raises(
        BaseModelError, match=r"cannot load the base .*offline, put its diffusers configs in \S+/toon$"
    ) as caught:
        load_backbone(tmp_path / "toon.safetensors", device="cpu")
    assert "\n" not in str(caught.value)


def test_what_is_no_base_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "flux").mkdir()
    (tmp_path / "flux" / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    (tmp_path / "lora.safetensors").write_bytes(b"\x00" * 20)
    save_file({"lora": torch.zeros(1)}, tmp_path / "part.safetensors")
    (tmp_path / "old.ckpt").write_bytes(b"old")
    for source, complaint in (
        (tmp_path / "absent", "no base .*: give 'toon', a diffusers folder"),
        (tmp_path / "empty", "is not a diffusers folder: its model_index.json is missing"),
        (tmp_path / "flux", "is a FluxPipeline: use an SDXL or a Stable Diffusion 2.1 base"),
        (tmp_path / "lora.safetensors", "cannot read .* as safetensors"),
        (tmp_path / "part.safetensors", r"holds no UNet \(model.diffusion_model"),
        (tmp_path / "old.ckpt", "is not a .safetensors file"),
    ):
        with pytest.raises(BaseModelError, match=complaint):
            load_backbone(source, device="cpu")


def test_bases_that_draw_nothing_from_words_alone_are_refused(tiny_base_folder: Path, tmp_path: Path) -> None:
    def changed(name: str, kind: str, **parts: object) -> Path:
        shutil.copytree(tiny_base_folder, tmp_path / name)
        index = json.loads((tmp_path / name / "model_index.json").read_text())
        (tmp_path / name / "model_index.json").write_text(json.dumps(index | {"_class_name": kind} | parts))
        return tmp_path / name

    refiner = changed("refiner", "StableDiffusionXLImg2ImgPipeline", text_encoder=[None, None], tokenizer=[None, None])
    with pytest.raises(BaseModelError, match="has no text_encoder, as refiners have none: use a text-to-image base"):
        load_backbone(refiner, device="cpu")
    filler = changed("filler", "StableDiffusionXLInpaintPipeline")
    tiny.unet(in_channels=9).save_pretrained(filler / "unet")
    with pytest.raises(BaseModelError, match="reads 9 channels where latents have 4, as inpainting models do"):
        load_backbone(filler, device="cpu")
    load_backbone(changed("plain", "StableDiffusionXLImg2ImgPipeline"), device="cpu")


def test_weights_that_come_in_half_precision_only_are_found(tiny_base_folder: Path, tmp_path: Path, capfd) -> None:
    shutil.copytree(tiny_base_folder, tmp_path / "half")
    for file in (tmp_path / "half").glob("*/*.safetensors"):
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    half, whole = (load_backbone(path, device="cpu", dtype="float16") for path in (tmp_path / "half", tiny_base_folder))
    ours, theirs = weights(half), weights(whole)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert capfd.readouterr().err == ""


def test_a_folder_that_lacks_a_part_is_one_line(tiny_base_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base_folder, tmp_path / "base")
    shutil.rmtree(tmp_path / "base" / "unet")
    with pytest.raises(BaseModelError, match=r"there is no unet at '.*unet': put its folder there") as caught:
        load_backbone(tmp_path / "base", device="cpu")
    assert "\n" not in str(caught.value)


def test_the_embedded_base_is_found_or_missed_clearly(
    tiny_base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "__file__", str(tmp_path / "inkcast" / "assets.py"))
    with pytest.raises(BaseModelError, match="the embedded base is missing from"):
        load_backbone("toon", device="cpu")
    embedded = tmp_path / "inkcast" / "toon" / "weights"
    shutil.copytree(tiny_base_folder, embedded / "base")
    (embedded / "image_encoder").mkdir()
    base = load_backbone("toon", device="cpu")
    assert base.name == "toon"
    assert base.part("image_encoder") == embedded / "image_encoder"


def test_the_digest_is_of_the_weights(tiny_base_folder: Path, tmp_path: Path) -> None:
    before = digest_of(tiny_base_folder)
    shutil.copytree(tiny_base_folder, tmp_path / "copy")
    assert digest_of(tmp_path / "copy") == before
    file = tmp_path / "copy" / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert digest_of(tmp_path / "copy") != before


def test_devices_and_precisions(monkeypatch: pytest.MonkeyPatch, tiny_base_folder: Path) -> None:
    with pytest.raises(BaseModelError, match="unknown device 'quantum'"):
        choose_device("quantum")
    if not torch.cuda.is_available():
        with pytest.raises(BaseModelError, match="device 'cuda' is not available here: use --device cpu"):
            choose_device("cuda")
    for amx, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda amx=amx: amx)
        assert choose_dtype(torch.device("cpu")) is dtype
    assert choose_dtype(torch.device("cuda")) is torch.float16
    with pytest.raises(BaseModelError, match="low VRAM mode needs a GPU"):
        load_backbone(tiny_base_folder, device="cpu", low_vram=True)
