"""Encoding what a sample holds: pictures, masks, embeddings as files, and the small measures taken on the way."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from inkcast.errors import TrainingError
from inkcast.images import encode_png
from inkcast.training.data.schema import Box, Face, StoredPicture
from inkcast.vision.face import SeenFace


class UnusableError(TrainingError):
    """A sample that is read but cannot be trained on; it is set aside with this reason."""


@dataclass(frozen=True)
class Encoding:
    """How pictures are stored: `quality` for jpeg and webp; the longer side at most `max_side` px.

    A subject must cover at least the share `fewest` of its picture.
    """

    format: Literal["jpeg", "webp", "png"] = "jpeg"
    quality: int = 95
    max_side: int = 2048
    fewest: float = 0.003

    def encode(self, picture: UInt8[np.ndarray, "h w 3"]) -> bytes:
        image = Image.fromarray(np.ascontiguousarray(picture))
        if self.format == "png":
            return encode_png(image)
        stream = io.BytesIO()
        options = {"subsampling": 0} if self.format == "jpeg" else {"method": 4}
        image.save(stream, self.format, quality=self.quality, **options)
        return stream.getvalue()

    @property
    def suffix(self) -> str:
        return "jpg" if self.format == "jpeg" else self.format

    def scale(self, size: tuple[int, int]) -> float:
        """What a picture (width, height) is scaled by."""
        return min(1.0, self.max_side / max(size))


@dataclass
class Files:
    """The files of one sample, as they are gathered."""

    encoding: Encoding
    found: dict[str, bytes] = field(default_factory=dict)

    def picture(self, name: str, picture: UInt8[np.ndarray, "h w 3"], caption: str) -> StoredPicture:
        file = f"{name}.{self.encoding.suffix}"
        self.found[file] = self.encoding.encode(picture)
        return StoredPicture(file=file, width=picture.shape[1], height=picture.shape[0], caption=caption)

    def mask(self, name: str, mask: Bool[np.ndarray, "h w"]) -> str:
        file = f"{name}.mask.png"
        self.found[file] = encode_png(Image.fromarray(mask.astype(np.uint8) * 255))
        return file

    def face(
        self, name: str, points: Float[np.ndarray, "5 2"], embedding: Float[np.ndarray, " d"] | None = None
    ) -> Face:
        file = None
        if embedding is not None:
            file, stream = f"{name}.face.npy", io.BytesIO()
            np.save(stream, (embedding / max(float(np.linalg.norm(embedding)), 1e-12)).astype(np.float32))
            self.found[file] = stream.getvalue()
        a, b, c, d, e = ((round(float(x), 2), round(float(y), 2)) for x, y in points)
        return Face(points=(a, b, c, d, e), embedding=file)


def flat(image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    """Without alpha: what shows through is white."""
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def resized(picture: UInt8[np.ndarray, "h w 3"], encoding: Encoding) -> UInt8[np.ndarray, "h w 3"]:
    scale = encoding.scale((picture.shape[1], picture.shape[0]))
    if scale == 1.0:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def resized_mask(mask: Bool[np.ndarray, "h w"], shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    if mask.shape == tuple(shape):
        return mask
    image = Image.fromarray(mask.astype(np.uint8) * 255).resize((shape[1], shape[0]), Image.Resampling.BOX)
    return np.asarray(image) >= 128


def scaled(
    picture: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"], encoding: Encoding
) -> tuple[UInt8[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"]]:
    smaller = resized(picture, encoding)
    return smaller, resized_mask(mask, smaller.shape[:2])


def check_area(mask: Bool[np.ndarray, "h w"], encoding: Encoding, name: str) -> None:
    if mask.mean() < encoding.fewest:
        raise UnusableError(
            f"{name} covers only {mask.mean():.2%} of the picture; at least {encoding.fewest:.2%} is needed"
        )


def box_of(mask: Bool[np.ndarray, "h w"]) -> Box:
    """The tight box of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise UnusableError("a mask is empty")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def face_inside(faces: Sequence[SeenFace], mask: Bool[np.ndarray, "h w"]) -> SeenFace | None:
    """The largest face whose middle lies on the mask."""
    for face in sorted(faces, key=lambda face: -face.area):
        x, y = (int((face.box[k] + face.box[k + 2]) / 2) for k in (0, 1))
        if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x]:
            return face
    return None


def skeleton_of(points: Float[np.ndarray, "18 3"], least: float = 0.3) -> tuple[tuple[float, float, float], ...]:
    """Points with a score (x, y, score) as points that are seen or not."""
    return tuple((round(float(x), 2), round(float(y), 2), float(score >= least)) for x, y, score in points)
