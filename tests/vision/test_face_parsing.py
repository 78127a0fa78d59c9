"""Face and hair masks: a tiny SegFormer's named classes, and drawn heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inkcast.errors import BaseModelError
from inkcast.vision.detector import Face, Found, ToonDetector
from inkcast.vision.face_parsing import SegformerParser, ToonFaceParser

LABELS = ("background", "skin", "hair", "neck")
FIVE = np.zeros((5, 2))


def untrained(labels: tuple[str, ...] = LABELS) -> Any:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        num_encoder_blocks=4, depths=[1] * 4, hidden_sizes=[4] * 4, num_attention_heads=[1] * 4,
        decoder_hidden_size=8, id2label=dict(enumerate(labels)), label2id={label: n for n, label in enumerate(labels)},
    )  # fmt: skip
    return SegformerForSemanticSegmentation(config)


def segformer(folder: Path, labels: tuple[str, ...] = LABELS) -> Path:
    """A tiny SegFormer that answers, everywhere, the class its bias favours."""
    model = untrained(labels)
    torch.nn.init.zeros_(model.decode_head.classifier.weight)
    model.decode_head.classifier.bias.data = torch.tensor([0.0, 1.0, 0.0, 0.0])
    model.save_pretrained(folder)
    return folder


def test_classes_are_told_by_their_names(tmp_path: Path) -> None:
    parser = SegformerParser(segformer(tmp_path))
    picture = np.zeros((40, 30, 3), dtype=np.uint8)
    masks = parser.parse(picture)
    assert masks.face.shape == masks.hair.shape == (40, 30)
    assert masks.face.all()
    assert not masks.hair.any()
    parser.model.decode_head.classifier.bias.data = torch.tensor([0.0, 0.0, 1.0, 0.0])
    assert parser.parse(picture).hair.all()
    parser.model.decode_head.classifier.bias.data = torch.tensor([0.0, 0.0, 0.0, 1.0])
    assert not (parser.parse(picture).face | parser.parse(picture).hair).any()


def test_other_segmenters_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="names no skin and hair"):
        _ = SegformerParser(segformer(tmp_path / "roads", ("road", "car", "tree", "sky"))).model
    with pytest.raises(BaseModelError, match="there is no face parser at"):
        _ = SegformerParser(tmp_path / "nothing").model


class Drawn(ToonDetector):
    """Two faces, the larger at (10..30, 20..40), on a foreground that ends at column 25."""

    def find(self, pictures: np.ndarray, threshold: float = 0.3) -> list[tuple[Found, ...]]:
        small, large = Face((50, 50, 54, 54), FIVE, 0.9), Face((10, 20, 30, 40), FIVE, 0.5)
        return [tuple(Found("character", (0, 0, 60, 60), 1.0, face) for face in (small, large, None))]

    def foreground(self, pictures: np.ndarray) -> np.ndarray:
        mask = np.ones((1, 64, 64), dtype=bool)
        mask[..., 25:] = False
        return mask


def test_a_drawn_head_is_the_largest_face_and_what_is_above_and_beside_it() -> None:
    masks = ToonFaceParser(Drawn(Path())).parse(np.zeros((64, 64, 3), dtype=np.uint8))
    assert not (masks.face & masks.hair).any()
    assert masks.face[30, 20]
    assert not masks.face[21, 11]  # a corner of the box
    assert masks.hair[21, 11]
    assert masks.hair[10, 20]
    assert not masks.hair[7, 20]
    assert not masks.hair[42, 20]  # below the chin
    assert not (masks.face | masks.hair)[:, 25:].any()


def test_without_a_drawn_face_there_is_nothing() -> None:
    class Blank(Drawn):
        def find(self, pictures: np.ndarray, threshold: float = 0.3) -> list[tuple[Found, ...]]:
            return [(Found("thing", (0, 0, 60, 60), 1.0),)]

    masks = ToonFaceParser(Blank(Path())).parse(np.zeros((64, 64, 3), dtype=np.uint8))
    assert not (masks.face | masks.hair).any()
