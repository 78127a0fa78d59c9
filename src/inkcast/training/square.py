"""The square of a picture that is trained on, and who is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from PIL import Image

FEWEST = 0.002  # the share of the square that a subject must cover to be there


@dataclass(frozen=True)
class Square:
    """Original size (height, width) of a picture, its size when scaled, and where in that the square begins."""

    size: tuple[int, int]
    scaled: tuple[int, int]
    top: int
    left: int
    side: int

    def cut(self, image: Image.Image, how: Image.Resampling) -> np.ndarray:
        resized = image.resize((self.scaled[1], self.scaled[0]), how)
        return np.array(resized)[self.top : self.top + self.side, self.left : self.left + self.side]

    def seen(self, mask: Image.Image) -> Bool[np.ndarray, "side side"] | None:
        """What of a subject is in it, by the mask of its instance; None where that is as good as nothing."""
        found: np.ndarray = self.cut(mask, Image.Resampling.BILINEAR) >= 128
        return found if found.mean() >= FEWEST else None


def square_around(shape: tuple[int, ...], instances: Sequence[Bool[np.ndarray, "h w"]], side: int) -> Square:
    """The largest square of a picture, scaled to `side`, moved along the longer side to where the subjects are.

    Where not all of them fit it is around those of `middle`.
    """
    height, width = shape[0], shape[1]
    window = min(height, width)
    scale = side / window
    tall, wide = (max(side, round(length * scale)) for length in (height, width))
    top, left = (
        int(np.clip(round(middle(np.stack([one.sum(axis) for one in instances]), window) * scale - side / 2), 0, room))
        for axis, room in ((1, tall - side), (0, wide - side))
    )
    return Square((height, width), (tall, wide), top, left, side)


def middle(lines: Int[np.ndarray, "subjects length"], window: int) -> float:
    """The middle of the subjects that one window holds whole, as many as it can, else of what it holds of any.

    `lines` count each subject's pixels. Among windows that hold as many, the one with the most pixels is taken.
    """
    total = lines.sum(axis=1, keepdims=True)
    if not total.any():
        return lines.shape[1] / 2
    until = np.pad(lines.cumsum(axis=1), ((0, 0), (1, 0)))
    held = until[:, window:] - until[:, :-window]
    whole = (held == total) & (held > 0)
    worth = whole.sum(axis=0) + held.sum(axis=0) / (total.sum() + 1)
    best = np.flatnonzero(worth == worth.max())
    first = int(best[len(best) // 2])
    chosen = whole[:, first] if whole[:, first].any() else held[:, first] > 0
    found = first + np.flatnonzero(lines[chosen, first : first + window].any(axis=0))
    return float(found[0] + found[-1] + 1) / 2
