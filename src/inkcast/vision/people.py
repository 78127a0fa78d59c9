"""Who is in a picture: instance masks, real models behind a small protocol."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from inkcast.errors import BaseModelError
from inkcast.files import shown
from inkcast.pretrained import load_pretrained
from inkcast.vision.crops import to_tensor
from inkcast.vision.detector import ToonDetector

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Instance:
    """The pixels of one subject of a picture, its score in 0..1, and what it is, such as "person"."""

    mask: Bool[np.ndarray, "h w"]
    score: float
    label: str

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 of its pixels, half open."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


class PeopleFinder(Protocol):
    """`find` gives the subjects of an RGB picture, from its left to its right; their masks do not overlap."""

    def find(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[Instance, ...]: ...


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
    model = load_pretrained(kind, source, what, dtype=torch.float32 if device == "cpu" else "auto")
    return model.to(device).requires_grad_(False)
