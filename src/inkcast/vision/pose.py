"""How people stand: OpenPose's 18 points, read off pictures by a pose model, and drawn as the maps ControlNets read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from inkcast.vision.crops import to_tensor
from inkcast.vision.people import PeopleFinder, load_model, normal

# COCO's 17 points (nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left before right) in OpenPose's
# order without the neck, which OpenPose has second and puts between the shoulders.
OPENPOSE_OF_COCO = (0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
SHOULDERS = (5, 6)
# fmt: off
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)
COLORS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255),
    (255, 0, 170), (255, 0, 85),
)
# fmt: on


def pose_map(skeletons: Sequence[Float[np.ndarray, "18 3"]], size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """Draws skeletons (x, y in px of a picture of `size`, height and width, and whether seen); limbs at 0.6 of their
    colour's strength.
    """
    canvas = np.zeros((*size, 3), np.uint8)
    thick = max(1, round(min(size) / 128))
    for points in skeletons:
        for number, (a, b) in enumerate(LIMBS):
            if points[a, 2] > 0 and points[b, 2] > 0:
                color = tuple(int(0.6 * value) for value in COLORS[number])
                cv2.line(canvas, _pixel(points[a]), _pixel(points[b]), color, thick, cv2.LINE_AA)
    for points in skeletons:
        for point, color in zip(points, COLORS, strict=True):
            if point[2] > 0:
                cv2.circle(canvas, _pixel(point), thick, color, -1, cv2.LINE_AA)
    return canvas


def _pixel(point: Float[np.ndarray, 3]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def is_pose_map(picture: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether a picture is such a map already: coloured strokes on black, where a photograph, at night too, is not."""
    brightest, dimmest = picture.max(-1).astype(int), picture.min(-1).astype(int)
    strokes = brightest > 48
    coloured = strokes & (brightest - dimmest > 0.6 * brightest)
    return bool((brightest <= 8).mean() > 0.6 and strokes.any() and coloured.sum() > 0.8 * strokes.sum())


class PoseReader(Protocol):
    """`read` gives OpenPose's 18 points (x, y in px, score in 0..1) of the person in each box (x0, y0, x1, y1)."""

    def read(
        self, picture: UInt8[np.ndarray, "h w 3"], boxes: Float[np.ndarray, "n 4"]
    ) -> Float[np.ndarray, "n 18 3"]: ...


@dataclass(frozen=True)
class VitPose:
    """A `VitPoseForPoseEstimation` of COCO's 17 points from a folder or hub id, such as
    usyd-community/vitpose-base-simple."""

    source: str
    device: str = "cpu"
    margin: float = 1.25

    @cached_property
    def model(self) -> Any:
        from transformers import VitPoseForPoseEstimation

        return load_model(VitPoseForPoseEstimation, self.source, "pose model", self.device)

    @torch.no_grad()
    def read(self, picture: UInt8[np.ndarray, "h w 3"], boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 18 3"]:
        if not len(boxes):
            return np.zeros((0, 18, 3))
        height, width = self.model.config.backbone_config.image_size
        crops, origins, steps = [], [], []
        for x0, y0, x1, y1 in np.asarray(boxes, dtype=np.float64):
            # Pixels of the picture per pixel of the crop, the same both ways: the box fits, whatever its shape.
            step = max((x1 - x0) / width, (y1 - y0) / height) * self.margin
            origin = np.array([(x0 + x1 - step * width) / 2, (y0 + y1 - step * height) / 2])
            matrix = np.array([[step, 0, origin[0] + step / 2 - 0.5], [0, step, origin[1] + step / 2 - 0.5]])
            crops.append(
                cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            )
            origins.append(origin)
            steps.append(step)
        heat = self.model(pixel_values=normal(to_tensor(np.stack(crops))).to(self.device)).heatmaps.float().cpu()
        scale = np.array([width / heat.shape[-1], height / heat.shape[-2]])
        points = peaks_of(heat)
        points[..., :2] = points[..., :2] * scale * np.array(steps)[:, None, None] + np.array(origins)[:, None]
        return openpose(points)


def peaks_of(heat: Float[Tensor, "n k h w"]) -> Float[np.ndarray, "n k 3"]:
    """Where each map is greatest (x, y of that cell's middle, in cells), and how great, in 0..1."""
    score, place = rearrange(heat, "n k h w -> n k (h w)").max(-1)
    y, x = place // heat.shape[-1], place % heat.shape[-1]
    return torch.stack([x + 0.5, y + 0.5, score.clamp(0, 1)], dim=-1).double().numpy()


def openpose(coco: Float[np.ndarray, "n 17 3"]) -> Float[np.ndarray, "n 18 3"]:
    """COCO's points in OpenPose's order; the neck is between the shoulders, as sure as the less sure of them."""
    shoulders = coco[:, SHOULDERS]
    neck = np.concatenate([shoulders[..., :2].mean(1), shoulders[..., 2].min(1)[:, None]], axis=-1)
    ordered = coco[:, OPENPOSE_OF_COCO]
    return np.concatenate([ordered[:, :1], neck[:, None], ordered[:, 1:]], axis=1)


@dataclass(frozen=True)
class PoseEyes:
    """Finds people and reads how they stand; a point is drawn where its score is at least `threshold`."""

    people: PeopleFinder
    poses: PoseReader
    threshold: float = 0.3

    def map_of(self, picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"] | None:
        """The pose map of everybody in a picture; None where nobody is."""
        found = self.people.find(picture)
        if not found:
            return None
        points = self.poses.read(picture, np.array([instance.box for instance in found], np.float64))
        points[..., 2] = points[..., 2] >= self.threshold
        return pose_map(list(points), picture.shape[:2])
