"""Faces: where they are, and who they are as a vector. Real models behind one small protocol.

A picture without a face is not an error: `read` answers with an empty tuple, and the caller says what it did instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from inkcast.errors import BaseModelError, MissingExtraError
from inkcast.toon.nets import FaceEncoder, FaceJudge, load_net
from inkcast.vision.alignment import TEMPLATE_SIDE, align_face
from inkcast.vision.crops import to_tensor
from inkcast.vision.detector import ToonDetector, as_box
from inkcast.vision.onnx_net import OnnxNet

TOON_ZOOM = 0.7
"""A drawn face is known by its hair and hat too: the toon encoder's crops show half again what ArcFace's do."""


@dataclass(frozen=True)
class SeenFace:
    """`box` (x0, y0, x1, y1) and `points` [5, 2] (eyes, nose, mouth corners, from the picture's left) in px.

    `embedding` has length 1.
    """

    box: tuple[float, float, float, float]
    points: Float[np.ndarray, "5 2"]
    score: float
    embedding: Float[np.ndarray, " d"]

    @property
    def area(self) -> float:
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


class FaceReader(Protocol):
    """`dim` is the embedding's length; `read` gives every face of an RGB picture [height, width, 3], largest first."""

    @property
    def dim(self) -> int: ...

    def read(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[SeenFace, ...]: ...


@dataclass(frozen=True)
class ToonFaces:
    """The embedded detector and a face encoder, from their folders of weights. They know drawn faces only.

    The folder `encoder` holds the encoder that engines read, or the judge's, which none does.
    """

    detector: ToonDetector
    encoder: Path

    @cached_property
    def net(self) -> FaceEncoder | FaceJudge:
        return cast(FaceEncoder | FaceJudge, load_net(self.encoder))

    @property
    def dim(self) -> int:
        return self.net.dim

    @torch.no_grad()
    def embed(self, faces: UInt8[np.ndarray, "n s s 3"]) -> Float[np.ndarray, "n d"]:
        """Aligned faces (`net.side` px, `TOON_ZOOM`) as unit vectors."""
        return self.net(to_tensor(faces)).numpy()

    def read(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[SeenFace, ...]:
        faces = [item.face for item in self.detector.find(picture[None])[0] if item.face is not None]
        if not faces:
            return ()
        crops = np.stack([align_face(picture, face.points, self.net.side, TOON_ZOOM) for face in faces])
        seen = [
            SeenFace(face.box, face.points, face.score, vector)
            for face, vector in zip(faces, self.embed(crops), strict=True)
        ]
        return tuple(sorted(seen, key=lambda face: -face.area))


class ArcFace(nn.Module):
    """The encoder of an insightface pack with gradients: `net` reads pictures of 0 to 255 less `mean`, by `std`."""

    side = TEMPLATE_SIDE

    def __init__(self, net: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.net, self.mean, self.std = net, mean, std

    def forward(self, faces: Float[Tensor, "n 3 side side"]) -> Float[Tensor, "n d"]:
        """Upright RGB faces in [0, 1] as unit vectors."""
        return F.normalize(self.net((faces * 255 - self.mean) / self.std), dim=1)


@dataclass(frozen=True)
class InsightFaces:
    """insightface's detector and ArcFace encoder from a local model pack, such as buffalo_l (512-d, non-commercial).

    `pack` is the folder with the pack's .onnx files. Raises `BaseModelError` where it is missing (insightface itself
    would go to the network) and `MissingExtraError` without the extra `faces`.
    """

    pack: Path
    detection_side: int = 640
    dim: int = 512

    @cached_property
    def app(self) -> Any:
        if not any(self.pack.glob("*.onnx")):
            raise BaseModelError(f"{self.pack}: no .onnx files of an insightface pack; unpack buffalo_l there")
        try:
            from insightface.app import FaceAnalysis
        except ImportError as error:
            raise MissingExtraError("insightface", "faces", "reading real faces") from error
        try:
            app = FaceAnalysis(name=str(self.pack.resolve()), allowed_modules=["detection", "recognition"])
        except AssertionError as error:
            raise BaseModelError(f"{self.pack}: the insightface pack has no detection model") from error
        if "recognition" not in app.models:
            raise BaseModelError(f"{self.pack}: the insightface pack has no recognition model")
        app.prepare(ctx_id=-1, det_size=(self.detection_side, self.detection_side))
        return app

    @cached_property
    def net(self) -> ArcFace:
        """The pack's encoder as a torch module; raises as `OnnxNet`."""
        encoder = self.app.models["recognition"]
        return ArcFace(OnnxNet(Path(encoder.model_file)), float(encoder.input_mean), float(encoder.input_std))

    def read(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[SeenFace, ...]:
        faces = self.app.get(np.ascontiguousarray(picture[..., ::-1]))
        seen = [
            SeenFace(as_box(face.bbox), np.asarray(face.kps), float(face.det_score), face.normed_embedding)
            for face in faces
        ]
        return tuple(sorted(seen, key=lambda face: -face.area))
