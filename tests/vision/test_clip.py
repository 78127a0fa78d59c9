"""Pictures as vectors, through real CLIP classes at tiny sizes and the judge."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tests.tiny import image_encoder
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from inkcast.errors import BaseModelError, WeightsError
from inkcast.toon.nets import Judge, save_net
from inkcast.vision.clip import ClipVision, ToonJudge, resized


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    image_encoder().save_pretrained(tmp_path)
    CLIPImageProcessorPil(image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6]).save_pretrained(tmp_path)
    return tmp_path


def test_the_projection_of_normalised_pictures_at_length_one(folder: Path) -> None:
    pictures = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model = CLIPVisionModelWithProjection.from_pretrained(folder)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]))
    with torch.no_grad():
        expected = F.normalize(model(pixel_values=(pictures - mean) / std).image_embeds, dim=-1)
    torch.testing.assert_close(ClipVision(folder).embed(pictures), expected)


def test_pictures_keep_their_shape_between_white_bars() -> None:
    picture = torch.zeros(1, 3, 20, 40)
    square = resized(picture, 40)
    assert square.shape == (1, 3, 40, 40)
    assert (square[..., :10, :] == 1).all()
    assert (square[..., 10:30, :] == 0).all()
    assert (square[..., 30:, :] == 1).all()


def test_a_missing_encoder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="there is no CLIP vision model at") as caught:
        ClipVision(tmp_path / "nowhere").embed(torch.rand(1, 3, 32, 32))
    assert "\n" not in str(caught.value)


def test_the_judge_reads_its_own_side_from_any_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_net(Judge(), tmp_path)
    vectors = ToonJudge(tmp_path).embed(torch.rand(2, 3, 100, 50))
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    with pytest.raises(WeightsError, match="train it with its recipe"):
        ToonJudge(tmp_path / "nowhere").embed(torch.rand(1, 3, 64, 64))
