"""Who is in a picture and how they stand: instance masks and skeletons, real models behind small protocols."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from inkcast.errors import BaseModelError
from inkcast.files import shown
from inkcast.vision.crops import to_tensor
from inkcast.vision.detector import ToonDetector

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# COCO's 17 points (nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left before right) in OpenPose's
# order without the neck, which OpenPose has second and puts between the shoulders.
OPENPOSE_OF_COCO = (0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
SHOULDERS = (5, 6)


@dataclass(frozen=True)
class Instance:
    """The pixels of one subject of a picture, its score in 0..1, and what it is, such as "person"."""

    mask: Bool[np.ndarray, "h w"]
    score: float
    label: str


class PeopleFinder(Protocol):
    """`find` gives the subjects of an RGB picture, from its left to its right; their masks do not overlap."""

    def find(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[Instance, ...]: ...


class PoseReader(Protocol):
    """`read` gives OpenPose's 18 points (x, y in px, score in 0..1) of the person in each box (x0, y0, x1, y1)."""

    def read(
        self, picture: UInt8[np.ndarray, "h w 3"], boxes: Float[np.ndarray, "n 4"]
    ) -> Float[np.ndarray, "n 18 3"]: ...


@dataclass(frozen=True)
class ToonPeople:
    """The embedded detector: its foreground, shared out among its boxes. Drawn subjects only."""

    detector: ToonDetector

    def find(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[Instance, ...]:
        found = self.detector.find(picture[None])[0]
        if not found:
            return ()
        foreground = self.detector.foreground(picture[None])[0]
        rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
        boxes = np.array([item.box for item in found])[:, :, None, None]
        x0, y0, x1, y1 = boxes.transpose(1, 0, 2, 3)
        # How far from the middle of each box a pixel is, in halves of the box: above 1 it lies outside.
        across = abs(columns - (x0 + x1) / 2) / np.maximum((x1 - x0) / 2, 1)
        down = abs(rows - (y0 + y1) / 2) / np.maximum((y1 - y0) / 2, 1)
        far = np.maximum(across, down)
        owner = np.where(foreground & (far.min(0) <= 1), far.argmin(0), -1)
        return in_order([Instance(owner == n, item.score, item.label) for n, item in enumerate(found)])


@dataclass(frozen=True)
class Mask2FormerPeople:
    """A `Mask2FormerForUniversalSegmentation` from a folder or hub id, such as
    facebook/mask2former-swin-large-coco-instance. `labels` are the classes to keep, as the model names them."""

    source: str
    device: str = "cpu"
    labels: tuple[str, ...] = ("person",)
    side: int = 800
    threshold: float = 0.7

    @cached_property
    def model(self) -> Any:
        from transformers import Mask2FormerForUniversalSegmentation

        model = load_model(Mask2FormerForUniversalSegmentation, self.source, "instance segmentation model", self.device)
        if missing := set(self.labels) - set(model.config.label2id):
            raise BaseModelError(f"{shown(self.source)} does not know {', '.join(sorted(missing))}; use a COCO model")
        return model

    @torch.no_grad()
    def find(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[Instance, ...]:
        height, width = picture.shape[:2]
        scale = self.side / min(height, width)
        size = [max(32, round(length * scale / 32) * 32) for length in (height, width)]
        x = F.interpolate(to_tensor(picture[None]), size=size, mode="bilinear", antialias=True)
        out = self.model(pixel_values=normal(x).to(self.device))
        odds = out.class_queries_logits[0].float().softmax(-1).cpu()
        wanted = torch.tensor([int(self.model.config.label2id[label]) for label in self.labels])
        scores, place = odds[:, wanted].max(-1)
        kept = (scores >= self.threshold).nonzero()[:, 0]
        if not len(kept):
            return ()
        logits = out.masks_queries_logits[0, kept.to(self.device)].float().cpu()
        masks = F.interpolate(logits[None], size=(height, width), mode="bilinear")[0].sigmoid()
        owner = torch.where(masks.amax(0) > 0.5, (masks * scores[kept, None, None]).argmax(0), -1).numpy()
        found = [
            Instance(owner == n, float(scores[query]), self.labels[int(place[query])])
            for n, query in enumerate(kept.tolist())
        ]
        return in_order(found)


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


def in_order(found: list[Instance]) -> tuple[Instance, ...]:
    """From left to right, without empty ones."""
    return tuple(
        sorted((item for item in found if item.mask.any()), key=lambda item: float(np.nonzero(item.mask)[1].mean()))
    )


def normal(pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """By ImageNet's mean and deviation."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in IMAGENET)
    return (pictures - mean) / std


def load_model(kind: Any, source: str | Path, what: str, device: str) -> Any:
    """A transformers model, frozen; raises `BaseModelError`."""
    try:
        model = kind.from_pretrained(source, dtype=torch.float32 if device == "cpu" else "auto")
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise BaseModelError(f"cannot load the {what} {shown(source)}: {reason}") from error
    return model.to(device).eval().requires_grad_(False)
