"""What StoryMaker sees in a reference (section 4.2): the character on white, the aligned face, ArcFace's vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from inkcast.images import Reference
from inkcast.sdxl.image_encoder import ImageEncoder
from inkcast.vision.alignment import align_face
from inkcast.vision.crops import on_white, to_tensor
from inkcast.vision.face import FaceReader, SeenFace
from inkcast.vision.segment import How, Segmenter, cut_out

Crop = Literal["square", "squashed"]


@dataclass(frozen=True)
class Preparation:
    """How pictures are cut for the weights at hand.

    `crop`: the character in the middle of a white square, or its box squashed to a square (the published code).
    `zoom` of the aligned face: 1 is ArcFace's template; smaller shows more around it.
    """

    crop: Crop = "square"
    zoom: float = 1.0


@dataclass(frozen=True)
class Seen:
    """One reference as the encoders read it; `face` and `embedding` are None where no face was found."""

    character: UInt8[np.ndarray, "side side 3"]
    face: UInt8[np.ndarray, "side side 3"] | None
    embedding: Float[np.ndarray, " d"] | None
    how: How


@dataclass(frozen=True)
class Eyes:
    """The frozen encoders. Without a `segmenter` a busy picture is read whole."""

    clip: ImageEncoder
    faces: FaceReader
    segmenter: Segmenter | None = None
    preparation: Preparation = Preparation()

    def read(self, reference: Reference) -> Seen:
        picture, side = np.asarray(reference.image.convert("RGB")), self.clip.side
        cutout = cut_out(reference, self.segmenter)
        square = on_white if self.preparation.crop == "square" else squashed
        character = square(picture, cutout.mask, side)
        face = face_of(self.faces.read(picture), cutout.mask)
        if face is None:
            return Seen(character, None, None, cutout.how)
        aligned = aligned_face(picture, face.points, side, self.preparation.zoom)
        return Seen(character, aligned, np.asarray(face.embedding, dtype=np.float32), cutout.how)

    @property
    def nothing(self) -> Float[Tensor, "1 patches channels"]:
        """Features of zero, which the negative guidance row and dropped training rows are made of."""
        config = self.clip.model.config
        return torch.zeros(1, (config.image_size // config.patch_size) ** 2 + 1, self.clip.channels)

    def features(
        self, pictures: Sequence[UInt8[np.ndarray, "side side 3"]]
    ) -> Float[Tensor, "pictures patches channels"]:
        return self.clip.features(to_tensor(np.stack(pictures)))


def face_of(faces: Sequence[SeenFace], mask: Bool[np.ndarray, "h w"]) -> SeenFace | None:
    """The largest face whose middle lies on the subject, else the largest."""
    height, width = mask.shape

    def inside(face: SeenFace) -> bool:
        x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
        return bool(mask[min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)])

    return max(faces, key=lambda face: (inside(face), face.area), default=None)


def aligned_face(
    picture: UInt8[np.ndarray, "h w 3"], points: Float[np.ndarray, "5 2"], side: int, zoom: float
) -> UInt8[np.ndarray, "side side 3"]:
    """The upright face, black beyond the picture's edge as in insightface's `norm_crop`."""
    return align_face(np.pad(picture, ((1, 1), (1, 1), (0, 0))), np.asarray(points) + 1, side, zoom)


def squashed(
    picture: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"], side: int
) -> UInt8[np.ndarray, "side side 3"]:
    """The subject's box on white through a softened mask, squashed to a square, as the published code cuts it."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.full((side, side, 3), 255, dtype=np.uint8)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    soft = cv2.GaussianBlur(mask[box].astype(np.uint8) * 255, (5, 5), 0)[..., None] / 255.0
    white = (255 * (1 - soft) + soft * picture[box]).astype(np.uint8)
    return np.asarray(Image.fromarray(white).resize((side, side), Image.Resampling.BICUBIC))
