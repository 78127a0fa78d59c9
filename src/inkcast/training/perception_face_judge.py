"""Training the judge of faces: a second encoder, for evaluation only, of another architecture, seed and loss."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from inkcast.errors import TrainingError
from inkcast.toon.nets import FaceJudge
from inkcast.training.objective import generator
from inkcast.training.perception_augment import degrade
from inkcast.training.perception_data import RenderedSet
from inkcast.training.perception_face import FaceParameters, aligned, readable
from inkcast.training.perception_objective import NetObjective
from inkcast.training.recipe import Recipe


class Parameters(FaceParameters):
    """Faces as the encoder's; `temperature` of the contrast between them."""

    temperature: float = Field(0.1, gt=0)


class PairSource:
    """Sample `index`: two aligned pictures `faces` [2, 48, 48, 3] of one face, and its number.

    Raises `TrainingError` where no face is in two pictures.
    """

    def __init__(self, data: RenderedSet, smallest: float, seed: int) -> None:
        self.data, self.seed = data, seed
        rows = readable(data.rows, smallest)
        self.rows = rows[np.argsort(rows["identity"], kind="stable")]
        numbers, first, counts = np.unique(self.rows["identity"], return_index=True, return_counts=True)
        self.numbers, self.first, self.counts = (each[counts > 1] for each in (numbers, first, counts))
        if not len(self.numbers):
            raise TrainingError("no face is in two of the pictures: draw more with --set parameters.pictures=...")

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = generator(self.seed, "faces", index)
        k = rng.integers(len(self.numbers))
        chosen = self.first[k] + rng.choice(self.counts[k], 2, replace=False)
        faces = [aligned(self.data, self.rows[row], rng.normal(0, 0.03, (5, 2))) for row in chosen]
        return {"faces": torch.from_numpy(np.stack(faces)), "identity": torch.tensor(int(self.numbers[k]))}


def contrast(
    vectors: Float[Tensor, "n d"], identity: Int[Tensor, " n"], temperature: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Supervised contrast (Khosla et al. 2020, arXiv:2004.11362, eq. 2), and how often the nearest other vector is of
    the same face. Every face must be there twice."""
    alone = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    similar = (vectors.float() @ vectors.float().T / temperature).masked_fill(alone, -torch.inf)
    own = (identity[:, None] == identity[None]) & ~alone
    told = F.log_softmax(similar, dim=1).masked_fill(~own, 0)
    right = own.gather(1, similar.argmax(1, keepdim=True))
    return -(told.sum(1) / own.sum(1)).mean(), right.float().mean()


class FaceJudgeModule(nn.Module):
    def __init__(self, temperature: float, degraded: float) -> None:
        super().__init__()
        self.net = FaceJudge()
        self.temperature, self.degraded = temperature, degraded

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        faces = rearrange(batch["faces"], "b two h w c -> (two b) c h w").float() / 255
        vectors = self.net(degrade(faces, self.degraded))
        loss, right = contrast(vectors, batch["identity"].repeat(2), self.temperature)
        return {"loss": loss, "accuracy": right}


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> NetObjective:
    source = PairSource(parameters.open(), parameters.smallest, recipe.seed)
    return NetObjective(FaceJudgeModule(parameters.temperature, parameters.degraded).to(device), source)
