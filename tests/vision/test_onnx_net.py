"""Gradients through a face encoder's .onnx graph, against onnx's own evaluator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from tests.vision.onnx_graphs import face_encoder

from inkcast.errors import BaseModelError
from inkcast.vision.face import ArcFace
from inkcast.vision.onnx_net import OnnxNet


def test_it_gives_what_onnx_gives(tmp_path: Path) -> None:
    face_encoder(tmp_path / "rec.onnx", 8, 6)
    pixels = np.random.default_rng(1).normal(size=(3, 3, 8, 8)).astype(np.float32)
    (expected,) = ReferenceEvaluator(str(tmp_path / "rec.onnx")).run(None, {"pixels": pixels})
    net = OnnxNet(tmp_path / "rec.onnx")
    np.testing.assert_allclose(net(torch.from_numpy(pixels)).numpy(), expected, rtol=1e-4, atol=1e-4)
    assert not list(net.parameters())


def test_gradients_are_those_of_finite_differences(tmp_path: Path) -> None:
    face_encoder(tmp_path / "rec.onnx", 8, 6)
    net = ArcFace(OnnxNet(tmp_path / "rec.onnx").double(), 127.5, 127.5)
    faces = torch.rand(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)
    vectors = net(faces)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(vectors, torch.nn.functional.normalize(net.net(faces * 2 - 1), dim=1))
    assert torch.autograd.gradcheck(lambda x: net(x)[:, 0], faces)


def test_what_it_cannot_run_is_told(tmp_path: Path) -> None:
    face_encoder(tmp_path / "rec.onnx", 8, 6, extra="Softmax")
    with pytest.raises(BaseModelError, match=r"rec\.onnx' has the operation Softmax: gradients pass through Add, "):
        OnnxNet(tmp_path / "rec.onnx")
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    with pytest.raises(BaseModelError, match=r"no\.onnx' is no \.onnx file"):
        OnnxNet(tmp_path / "no.onnx")
