"""What learning sees of a reference: a tiny ViT, the toon nets, and pictures without a face."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.engines.stable_identity.people import picture
from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

from inkcast.engines.stable_identity.sight import ToonEyes, VitEyes, on_paper
from inkcast.engines.stable_identity.weights import find_eyes
from inkcast.errors import BaseModelError, PictureError
from inkcast.images import Reference
from inkcast.sdxl.backbone import Backbone
from inkcast.toon.nets import Detector, FaceEncoder, save_net
from inkcast.vision.alignment import align_face
from inkcast.vision.crops import on_white
from inkcast.vision.detector import Face, Found, ToonDetector
from inkcast.vision.face import TOON_ZOOM, ToonFaces
from inkcast.vision.face_parsing import FaceMasks

POINTS = np.array([[30, 40], [50, 40], [40, 50], [32, 60], [48, 60]], dtype=float)


@dataclass(frozen=True)
class Told:
    """A parser that answers one box as the face, or none."""

    box: tuple[int, int, int, int] | None

    def parse(self, pixels: np.ndarray) -> FaceMasks:
        face = np.zeros(pixels.shape[:2], dtype=bool)
        if self.box is not None:
            x0, y0, x1, y1 = self.box
            face[y0:y1, x0:x1] = True
        return FaceMasks(face, np.zeros_like(face))


def reference(image: Image.Image | None = None) -> Reference:
    return Reference(image or picture(), digest="0", source="ann.png")


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=28, patch_size=14
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    ViTImageProcessorPil(image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4]).save_pretrained(tmp_path)
    return tmp_path


def test_a_vit_reads_the_face_and_its_mirror_image(vit: Path) -> None:
    eyes = VitEyes(vit, Told((20, 30, 40, 50)))
    seen = eyes.look(reference())
    assert eyes.dim == 16
    assert seen.note == ""
    # The face's 20 px with a margin of 1.4 are the 28 px from (16, 26), which need no scaling.
    crop = torch.from_numpy(seen.picture[26:54, 16:44].copy()).permute(2, 0, 1)[None] / 255
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
    model = ViTModel.from_pretrained(vit, add_pooling_layer=False).eval()
    with torch.no_grad():
        for found, pixels in zip(seen.features, (crop, crop.flip(-1)), strict=True):
            expected = model((pixels - mean) / std).last_hidden_state[0, 0]
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_without_a_face_the_whole_subject_stands_in(vit: Path) -> None:
    plain = np.full((96, 80, 3), 255, dtype=np.uint8)
    plain[20:70, 10:60] = (200, 30, 30)
    seen = VitEyes(vit, Told(None)).look(reference(Image.fromarray(plain)))
    assert seen.note == "no face found: learning from the whole subject"
    assert seen.masks.face.sum() == 50 * 50
    assert not seen.masks.hair.any()
    empty = replace(reference(), mask=Image.new("L", (80, 96), 0))
    with pytest.raises(PictureError, match=r"the mask of 'ann.png' has no white"):
        VitEyes(vit, Told(None)).look(empty)


@dataclass(frozen=True)
class Cuts:
    """A segmenter that finds its subject in one box, or none."""

    box: tuple[int, int, int, int] | None

    def segment(self, pixels: np.ndarray) -> np.ndarray:
        return Told(self.box).parse(pixels).face


def test_a_segmenter_finds_the_subject_of_a_busy_picture_without_a_face(vit: Path, tmp_path: Path) -> None:
    seen = VitEyes(vit, Told(None), segmenter=Cuts((8, 16, 40, 80))).look(reference())
    assert seen.note == "no face found: learning from the whole subject"
    assert seen.masks.face.sum() == seen.masks.face[16:80, 8:40].sum() == 64 * 32
    for segmenter in (None, Cuts(None)):
        seen = VitEyes(vit, Told(None), segmenter=segmenter).look(reference())
        assert seen.note == "no face found: learning from the whole picture, background and all: give a mask"
        assert seen.masks.face.all()
    torch.manual_seed(0)
    save_net(FaceEncoder(), tmp_path / "face")
    faces = ToonFaces(FindsNobody(tmp_path / "face"), tmp_path / "face")
    drawn = ToonEyes(faces, Told(None), Cuts((8, 16, 40, 80))).look(reference())
    assert drawn.masks.face.sum() == 64 * 32


def test_transparent_parts_are_paper() -> None:
    image = picture().convert("RGBA")
    alpha = Image.new("L", (80, 96), 255)
    alpha.paste(0, (0, 0, 40, 96))
    alpha.paste(51, (40, 0, 60, 96))
    image.putalpha(alpha)
    pixels, opaque = on_paper(reference(image)), np.asarray(picture())
    assert (pixels[:, :40] == 255).all()
    assert np.abs(pixels[:, 40:60] - (0.2 * opaque[:, 40:60] + 0.8 * 255)).max() <= 0.5
    assert (pixels[:, 60:] == opaque[:, 60:]).all()


class Finds(ToonDetector):
    def find(self, pictures: np.ndarray, threshold: float = 0.3) -> list[tuple[Found, ...]]:
        return [(Found("character", (0, 0, 80, 96), 1.0, Face((25, 30, 55, 70), POINTS, 1.0)),)]


class FindsNobody(ToonDetector):
    def find(self, pictures: np.ndarray, threshold: float = 0.3) -> list[tuple[Found, ...]]:
        return [()]


def test_drawn_faces_are_aligned_and_mirrored(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_net(FaceEncoder(), tmp_path)
    faces = ToonFaces(Finds(tmp_path), tmp_path)
    seen = ToonEyes(faces, Told((25, 30, 55, 70))).look(reference())
    crop = align_face(np.asarray(picture()), POINTS, FaceEncoder.side, TOON_ZOOM)
    expected = faces.embed(np.stack([crop, crop[:, ::-1]]))
    np.testing.assert_allclose(seen.features.numpy(), expected, atol=1e-6)
    assert seen.note == ""
    assert seen.masks.face.sum() == 30 * 40
    back = ToonEyes(faces, Told(None)).look(reference())
    assert back.note
    whole = on_white(np.asarray(picture()), np.ones((96, 80), dtype=bool), FaceEncoder.side)
    np.testing.assert_allclose(back.features[0].numpy(), faces.embed(whole[None])[0], atol=1e-6)


def test_bases_bring_eyes_or_none(backbone: Backbone, vit: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("companions")
    base = replace(backbone, folder=folder)
    assert find_eyes(base) is None
    assert find_eyes(replace(base, folder=None)) is None
    save_net(Detector(), folder / "detector")
    save_net(FaceEncoder(), folder / "face")
    assert isinstance(find_eyes(base), ToonEyes)
    parts = folder / "engines" / "stable-identity"
    parts.mkdir(parents=True)
    (parts / "face").symlink_to(vit)
    with pytest.raises(BaseModelError, match="has a face encoder but no face parser: put a SegFormer at"):
        find_eyes(base)
    (parts / "parser").mkdir()
    assert isinstance(find_eyes(base), VitEyes)
