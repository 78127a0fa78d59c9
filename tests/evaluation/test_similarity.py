"""The judges' encoders against transformers' own ways of calling them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tiny import tokenizer
from transformers import CLIPModel, Dinov2Config, Dinov2Model
from transformers.models.clip.configuration_clip import CLIPConfig

from inkcast.errors import BaseModelError
from inkcast.evaluation.similarity import CLIP_MEAN, CLIP_STD, Clip, Dino, centered, normalized, vectors
from inkcast.vision.crops import to_tensor

SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    words = tokenizer()
    marks = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    text = {**SIZES, **marks, "vocab_size": len(words), "max_position_embeddings": 12}
    vision = {**SIZES, "image_size": 16, "patch_size": 8}
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def test_clip_reads_pictures_and_words_as_its_authors_do(clip_folder: Path) -> None:
    clip = Clip(clip_folder)
    pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    model, words = clip.parts
    expected = model.get_image_features(normalized(pictures, CLIP_MEAN, CLIP_STD)).pooler_output
    torch.testing.assert_close(clip.embed(pictures), expected / expected.norm(dim=1, keepdim=True))
    texts = ["a girl", "a girl and a cat in the park at night with a red bear and a blue bear"]
    together = clip.embed_texts(texts)
    alone = torch.cat([clip.embed_texts([text]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    ids = words(texts[:1], return_tensors="pt").input_ids
    plain = model.get_text_features(ids).pooler_output
    torch.testing.assert_close(together[:1], plain / plain.norm(dim=1, keepdim=True), atol=1e-5, rtol=1e-4)


def test_dino_is_the_class_token_of_the_middle(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8)
    Dinov2Model(config).save_pretrained(tmp_path)
    dino = Dino(tmp_path, side=16)
    picture = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    vector = dino.embed(picture)
    assert vector.shape == (1, 16)
    assert float(vector.norm()) == pytest.approx(1, abs=1e-5)
    elsewhere = picture.clone()
    elsewhere[..., :4] = 0
    torch.testing.assert_close(dino.embed(elsewhere), vector), "the border is cropped away"
    elsewhere[..., 24] = 0
    assert not torch.allclose(dino.embed(elsewhere), vector)


def test_the_middle_square() -> None:
    picture = torch.zeros(1, 3, 8, 16)
    picture[..., 4:12] = 1
    assert centered(picture, 8).min() == 1
    assert centered(torch.ones(1, 3, 30, 20), 10, 224 / 256).shape == (1, 3, 10, 10)


def test_pictures_of_several_sizes_keep_their_order(clip_folder: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (side, 16, 3), dtype=np.uint8) for side in (16, 24)]
    clip = Clip(clip_folder)
    found = vectors(clip, pictures)
    np.testing.assert_allclose(found[1], clip.embed(to_tensor(pictures[1][None]))[0].numpy(), rtol=1e-5)
    assert found.shape == (2, 8)


@pytest.mark.parametrize("encoder", [Clip("/no/such/model"), Dino("/no/such/model")])
def test_a_model_that_is_not_there_is_one_line(encoder: Clip | Dino) -> None:
    with pytest.raises(BaseModelError, match=r"cannot load the (CLIP|DINO) model"):
        encoder.embed(torch.zeros(1, 3, 16, 16))
