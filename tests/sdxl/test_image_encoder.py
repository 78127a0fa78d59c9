from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests import tiny
from transformers import CLIPImageProcessorPil

from inkcast.errors import BaseModelError
from inkcast.sdxl.image_encoder import ImageEncoder, load_image_encoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    tiny.image_encoder().save_pretrained(tmp_path)
    return tmp_path


@torch.no_grad()
def test_features_are_the_second_last_hidden_states(folder: Path) -> None:
    encoder = load_image_encoder(folder)
    pictures = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    processor = CLIPImageProcessorPil(size=32, crop_size=32)
    pixels = processor(list(pictures.numpy()), return_tensors="pt").pixel_values
    expected = encoder.model.vision_model(pixels, output_hidden_states=True).hidden_states[-2]
    features = encoder.features(pictures.permute(0, 3, 1, 2) / 255)
    assert features.shape == (2, 17, encoder.channels)
    torch.testing.assert_close(features, expected, atol=1e-4, rtol=1e-4)
    assert encoder.features(torch.rand(1, 3, 50, 50)).shape == (1, 17, 32)


@torch.no_grad()
def test_nothing_is_an_all_zero_input(folder: Path) -> None:
    encoder = load_image_encoder(folder)
    expected = encoder.model(torch.zeros(1, 3, 32, 32), output_hidden_states=True).hidden_states[-2]
    assert torch.equal(encoder.nothing(), expected)


def test_mean_and_std_are_those_it_was_trained_with(folder: Path) -> None:
    assert load_image_encoder(folder).mean == ImageEncoder.mean
    facts = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}
    (folder / "preprocessor_config.json").write_text(json.dumps(facts))
    encoder = load_image_encoder(folder)
    assert (encoder.mean, encoder.std) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert not any(p.requires_grad for p in encoder.model.parameters())


def test_what_is_no_image_encoder_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no image encoder at .*: put a CLIP vision model there"):
        load_image_encoder(tmp_path / "absent")
    (folder / "model.safetensors").write_bytes(b"\xff" * 32)
    with pytest.raises(BaseModelError, match="cannot load the image encoder"):
        load_image_encoder(folder)
