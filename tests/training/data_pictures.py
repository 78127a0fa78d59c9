"""Tiny real pictures on disk, and tools that answer without a net: what the tests of training data are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from inkcast.training.data.tools import Tools
from inkcast.vision.face import SeenFace
from inkcast.vision.people import Instance

POINTS = np.array([[4.0, 4], [8, 4], [6, 6], [5, 8], [7, 8]])


def painted(seed: int, boxes: Sequence[tuple[int, int, int, int]], size: tuple[int, int] = (40, 32)) -> np.ndarray:
    """A picture (width, height) of noise with a block of one colour in each box."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 128, (size[1], size[0], 3), dtype=np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        picture[y0:y1, x0:x1] = (200, 40 + 60 * number, 30)
    return picture


def mask_of(box: tuple[int, int, int, int], size: tuple[int, int] = (40, 32)) -> np.ndarray:
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    return mask


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def subject_tree(root: Path, subjects: int = 4, views: int = 3) -> Path:
    """A folder for each subject, with pictures, masks and captions."""
    for number in range(subjects):
        folder = root / f"subject-{number}"
        for view in range(views):
            box = (4 + 3 * view, 5, 20 + 3 * view, 28)
            save(folder / f"{view}.png", painted(10 * number + view, [box]))
            save(folder / f"{view}.mask.png", mask_of(box))
            (folder / f"{view}.txt").write_text(f"subject {number},\nview {view}\n")
        (folder / "label.txt").write_text("block")
    return root


@dataclass(frozen=True)
class Blocks:
    """Finds the blocks that `painted` draws, and calls their upper left corner a face."""

    dim: int = 8

    def segment(self, picture: np.ndarray) -> np.ndarray:
        return self._like(picture, 0)

    def find(self, picture: np.ndarray) -> tuple[Instance, ...]:
        masks = [self._like(picture, number) for number in range(3)]
        return tuple(Instance(mask, 0.9, "block") for mask in masks if mask.any())

    def read(self, picture: np.ndarray) -> tuple[SeenFace, ...]:
        faces = []
        for number, one in enumerate(self.find(picture)):
            rows, columns = np.nonzero(one.mask)
            x, y = float(columns.min()), float(rows.min())
            box = (x, y, x + 6, y + 6)
            faces.append(SeenFace(box, np.array([[x, y]] * 5) + 1, 0.9, np.eye(self.dim)[number]))
        return tuple(faces)

    def caption(self, picture: np.ndarray, label: str = "") -> str:
        return f"a {label or 'thing'} of {picture.shape[1]} x {picture.shape[0]}"

    def _like(self, picture: np.ndarray, number: int) -> np.ndarray:
        return (abs(picture.astype(int) - (200, 40 + 60 * number, 30)) < 20).all(-1)


@dataclass(frozen=True)
class Standing:
    """Everybody stands in the middle of the box, nose at its top."""

    def read(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        points = np.zeros((len(boxes), 18, 3))
        points[:, :, 0] = boxes[:, [0, 2]].mean(1)[:, None]
        points[:, :, 1] = boxes[:, 1:2] + np.linspace(0, 1, 18) * (boxes[:, 3:] - boxes[:, 1:2])
        points[:, :17, 2] = 1.0
        return points


@dataclass(frozen=True)
class BlockTools:
    """All tools, answered by `Blocks` and `Standing`; importable by name, for worker processes."""

    def load(self) -> Tools:
        blocks = Blocks()
        return Tools(segmenter=blocks, faces=blocks, people=blocks, poses=Standing(), captioner=blocks)
