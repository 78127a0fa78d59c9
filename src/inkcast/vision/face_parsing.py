"""Which pixels of a picture are face and which are hair: SegFormer's 19 classes, or a drawn head by its face points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, UInt8

from inkcast.errors import BaseModelError
from inkcast.files import shown
from inkcast.pretrained import load_pretrained
from inkcast.vision.crops import to_tensor
from inkcast.vision.detector import Face, ToonDetector

FACE_LABELS = frozenset(
    ("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip", "l_lip")
)
"""Of CelebAMask-HQ: glasses are of a face, earrings are not."""
HAIR_LABELS = frozenset({"hair"})
_SIDE = 512


@dataclass(frozen=True)
class FaceMasks:
    """All False where the parser sees none. No pixel is both."""

    face: Bool[np.ndarray, "h w"]
    hair: Bool[np.ndarray, "h w"]


class FaceParser(Protocol):
    """`parse` reads an RGB picture that shows one person."""

    def parse(self, picture: UInt8[np.ndarray, "h w 3"]) -> FaceMasks: ...


@dataclass(frozen=True)
class SegformerParser:
    """A SegFormer trained on CelebAMask-HQ, such as jonathandinu/face-parsing; `source` is a folder or a hub id.

    Classes are told by the names in its config. Raises `BaseModelError` where it is missing or names none of them.
    """

    source: str | Path
    device: str = "cpu"

    @cached_property
    def model(self) -> Any:
        from transformers import SegformerForSemanticSegmentation

        model = load_pretrained(SegformerForSemanticSegmentation, self.source, "face parser", dtype=torch.float32)
        if not {"skin", "hair"} <= {*model.config.id2label.values()}:
            raise BaseModelError(
                f"{shown(self.source)} names no skin and hair: use a SegFormer of CelebAMask-HQ's classes"
            )
        return model.to(self.device).requires_grad_(False)

    @torch.no_grad()
    def parse(self, picture: UInt8[np.ndarray, "h w 3"]) -> FaceMasks:
        model = self.model
        pixels = F.interpolate(
            to_tensor(picture[None]).to(self.device), (_SIDE, _SIDE), mode="bilinear", antialias=True
        )
        # ImageNet's statistics, as every published SegFormer was trained with.
        mean, std = (pixels.new_tensor(x).view(1, 3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        logits = model(pixel_values=(pixels - mean) / std).logits
        classes = F.interpolate(logits, size=picture.shape[:2], mode="bilinear").argmax(dim=1)[0].cpu().numpy()
        face, hair = (
            np.isin(classes, [number for number, label in model.config.id2label.items() if label in labels])
            for labels in (FACE_LABELS, HAIR_LABELS)
        )
        return FaceMasks(face, hair)


@dataclass(frozen=True)
class ToonFaceParser:
    """The largest drawn face: the ellipse in its box is face; what else is foreground around it, no lower than its
    chin, counts as hair (hats and ears too: a drawn face is known by them)."""

    detector: ToonDetector

    around = 0.6
    """How far the hair reaches beyond the face's box, in its sides."""

    def parse(self, picture: UInt8[np.ndarray, "h w 3"]) -> FaceMasks:
        faces = [found.face for found in self.detector.find(picture[None])[0] if found.face is not None]
        if not faces:
            nothing = np.zeros(picture.shape[:2], dtype=bool)
            return FaceMasks(nothing, nothing)
        foreground = self.detector.foreground(picture[None])[0]
        largest = max(faces, key=lambda face: (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]))
        return head_masks(largest, foreground, self.around)


def head_masks(face: Face, foreground: Bool[np.ndarray, "h w"], around: float) -> FaceMasks:
    x0, y0, x1, y1 = face.box
    center, radii = ((x0 + x1) / 2, (y0 + y1) / 2), ((x1 - x0) / 2, (y1 - y0) / 2)
    drawn = np.zeros(foreground.shape, dtype=np.uint8)
    cv2.ellipse(drawn, (center, (2 * radii[0], 2 * radii[1]), 0.0), 1, -1)
    oval = drawn.astype(bool)
    rows, columns = np.mgrid[: foreground.shape[0], : foreground.shape[1]] + 0.5
    reach_x, reach_y = around * (x1 - x0), around * (y1 - y0)
    near = (columns > x0 - reach_x) & (columns < x1 + reach_x) & (rows > y0 - reach_y) & (rows < y1)
    return FaceMasks(oval & foreground, near & foreground & ~oval)
