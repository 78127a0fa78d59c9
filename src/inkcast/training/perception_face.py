"""Training the face encoder: a few hundred faces, each in many pictures, told apart by an additive angular margin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from pydantic import Field
from torch import Tensor, nn

from inkcast.toon.labels import ABSENT
from inkcast.toon.nets import FaceEncoder, arc_face
from inkcast.training.objective import generator
from inkcast.training.perception_augment import degrade
from inkcast.training.perception_data import RenderedSet, SetSpec, rendered_set
from inkcast.training.perception_objective import NetObjective
from inkcast.training.recipe import Recipe, Table
from inkcast.vision.alignment import align_face
from inkcast.vision.face import TOON_ZOOM


class FaceParameters(Table):
    """`identities` faces in `pictures` near shots; faces whose shorter side is under `smallest` px are left out."""

    identities: int = Field(600, ge=2)
    pictures: int = Field(9000, ge=1)
    data_seed: int = 3
    smallest: float = Field(12.0, gt=0)
    degraded: float = Field(0.5, ge=0, le=1)
    cache: Path = Path("runs/data")
    workers: int = Field(0, ge=0)

    def open(self) -> RenderedSet:
        spec = SetSpec(self.pictures, self.data_seed, "train", identities=self.identities)
        return rendered_set(self.cache, spec, self.workers)


class Parameters(FaceParameters):
    """`margin` in radians and `scale` as in ArcFace."""

    margin: float = Field(0.35, ge=0)
    scale: float = Field(24.0, gt=0)


def readable(rows: np.ndarray, smallest: float) -> np.ndarray:
    """The rows with a numbered face that is seen, has its five points, and is large enough."""
    sides = (rows["face"][:, 2:] - rows["face"][:, :2]).min(1)
    return rows[(rows["identity"] != ABSENT) & ~np.isnan(rows["points"]).any((1, 2)) & (sides >= smallest)]


def aligned(data: RenderedSet, row: np.void, jitter: np.ndarray | float = 0.0) -> np.ndarray:
    """The row's face as the encoder sees it; `jitter` moves the points, in shares of the face's sides."""
    sides = row["face"][2:] - row["face"][:2]
    return align_face(data.pictures[row["picture"]], row["points"] + jitter * sides, FaceEncoder.side, TOON_ZOOM)


class FaceSource:
    """Sample `index`: one aligned face and its number."""

    def __init__(self, data: RenderedSet, smallest: float, seed: int) -> None:
        self.data, self.seed = data, seed
        self.rows = readable(data.rows, smallest)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = generator(self.seed, "face", index)
        row = self.rows[rng.integers(len(self.rows))]
        face = aligned(self.data, row, rng.normal(0, 0.03, (5, 2)))
        return {"face": torch.from_numpy(face), "identity": torch.tensor(int(row["identity"]))}


class FaceModule(nn.Module):
    def __init__(self, identities: int, margin: float, scale: float, degraded: float) -> None:
        super().__init__()
        self.net = FaceEncoder()
        self.prototypes = nn.Parameter(torch.randn(identities, 128))
        self.margin, self.scale, self.degraded = margin, scale, degraded

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        faces = degrade(rearrange(batch["face"], "b h w c -> b c h w").float() / 255, self.degraded)
        cosine = self.net(faces).float() @ F.normalize(self.prototypes, dim=-1).T
        right = (cosine.argmax(1) == batch["identity"]).float().mean()
        return {"loss": arc_face(cosine, batch["identity"], self.margin, self.scale), "accuracy": right}


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> NetObjective:
    source = FaceSource(parameters.open(), parameters.smallest, recipe.seed)
    module = FaceModule(parameters.identities, parameters.margin, parameters.scale, parameters.degraded)
    return NetObjective(module.to(device), source)
