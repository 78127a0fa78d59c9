"""Asking the oracle: what a picture of the drawn world shows, and what each subject in it looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from inkcast.toon.labels import LOOK_HEADS, SCENE_HEADS
from inkcast.toon.nets import Oracle, load_net
from inkcast.vision.crops import crop_boxes, scaled, to_tensor

BATCH = 64
SIDE = 128


@dataclass(frozen=True)
class SceneReading:
    """One word per question of `SCENE_HEADS` ("count" is a numeral)."""

    words: Mapping[str, str]


@dataclass(frozen=True)
class LookReading:
    """The probability of every value of every question of `LOOK_HEADS`."""

    odds: Mapping[str, Float[np.ndarray, " values"]]

    def word(self, name: str) -> str:
        return LOOK_HEADS[name][int(self.odds[name].argmax())]

    def probability(self, name: str, value: str) -> float:
        return float(self.odds[name][LOOK_HEADS[name].index(value)])


@dataclass(frozen=True)
class OracleReader:
    """The oracle from its folder of weights. Pictures are uint8 RGB; other sizes than 128 px are scaled for it.

    Each answer is the mean of the odds that it reads off the picture and off its mirror image.
    """

    folder: Path

    @cached_property
    def net(self) -> Oracle:
        return cast(Oracle, load_net(self.folder))

    @torch.no_grad()
    def scenes(self, pictures: UInt8[np.ndarray, "n h w 3"]) -> list[SceneReading]:
        readings = []
        for start in range(0, len(pictures), BATCH):
            x = scaled(to_tensor(pictures[start : start + BATCH]), SIDE)
            readings += _scene_readings(mean_odds(self.net.scene(x), self.net.scene(x.flip(-1))))
        return readings

    @torch.no_grad()
    def looks(
        self, pictures: UInt8[np.ndarray, "n h w 3"], boxes: Sequence[Sequence[tuple[float, float, float, float]]]
    ) -> list[list[LookReading]]:
        """Per picture, one reading per box (x0, y0, x1, y1 in px)."""
        places = [(picture, box) for picture, own in enumerate(boxes) for box in own]
        answers: list[list[LookReading]] = [[] for _ in boxes]
        for start in range(0, len(places), BATCH):
            part = places[start : start + BATCH]
            x = to_tensor(pictures[[picture for picture, _ in part]])
            crops = crop_boxes(x, torch.tensor([box for _, box in part], dtype=torch.float32), self.net.look.side)
            odds = mean_odds(self.net.look(crops), self.net.look(crops.flip(-1)))
            for row, (picture, _) in enumerate(part):
                answers[picture].append(LookReading({name: values[row].numpy() for name, values in odds.items()}))
        return answers


def mean_odds(seen: Mapping[str, Tensor], mirrored: Mapping[str, Tensor]) -> dict[str, Float[Tensor, "b values"]]:
    """The mean of two readings' odds, from their logits by question."""
    return {name: (seen[name].softmax(1) + mirrored[name].softmax(1)) / 2 for name in seen}


def _scene_readings(odds: Mapping[str, Tensor]) -> list[SceneReading]:
    best = {name: odds[name].argmax(1).tolist() for name in SCENE_HEADS}
    return [
        SceneReading({name: SCENE_HEADS[name][best[name][row]] for name in SCENE_HEADS})
        for row in range(len(odds["place"]))
    ]
