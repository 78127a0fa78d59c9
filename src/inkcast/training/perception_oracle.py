"""Training the oracle: one picture and two of its subjects a sample; every question a cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.lib.format import open_memmap
from pydantic import Field
from torch import Tensor, nn

from inkcast.toon.labels import ABSENT, LOOK_HEADS, SCENE_HEADS
from inkcast.toon.nets import Oracle
from inkcast.training.latents import CHUNK, redrawn
from inkcast.training.objective import generator
from inkcast.training.perception_augment import degrade
from inkcast.training.perception_data import RenderedSet, SetSpec, rendered_set
from inkcast.training.perception_objective import NetObjective
from inkcast.training.recipe import Recipe, Table
from inkcast.training.toon_unet import digest, load_vae
from inkcast.vision.crops import crop_boxes


class Parameters(Table):
    """`pictures` are drawn once into `cache` (65 kB each); `fewest` visible pixels make a subject worth reading.

    With `vae`, an autoencoder's folder, the first `decoded` pictures are also kept as it redraws them, and every other
    look at those is at what it made. `kind` weighs the error of that question, which few pixels tell.
    """

    pictures: int = Field(20000, ge=1)
    sheets: float = Field(0.08, ge=0, le=1)
    data_seed: int = 1
    fewest: int = Field(60, ge=1)
    degraded: float = Field(0.6, ge=0, le=1)
    vae: Path | None = None
    decoded: int = Field(0, ge=0)
    kind: float = Field(1.0, gt=0)
    cache: Path = Path("runs/data")
    workers: int = Field(0, ge=0)


class OracleSource:
    """Sample `index`: a picture with a subject large enough to read, and two such subjects (one twice if alone).

    Boxes are moved a little, as a detector's are. `decoded` is the file of the set's first pictures redrawn.
    """

    def __init__(self, data: RenderedSet, fewest: int, seed: int, decoded: Path | None = None) -> None:
        self.data, self.fewest, self.seed, self.decoded = data, fewest, seed, decoded

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = generator(self.seed, "oracle", index)
        while True:
            picture = int(rng.integers(len(self.data.pictures)))
            rows = self.data.rows[self.data.rows_by_picture[picture]]
            rows = rows[rows["pixels"] >= self.fewest]
            if len(rows):
                break
        chosen = rows[rng.permutation(len(rows))[[0, -1]]]
        sides = np.tile(chosen["box"][:, 2:] - chosen["box"][:, :2], 2)
        boxes = chosen["box"] + rng.normal(0, 0.04, (2, 4)).clip(-0.1, 0.1) * sides
        pictures = self.data.pictures
        if self.decoded is not None and rng.random() < 0.5 and picture < len(behind := opened(self.decoded)):
            pictures = behind
        return {
            "picture": torch.from_numpy(pictures[picture].copy()),
            "scene": torch.from_numpy(self.data.scenes[picture].astype("int64")),
            "boxes": torch.from_numpy(boxes.astype("float32")),
            "looks": torch.from_numpy(chosen["labels"].astype("int64")),
        }


def decoded_pictures(data: RenderedSet, vae: Any, count: int) -> Path:
    """The file of the set's first `count` pictures as the autoencoder redraws them: made once, kept in the set."""
    kept = data.folder / f"decoded-{count}-{digest(vae)}.npy"
    if not kept.is_file():
        unfinished = kept.with_suffix(".unfinished")
        made = open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=(count, *data.pictures.shape[1:]))
        with torch.autocast(vae.device.type, torch.bfloat16):
            for start in range(0, count, CHUNK):
                made[start : start + CHUNK] = redrawn(vae, data.pictures[start : min(start + CHUNK, count)])
        made.flush()
        unfinished.replace(kept)
    return kept


@cache
def opened(file: Path) -> np.ndarray:
    """A file's array, memory-mapped once in each process."""
    return np.load(file, mmap_mode="r")


def choice_loss(
    logits: Mapping[str, Tensor],
    labels: Tensor,
    heads: Mapping[str, Sequence[str]],
    weights: Mapping[str, float] = MappingProxyType({}),
) -> tuple[Tensor, Tensor]:
    """Weighted sum of cross-entropies over heads where a label is given (1 where `weights` has none), and the share of
    all given labels that is read right."""
    loss, right, given = torch.zeros(3, device=labels.device).unbind()
    for place, name in enumerate(heads):
        label = labels[:, place]
        known = label != ABSENT
        if not known.any():
            continue
        answers = logits[name].float()
        loss = loss + weights.get(name, 1.0) * F.cross_entropy(answers, label, ignore_index=ABSENT)
        right = right + ((answers.argmax(1) == label) & known).sum()
        given = given + known.sum()
    return loss, right / given.clamp(min=1)


class OracleModule(nn.Module):
    def __init__(self, degraded: float, kind: float = 1.0) -> None:
        super().__init__()
        self.net = Oracle()
        self.degraded, self.weights = degraded, {"kind": kind}

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        pictures = degrade(rearrange(batch["picture"], "b h w c -> b c h w").float() / 255, self.degraded)
        scene = self.net.scene(pictures)
        boxes = rearrange(batch["boxes"], "b s c -> (b s) c")
        crops = crop_boxes(pictures.repeat_interleave(2, dim=0), boxes, self.net.look.side)
        look = self.net.look(crops)
        scene_loss, scene_right = choice_loss(scene, batch["scene"], SCENE_HEADS)
        look_loss, look_right = choice_loss(
            look, rearrange(batch["looks"], "b s h -> (b s) h"), LOOK_HEADS, self.weights
        )
        return {
            "loss": scene_loss + look_loss,
            "scene_accuracy": scene_right,
            "look_accuracy": look_right,
        }


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> NetObjective:
    spec = SetSpec(parameters.pictures, parameters.data_seed, "train", parameters.sheets)
    data = rendered_set(parameters.cache, spec, parameters.workers)
    decoded = None
    if parameters.vae is not None and parameters.decoded:
        decoded = decoded_pictures(data, load_vae(parameters.vae, device), min(parameters.decoded, parameters.pictures))
    return NetObjective(
        OracleModule(parameters.degraded, parameters.kind).to(device),
        OracleSource(data, parameters.fewest, recipe.seed, decoded),
    )
