"""Training the detector: centres as heat, boxes and faces regressed at them, and a foreground mask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from inkcast.toon.labels import LOOK_HEADS
from inkcast.toon.nets import Detector
from inkcast.toon.world import KINDS
from inkcast.training.objective import generator
from inkcast.training.perception_augment import degrade
from inkcast.training.perception_data import SIDE, RenderedSet, SetSpec, rendered_set
from inkcast.training.perception_objective import NetObjective
from inkcast.training.recipe import Recipe, Table

CELLS = SIDE // Detector.stride
KIND = list(LOOK_HEADS).index("kind")
REGRESSED = 16


class Parameters(Table):
    """The set is the oracle's own, so it is drawn once; subjects under `fewest` visible pixels are not asked for."""

    pictures: int = Field(20000, ge=1)
    sheets: float = Field(0.08, ge=0, le=1)
    data_seed: int = 1
    fewest: int = Field(30, ge=1)
    degraded: float = Field(0.5, ge=0, le=1)
    cache: Path = Path("runs/data")
    workers: int = Field(0, ge=0)


def put_peak(heat: Float[np.ndarray, "h w"], x: int, y: int, width: float, height: float) -> None:
    """A Gaussian bump with 1 at the cell (x, y) and deviations of a ninth of the box's sides, by maximum, in place."""
    columns, rows = np.arange(heat.shape[1]), np.arange(heat.shape[0])
    bump = np.exp(
        -((columns[None] - x) ** 2) / (2 * max(width / 9, 0.7) ** 2)
        - (rows[:, None] - y) ** 2 / (2 * max(height / 9, 0.7) ** 2)
    )
    np.maximum(heat, bump, out=heat)


def targets(
    rows: np.ndarray,
) -> tuple[Float[np.ndarray, "3 c c"], Float[np.ndarray, "16 c c"], Float[np.ndarray, "16 c c"]]:
    """Heat, regressed values (size 2, offset 2, points 10, face 2) and their weights, for one picture."""
    heat = np.zeros((3, CELLS, CELLS), dtype=np.float32)
    values, weights = (np.zeros((REGRESSED, CELLS, CELLS), dtype=np.float32) for _ in range(2))

    def put(label: int, box: np.ndarray) -> tuple[int, int, np.ndarray, np.ndarray]:
        center, sides = (box[:2] + box[2:]) / 2, np.maximum(box[2:] - box[:2], 0.25)
        x, y = np.clip(np.floor(center), 0, CELLS - 1).astype(int)
        put_peak(heat[label], x, y, *sides)
        values[:4, y, x] = *np.log(sides), *(center - [x, y])
        weights[:4, y, x] = 1
        return x, y, center, sides

    for row in rows:
        x, y, _, _ = put(int(row["labels"][KIND] >= len(KINDS)), row["box"] / Detector.stride)
        if np.isnan(row["face"]).any():
            continue
        face_x, face_y, center, sides = put(2, row["face"] / Detector.stride)
        values[14:, y, x], weights[14:, y, x] = center - [x, y], 1
        if not np.isnan(row["points"]).any():
            values[4:14, face_y, face_x] = ((row["points"] / Detector.stride - center) / sides).ravel()
            weights[4:14, face_y, face_x] = 1
    return heat, values, weights


class DetectorSource:
    def __init__(self, data: RenderedSet, fewest: int, seed: int) -> None:
        self.data, self.fewest, self.seed = data, fewest, seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        picture = int(generator(self.seed, "detector", index).integers(len(self.data.pictures)))
        rows = self.data.rows[self.data.rows_by_picture[picture]]
        heat, values, weights = targets(rows[rows["pixels"] >= self.fewest])
        return {
            "picture": torch.from_numpy(self.data.pictures[picture].copy()),
            "mask": torch.from_numpy(self.data.instances[picture] > 0),
            "heat": torch.from_numpy(heat),
            "values": torch.from_numpy(values),
            "weights": torch.from_numpy(weights),
        }


def focal_loss(logits: Float[Tensor, "b c h w"], heat: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """CenterNet's penalty-reduced focal loss (arXiv:1904.07850 eq. 1, alpha 2, beta 4), per object."""
    probability = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    center = heat == 1
    positive = (1 - probability) ** 2 * probability.log() * center
    negative = (1 - heat) ** 4 * probability**2 * (1 - probability).log() * ~center
    return -(positive + negative).sum() / center.sum().clamp(min=1)


def mask_loss(logits: Float[Tensor, "b 1 h w"], mask: Float[Tensor, "b 1 h w"]) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy, and the intersection over union at 0.5."""
    seen, true = logits > 0, mask > 0.5
    overlap = (seen & true).sum() / (seen | true).sum().clamp(min=1)
    return F.binary_cross_entropy_with_logits(logits, mask), overlap.detach()


class DetectorModule(nn.Module):
    def __init__(self, degraded: float) -> None:
        super().__init__()
        self.net = Detector()
        self.degraded = degraded

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        pictures = degrade(rearrange(batch["picture"], "b h w c -> b c h w").float() / 255, self.degraded)
        maps = self.net(pictures)
        heat = focal_loss(maps.heat.float(), batch["heat"])
        regressed = torch.cat([maps.size, maps.offset, maps.points, maps.face], dim=1).float()
        weights = batch["weights"]
        error = F.smooth_l1_loss(regressed, batch["values"], reduction="none", beta=0.1) * weights
        count = weights[:, 0].sum().clamp(min=1)
        box, points, face = (part.sum() / count for part in error.split((4, 10, 2), dim=1))
        mask, overlap = mask_loss(maps.mask.float(), F.avg_pool2d(batch["mask"].float().unsqueeze(1), 2))
        return {
            "loss": heat + box + 2 * points + 0.3 * face + 2 * mask,
            "heat": heat.detach(),
            "box": box.detach(),
            "points": points.detach(),
            "mask_iou": overlap,
        }


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> NetObjective:
    spec = SetSpec(parameters.pictures, parameters.data_seed, "train", parameters.sheets)
    data = rendered_set(parameters.cache, spec, parameters.workers)
    module = DetectorModule(parameters.degraded).to(device)
    return NetObjective(module, DetectorSource(data, parameters.fewest, recipe.seed))
