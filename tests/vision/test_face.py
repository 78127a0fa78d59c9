"""Faces through the protocol: the toon nets, and insightface's pack without a network."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from inkcast.errors import BaseModelError, MissingExtraError
from inkcast.toon.nets import Detector, FaceEncoder, save_net
from inkcast.vision.alignment import align_face
from inkcast.vision.detector import Face, Found, ToonDetector
from inkcast.vision.face import TOON_ZOOM, FaceReader, InsightFaces, ToonFaces


class Finds(ToonDetector):
    """A detector that finds what it is told."""

    def find(self, pictures: np.ndarray, threshold: float = 0.3) -> list[tuple[Found, ...]]:
        five = np.array([[20, 20], [40, 20], [30, 30], [22, 40], [38, 40]], dtype=float)
        small = Face((70, 70, 80, 80), five / 2 + 60, 0.9)
        large = Face((15, 10, 45, 50), five, 0.4)
        return [(Found("character", (60, 60, 90, 120), 0.9, small), Found("character", (10, 5, 50, 120), 0.8, large),
                 Found("character", (0, 0, 9, 9), 0.5))]  # fmt: skip


def encoder(folder: Path) -> Path:
    torch.manual_seed(0)
    save_net(FaceEncoder(), folder)
    return folder


def test_every_found_face_is_aligned_and_encoded_largest_first(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    reader: FaceReader = ToonFaces(Finds(tmp_path), encoder(tmp_path))
    large, small = reader.read(picture)
    assert large.area > small.area
    assert large.score == 0.4
    crop = align_face(picture, large.points, FaceEncoder.side, TOON_ZOOM)
    np.testing.assert_allclose(large.embedding, ToonFaces(Finds(tmp_path), tmp_path).embed(crop[None])[0], atol=1e-5)
    assert large.embedding.shape == (reader.dim,)
    assert np.linalg.norm(small.embedding) == pytest.approx(1, abs=1e-5)


def test_a_picture_without_a_face_gives_nothing(tmp_path: Path) -> None:
    save_net(Detector(), tmp_path / "detector")
    detector = ToonDetector(tmp_path / "detector")
    assert ToonFaces(detector, tmp_path).read(np.full((64, 64, 3), 255, np.uint8)) == ()


def test_insightface_needs_a_local_pack_and_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BaseModelError, match=r"no \.onnx files"):
        InsightFaces(tmp_path).read(np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "w600k_r50.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "insightface.app", None)
    with pytest.raises(MissingExtraError, match="faces"):
        InsightFaces(tmp_path).read(np.zeros((8, 8, 3), np.uint8))


def test_insightface_is_given_bgr_and_its_faces_come_largest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "det_10g.onnx").write_bytes(b"")
    seen = {}

    class FaceAnalysis:
        def __init__(self, name: str, allowed_modules: list[str]) -> None:
            seen["name"] = name
            self.models = dict.fromkeys(allowed_modules)

        def prepare(self, ctx_id: int, det_size: tuple[int, int]) -> None:
            seen["size"] = det_size

        def get(self, picture: np.ndarray) -> list[types.SimpleNamespace]:
            seen["pixel"] = tuple(picture[0, 0])
            return [
                types.SimpleNamespace(
                    bbox=np.array([0, 0, side, side], np.float32),
                    kps=np.zeros((5, 2), np.float32),
                    det_score=0.5,
                    normed_embedding=np.eye(512, dtype=np.float32)[0],
                )
                for side in (10, 30)
            ]

    module = types.ModuleType("insightface.app")
    module.FaceAnalysis = FaceAnalysis  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "insightface", types.ModuleType("insightface"))
    monkeypatch.setitem(sys.modules, "insightface.app", module)
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[..., 0] = 9
    faces = InsightFaces(tmp_path).read(picture)
    assert [face.box[2] for face in faces] == [30, 10]
    assert seen == {"name": str(tmp_path.resolve()), "size": (640, 640), "pixel": (0, 0, 9)}
