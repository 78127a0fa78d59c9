from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.engines.any_story.parts import ANN, character, image_encoder, random_parts

from inkcast.engines import cutting
from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.cutting import find_segmenter
from inkcast.events import Event
from inkcast.images import Reference
from inkcast.sdxl.backbone import Backbone
from inkcast.vision.segment import RembgSegmenter, ToonSegmenter


@dataclass(frozen=True)
class LeftHalf:
    def segment(self, picture: np.ndarray) -> np.ndarray:
        mask = np.zeros(picture.shape[:2], dtype=bool)
        mask[:, : mask.shape[1] // 2] = True
        return mask


def test_a_busy_reference_is_cut_out_by_the_segmenter_else_the_author_hears_of_it(backbone: Backbone) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    mask = Image.fromarray(LeftHalf().segment(picture))
    busy, masked = (character(ANN, Reference(Image.fromarray(picture), "", mask=cut)) for cut in (None, mask))
    heard: list[Event] = []
    parts = random_parts(backbone)
    blind = AnyStory(backbone, image_encoder(), parts, report=heard.append)
    seeing = AnyStory(backbone, image_encoder(), parts, segmenter=LeftHalf(), report=heard.append)
    wanted = blind.encode(masked).tensors["tokens"]
    assert heard == []
    assert seeing.encode(busy).tensors["tokens"].equal(wanted)
    assert heard == []
    assert not blind.encode(busy).tensors["tokens"].equal(wanted)
    assert len(heard) == 1


def test_what_cuts_out_is_what_lies_there(backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = replace(backbone, folder=tmp_path)
    monkeypatch.setattr(cutting, "rembg_homes", lambda: (tmp_path / "models",))
    monkeypatch.setattr(cutting, "find_spec", lambda name: object())
    assert find_segmenter(base) is None
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "u2net.onnx").touch()
    assert find_segmenter(base) == RembgSegmenter("u2net")
    monkeypatch.setattr(cutting, "find_spec", lambda name: None)
    assert find_segmenter(base) is None
    (tmp_path / "detector").mkdir()
    assert isinstance(find_segmenter(base), ToonSegmenter)
