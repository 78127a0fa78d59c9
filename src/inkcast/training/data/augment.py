"""Rotation, cropping and padding of references, so that nothing is learned from their place (AnyStory 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, UInt8


@dataclass(frozen=True)
class Cut:
    """A subject on white, and where it is. "Zero padding" adds what the mask says is nothing: white, as all around."""

    picture: UInt8[np.ndarray, "h w 3"]
    mask: Bool[np.ndarray, "h w"]


@dataclass(frozen=True)
class Augmentation:
    """Each of the three happens to a share `share` of the references, each by itself.

    `degrees` either way; `crop` is the greatest part of each side that is cut off, of which at least the share `kept`
    of the subject must remain; `pad` the most that is added to each edge, in sides.
    """

    share: float = 0.5
    degrees: float = 15.0
    crop: float = 0.3
    kept: float = 0.5
    pad: float = 0.25

    def __call__(self, cut: Cut, rng: np.random.Generator) -> Cut:
        steps = (self._turned, self._cropped, self._padded)
        for step, wanted in zip(steps, rng.random(len(steps)) < self.share, strict=True):
            if wanted:
                cut = step(cut, rng)
        return cut

    def _turned(self, cut: Cut, rng: np.random.Generator) -> Cut:
        height, width = cut.mask.shape
        angle = rng.uniform(-self.degrees, self.degrees)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
        reach = abs(matrix[:, :2])
        size = np.ceil(reach @ np.array([width, height])).astype(int)  # so that no corner is lost
        matrix[:, 2] += (size - np.array([width, height])) / 2
        across, down = int(size[0]), int(size[1])
        picture = cv2.warpAffine(cut.picture, matrix, (across, down), borderValue=(255, 255, 255))
        mask = cv2.warpAffine(cut.mask.astype(np.uint8), matrix, (across, down), flags=cv2.INTER_NEAREST) > 0
        return Cut(picture, mask)

    def _cropped(self, cut: Cut, rng: np.random.Generator) -> Cut:
        height, width = cut.mask.shape
        rows, columns = (max(1, round(n * (1 - rng.uniform(0, self.crop)))) for n in (height, width))
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
        window = np.s_[top : top + rows, left : left + columns]
        if cut.mask[window].sum() < self.kept * cut.mask.sum():
            return cut
        return Cut(cut.picture[window], cut.mask[window])

    def _padded(self, cut: Cut, rng: np.random.Generator) -> Cut:
        longer = max(cut.mask.shape)
        top, bottom, left, right = (round(longer * x) for x in rng.uniform(0, self.pad, 4))
        edges = ((top, bottom), (left, right))
        return Cut(np.pad(cut.picture, (*edges, (0, 0)), constant_values=255), np.pad(cut.mask, edges))


def cut_from(picture: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]) -> Cut:
    """The subject alone, in its tight box; the mask must not be empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Cut(np.where(mask[window][..., None], picture[window], np.uint8(255)), mask[window])


def squared(cut: Cut, side: int) -> Cut:
    """In the middle of a white square of `side` px, as large as fits."""
    height, width = cut.mask.shape
    longer = max(height, width)
    top, left = (longer - height) // 2, (longer - width) // 2
    edges = ((top, longer - height - top), (left, longer - width - left))
    how = cv2.INTER_AREA if longer > side else cv2.INTER_LINEAR
    picture = cv2.resize(np.pad(cut.picture, (*edges, (0, 0)), constant_values=255), (side, side), interpolation=how)
    mask = cv2.resize(np.pad(cut.mask, edges).astype(np.float32), (side, side), interpolation=how)
    return Cut(picture, mask >= 0.5)
