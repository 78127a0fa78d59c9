"""Pictures of the drawn world as training samples, drawn when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from inkcast.toon.dataset import sample_scene
from inkcast.toon.renderer import Rendering, render
from inkcast.toon.world import Split
from inkcast.training.objective import Sample, generator


def draw(seed: int, index: int, split: Split, size: int) -> Rendering:
    """Scene `index` of the endless list that `seed` and `split` name, drawn at `size` px."""
    return render(sample_scene(generator(seed, split, index), split), size)


def as_tensor(rendering: Rendering) -> Float[Tensor, "3 h w"]:
    """The picture in [-1, 1]."""
    return torch.from_numpy(rendering.image.copy()).permute(2, 0, 1).float() / 127.5 - 1


@dataclass(frozen=True)
class Pictures:
    """Samples `{"picture": [3, size, size] in [-1, 1]}`."""

    seed: int
    size: int
    split: Split = "train"

    def __getitem__(self, index: int) -> Sample:
        return {"picture": as_tensor(draw(self.seed, index, self.split, self.size))}
