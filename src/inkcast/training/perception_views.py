"""Pairs of independent pictures of one subject on white: what CLIP's vision tower and the judge learn from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from inkcast.toon.labels import SUBJECT_HEADS
from inkcast.training.objective import generator
from inkcast.training.perception_data import SHEET_SIDE, RenderedSet, SetSpec, rendered_set
from inkcast.training.recipe import Table
from inkcast.vision.crops import on_white

LENGTH = 40


class ViewParameters(Table):
    """Subjects of `pictures` scenes; for cut-outs under `fewest` visible pixels, reference pictures stand in."""

    pictures: int = Field(12000, ge=1)
    data_seed: int = 5
    fewest: int = Field(250, ge=1)
    degraded: float = Field(0.4, ge=0, le=1)
    temperature: float = Field(0.07, gt=0)
    cache: Path = Path("runs/data")
    workers: int = Field(0, ge=0)

    def open(self) -> RenderedSet:
        return rendered_set(self.cache, SetSpec(self.pictures, self.data_seed, "train", views=True), self.workers)


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def vocabulary(captions: Iterable[str]) -> dict[str, int]:
    """Every word with its number, from 1 on, in alphabetical order."""
    words = sorted({word for caption in captions for word in words_of(caption)})
    return {word: number for number, word in enumerate(words, start=1)}


class ViewSource:
    """Sample `index`: pictures `a` and `b` of one subject [64, 64, 3] uint8, its labels and its description's words.

    One view is the front reference; the other a cut-out of a scene, or the other reference. Both are turned, moved and
    scaled a little.
    """

    def __init__(self, data: RenderedSet, fewest: int, seed: int) -> None:
        self.data, self.fewest, self.seed = data, fewest, seed
        self.words = vocabulary(data.captions)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = generator(self.seed, "views", index)
        number = int(rng.integers(len(self.data.rows)))
        row = self.data.rows[number]
        front, other = self.data.views[number]
        if row["pixels"] >= self.fewest and rng.random() < 0.75:
            mask = self.data.instances[row["picture"]] == row["instance"]
            other = on_white(self.data.pictures[row["picture"]], mask, SHEET_SIDE)
        numbers = [self.words[word] for word in words_of(self.data.captions[number])][:LENGTH]
        return {
            "a": torch.from_numpy(moved(front, rng)),
            "b": torch.from_numpy(moved(other, rng)),
            "look": torch.from_numpy(row["labels"][: len(SUBJECT_HEADS)].astype("int64")),
            "words": torch.tensor(numbers + [0] * (LENGTH - len(numbers))),
        }


def moved(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turned by up to 12 degrees, scaled by 0.75 to 1.1, shifted by up to a tenth, on white."""
    side = picture.shape[0]
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), float(rng.uniform(-12, 12)), float(rng.uniform(0.75, 1.1)))
    matrix[:, 2] += rng.uniform(-0.1, 0.1, 2) * side
    return cv2.warpAffine(np.ascontiguousarray(picture), matrix, (side, side), borderValue=(255, 255, 255))


def agreement(a: Float[Tensor, "b d"], b: Float[Tensor, "b d"], temperature: float) -> tuple[Tensor, Tensor]:
    """InfoNCE both ways between unit vectors (van den Oord et al. 2018), and how often a finds its b."""
    similar = a.float() @ b.float().T / temperature
    own = torch.arange(len(a), device=a.device)
    loss = (F.cross_entropy(similar, own) + F.cross_entropy(similar.T, own)) / 2
    return loss, (similar.argmax(1) == own).float().mean()
