"""Reading the toon detector's maps: who and what is in a picture, where each face is, and what is foreground."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from inkcast.toon.nets import Detections, Detector
from inkcast.toon.nets import load_net as load_toon_net
from inkcast.vision.crops import scaled, to_tensor

SIDE = 128
LONGEST = 160.0


@dataclass(frozen=True)
class Face:
    """`box` (x0, y0, x1, y1) and `points` [5, 2] (eyes, nose, mouth corners, from the picture's left) in px."""

    box: tuple[float, float, float, float]
    points: Float[np.ndarray, "5 2"]
    score: float


@dataclass(frozen=True)
class Found:
    """A character or a thing: `box` in px, `score` in 0..1, and the face if one was seen."""

    label: str
    box: tuple[float, float, float, float]
    score: float
    face: Face | None = None


def iou(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of every pair of boxes."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = (high - low).clip(min=0).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (a, b)]
    return both / (areas[0][:, None] + areas[1][None] - both).clip(min=1e-9)


def suppress(boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"], overlap: float) -> list[int]:
    """Greedy non-maximum suppression: places to keep, best first."""
    kept: list[int] = []
    pairs = iou(boxes, boxes)
    for place in np.argsort(-scores, kind="stable").tolist():
        if all(pairs[place, other] <= overlap for other in kept):
            kept.append(place)
    return kept


def peaks(heat: Float[Tensor, "c h w"], threshold: float) -> list[tuple[int, int, int, float]]:
    """(class, row, column, score) of every cell that is the greatest of its 3 x 3 neighbours and above `threshold`."""
    score = heat.sigmoid()
    top = (score == F.max_pool2d(score[None], 3, 1, 1)[0]) & (score > threshold)
    return [(int(c), int(y), int(x), float(score[c, y, x])) for c, y, x in top.nonzero().tolist()]


def decode(
    maps: Detections, index: int, threshold: float = 0.3, overlap: float = 0.6, scale: tuple[float, float] = (1.0, 1.0)
) -> tuple[Found, ...]:
    """Everything found in picture `index` of the batch, best first; `scale` (x, y) carries 128 px onto its own size.

    A character's face is the found face nearest to where the character's cell says its face is, within that face's
    longer side; each face serves one character.
    """
    heat, size, offset, points, to_face = (
        part[index].float() for part in (maps.heat, maps.size, maps.offset, maps.points, maps.face)
    )
    stretch = np.array(scale) * Detector.stride
    found: dict[int, list[tuple[np.ndarray, float, np.ndarray, np.ndarray]]] = {0: [], 1: [], 2: []}
    for label, y, x, score in peaks(heat, threshold):
        center = np.array([x, y]) + offset[:, y, x].numpy()
        sides = np.minimum(np.exp(size[:, y, x].numpy()), LONGEST / Detector.stride)
        five = center + points[:, y, x].numpy().reshape(5, 2) * sides
        box = np.concatenate([center - sides / 2, center + sides / 2])
        found[label].append((box, score, five, np.array([x, y]) + to_face[:, y, x].numpy()))
    for label, items in found.items():
        if items:
            kept = suppress(np.stack([item[0] for item in items]), np.array([item[1] for item in items]), overlap)
            found[label] = [items[k] for k in kept]
    faces = {
        k: Face(as_box(box * np.tile(stretch, 2)), five * stretch, score)
        for k, (box, score, five, _) in enumerate(found[2])
    }
    result: list[Found] = []
    for box, score, _, expected in found[0]:
        best = min(faces, key=lambda k: _distance(found[2][k][0], expected), default=None)
        near = best is not None and _distance(found[2][best][0], expected) <= 1.0
        face = faces.pop(best) if near and best is not None else None
        result.append(Found("character", as_box(box * np.tile(stretch, 2)), score, face))
    result += [Found("thing", as_box(box * np.tile(stretch, 2)), score) for box, score, _, _ in found[1]]
    return tuple(sorted(result, key=lambda item: -item.score))


def _distance(box: np.ndarray, point: np.ndarray) -> float:
    """From the box's middle to the point, in the box's longer sides."""
    return float(np.linalg.norm((box[:2] + box[2:]) / 2 - point) / max(*(box[2:] - box[:2]), 1e-6))


def as_box(values: np.ndarray) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(value) for value in values)
    return x0, y0, x1, y1


@dataclass(frozen=True)
class ToonDetector:
    """The embedded detector from a folder of weights."""

    folder: Path

    @cached_property
    def net(self) -> Detector:
        return cast(Detector, load_toon_net(self.folder))

    @torch.no_grad()
    def find(self, pictures: UInt8[np.ndarray, "n h w 3"], threshold: float = 0.3) -> list[tuple[Found, ...]]:
        """Per picture what is in it, boxes in the picture's own pixels."""
        height, width = pictures.shape[1:3]
        maps = self.net(scaled(to_tensor(pictures), SIDE))
        return [decode(maps, k, threshold, scale=(width / SIDE, height / SIDE)) for k in range(len(pictures))]

    @torch.no_grad()
    def see(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[tuple[Found, ...], Bool[np.ndarray, "h w"]]:
        """`find` and `foreground` of one picture, in one pass."""
        height, width = picture.shape[:2]
        maps = self.net(scaled(to_tensor(picture[None]), SIDE))
        mask = F.interpolate(maps.mask.sigmoid(), size=(height, width), mode="bilinear")[0, 0] > 0.5
        return decode(maps, 0, scale=(width / SIDE, height / SIDE)), mask.numpy()

    @torch.no_grad()
    def foreground(self, pictures: UInt8[np.ndarray, "n h w 3"]) -> Bool[np.ndarray, "n h w"]:
        """Per picture which pixels belong to a subject."""
        mask = self.net(scaled(to_tensor(pictures), SIDE)).mask.sigmoid()
        return (F.interpolate(mask, size=pictures.shape[1:3], mode="bilinear")[:, 0] > 0.5).numpy()
