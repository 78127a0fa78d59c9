"""People in a picture, cut out so that an encoder can compare them with their references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import UInt8

from inkcast.images import Reference
from inkcast.vision.crops import on_white
from inkcast.vision.cutout import subject_mask
from inkcast.vision.detector import ToonDetector
from inkcast.vision.face import FaceReader

Box = tuple[float, float, float, float]


class PeopleFinder(Protocol):
    """`find` gives a square crop of everybody in an RGB picture, the surest first."""

    def find(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[UInt8[np.ndarray, "s s 3"], ...]: ...


def reference_crop(reference: Reference, side: int = 128) -> UInt8[np.ndarray, "side side 3"]:
    """The subject on white as far as the reference itself says where it is, else the whole picture on white."""
    return on_white(np.asarray(reference.image.convert("RGB")), subject_mask(reference), side)


@dataclass(frozen=True)
class ToonPeople:
    """The embedded detector's characters on white: its foreground inside each box."""

    detector: ToonDetector
    side: int = 128

    def find(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[UInt8[np.ndarray, "s s 3"], ...]:
        found = [item for item in self.detector.find(picture[None])[0] if item.label == "character"]
        foreground = self.detector.foreground(picture[None])[0] if found else None
        crops = []
        for item in found:
            inside = within(item.box, picture.shape)
            mask = inside if foreground is None or not (inside & foreground).any() else inside & foreground
            if mask.any():
                crops.append(on_white(picture, mask, self.side))
        return tuple(crops)


@dataclass(frozen=True)
class FacePeople:
    """Whoever has a face, as the part of the picture around it: `reach` face heights to each side and `below` down.

    For bases other than toon. ViStoryBench cuts people out by Grounding DINO; a person seen from behind is missed here.
    """

    faces: FaceReader
    side: int = 256
    reach: float = 1.5
    below: float = 4.0

    def find(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[UInt8[np.ndarray, "s s 3"], ...]:
        crops = []
        for face in self.faces.read(picture):
            x0, y0, x1, y1 = face.box
            tall = y1 - y0
            body = (x0 - self.reach * tall, y0 - 0.5 * tall, x1 + self.reach * tall, y1 + self.below * tall)
            mask = within(body, picture.shape)
            if mask.any():
                crops.append(on_white(picture, mask, self.side))
        return tuple(crops)


def within(box: Box, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels whose middles lie in the box."""
    rows, columns = np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5
    x0, y0, x1, y1 = box
    return ((rows >= y0) & (rows < y1))[:, None] & ((columns >= x0) & (columns < x1))[None]
