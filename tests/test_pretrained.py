"""Public models come whole or not at all, whoever loads them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests import tiny
from tests.original_layout import original_layout
from tests.vision.test_face_parsing import untrained
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPVisionModelWithProjection,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
    ViTModel,
)

from inkcast.app.safety_pictures import load_classifier
from inkcast.engines.stable_identity.sight import VitEyes
from inkcast.errors import BaseModelError, UsageError
from inkcast.evaluation.similarity import Clip, Dino
from inkcast.pretrained import load_pretrained
from inkcast.sampling.controlnet import load_controlnet
from inkcast.sdxl.backbone import load_backbone
from inkcast.sdxl.image_encoder import load_image_encoder
from inkcast.vision.clip import ClipVision
from inkcast.vision.face_parsing import SegformerParser

VIT = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8, "image_size": 16}


def vit(**more: Any) -> ViTConfig:
    return ViTConfig(**VIT, patch_size=8, **more)


def clip() -> CLIPModel:
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    seen = small | {"image_size": 16, "patch_size": 8, "projection_dim": 8}
    return CLIPModel(CLIPConfig(text_config=small | {"vocab_size": 99}, vision_config=seen, projection_dim=8))


def named_classifier() -> ViTForImageClassification:
    return ViTForImageClassification(vit(id2label={0: "normal", 1: "nsfw"}, label2id={"normal": 0, "nsfw": 1}))


Load = Callable[[Path], object]
MODELS: dict[str, tuple[Callable[[], Any], Load]] = {
    "face encoder": (lambda: ViTModel(vit(), add_pooling_layer=False), lambda f: VitEyes(f, SegformerParser(f)).parts),
    "face parser": (untrained, lambda f: SegformerParser(f).model),
    "ControlNet": (lambda: tiny.controlnet(tiny.unet()), lambda f: load_controlnet(f, torch.float32)),
    "CLIP vision model": (tiny.image_encoder, lambda f: ClipVision(f).parts),
    "image encoder": (tiny.image_encoder, load_image_encoder),
    "CLIP model": (clip, lambda f: Clip(f).parts),
    "DINO model": (lambda: ViTModel(vit(), add_pooling_layer=False), lambda f: Dino(f).model),
    "image classifier": (named_classifier, lambda f: load_classifier(str(f), ("nsfw",))),
}


def changed(path: Path, change: Callable[[dict[str, torch.Tensor], str], None]) -> str:
    """Applies `change` to the tensors of a file and the name of one of them, which it gives back."""
    tensors = load_file(path)
    name = max(key for key in tensors if not key.startswith("segformer."))  # transformers renames those
    change(tensors, name)
    save_file(tensors, path, metadata={"format": "pt"})
    return name


def renamed(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors["something.odd"] = tensors.pop(name)


def widened(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors[name] = torch.zeros(*tensors[name].shape, 2)


@pytest.mark.parametrize("what", MODELS)
def test_a_weight_that_is_missing_is_named_with_the_unexpected_one(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, load = MODELS[what]
    make().save_pretrained(tmp_path)
    for processor in (ViTImageProcessorPil, CLIPImageProcessorPil)[what == "CLIP vision model" :][:1]:
        processor(size={"height": 16, "width": 16}).save_pretrained(tmp_path)
    if what != "CLIP model":  # whose tokenizer is not there
        load(tmp_path)
        load_classifier.cache_clear()
    (file,) = tmp_path.glob("*.safetensors")
    capsys.readouterr()

    name = changed(file, renamed)
    with pytest.raises((BaseModelError, UsageError)) as caught:
        load(tmp_path)
    assert f"the {what} {str(tmp_path)!r} lacks {name} and has an unexpected something.odd: " in str(caught.value)

    changed(file, lambda tensors, _: tensors.update({name: tensors.pop("something.odd")}))
    name = changed(file, widened)
    with pytest.raises((BaseModelError, UsageError), match=rf"(^|Cannot load\s+because ){name}\b.* 2\]") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().err == ""


def test_files_may_hold_more_and_lack_what_nobody_reads(tmp_path: Path) -> None:
    """A face ViT is published as a classifier, CLIP with its text tower, DINO without the pooler of its class."""
    torch.manual_seed(0)
    named_classifier().save_pretrained(tmp_path / "faces")
    ViTImageProcessorPil().save_pretrained(tmp_path / "faces")
    assert VitEyes(tmp_path / "faces", SegformerParser(tmp_path)).dim == 8
    whole = clip()
    whole.save_pretrained(tmp_path / "clip")
    tower = load_pretrained(CLIPVisionModelWithProjection, tmp_path / "clip", "tower")
    pixels = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        expected = whole.eval().get_image_features(pixels).pooler_output
        torch.testing.assert_close(tower(pixels).image_embeds, expected)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "text_encoder_2"])
def test_a_base_with_a_weight_missing_is_refused(part: str, tiny_base_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base_folder, tmp_path / "base")
    (file,) = (tmp_path / "base" / part).glob("*.safetensors")
    name = changed(file, renamed)
    with pytest.raises(
        BaseModelError, match=rf"the {part} '.*{part}' lacks {name} and has an unexpected something.odd"
    ):
        load_backbone(tmp_path / "base", device="cpu")


@pytest.mark.parametrize(
    ("part", "prefix"),
    [("unet", "model.diffusion_model."), ("vae", "first_stage_model."), ("text_encoder", "conditioner.embedders.0."),
     ("text_encoder_2", "conditioner.embedders.1.")],
)  # fmt: skip
def test_a_single_file_with_a_weight_missing_is_refused(part: str, prefix: str, tmp_path: Path) -> None:
    pipeline = tiny.pipeline(second_dim=48)
    pipeline.save_pretrained(tmp_path / "folder")
    shutil.copytree(tmp_path / "folder", tmp_path / "toon", ignore=shutil.ignore_patterns("*.safetensors"))
    tensors = original_layout(pipeline)
    own = sorted(name for name in tensors if name.startswith(prefix) and name.endswith("weight"))
    del tensors[own[len(own) // 2]]
    save_file(tensors, tmp_path / "toon.safetensors")
    with pytest.raises(BaseModelError, match=rf"the base '\S+toon.safetensors': it lacks \S+\.weight of its {part}$"):
        load_backbone(tmp_path / "toon.safetensors", device="cpu")
