"""An objective small enough to run whole trainings in tests; as a script it is one process of a training run."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from inkcast.training.objective import OBJECTIVES, Entry, Sample, generator
from inkcast.training.recipe import Recipe, Table, load_recipe
from inkcast.training.trainer import train


class Parameters(Table):
    """`dropout` makes the loss depend on chance inside the model; `broken` is the sample whose loss is no number,
    `steep` the one with a loss that has no gradient. Every process leaves in `seen` how many batches it
    read, and with which weights the last. `data` is named but not read."""

    dropout: float = 0.0
    broken: int = -1
    steep: int = -1
    seen: Path | None = None
    data: Path | None = None


@dataclass(frozen=True)
class Points:
    seed: int
    broken: int

    def __getitem__(self, index: int) -> Sample:
        rng = generator(self.seed, "point", index)
        x = torch.from_numpy(rng.standard_normal(6).astype("float32"))
        y = 100 * x.sum() if index != self.broken else torch.tensor(float("nan"))
        return {"x": x, "y": y, "index": torch.tensor(index)}


class Regression(nn.Module):
    def __init__(self, parameters: Parameters) -> None:
        super().__init__()
        self.steep, self.record = parameters.steep, parameters.seen
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(parameters.dropout), nn.Linear(8, 1))
        self.frozen = nn.Linear(1, 1).requires_grad_(False)
        self.seen: list[int] = []

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        self.seen += batch["index"].tolist()
        if self.record is not None:
            file = self.record / f"{os.environ.get('RANK', 0)}.safetensors"
            save_file(self.state_dict() | {"count": torch.tensor(len(self.seen))}, file)
        y = self.layers(batch["x"])[:, 0].float()
        loss = (y - batch["y"]).square().mean()
        if self.steep in batch["index"]:
            loss = loss + (y - y.detach()).square().sum().sqrt()  # the root of zero
        return {"loss": loss, "first": batch["index"].float().min()}


@dataclass
class Toy:
    module: Regression
    source: Points

    def picture(self) -> Tensor | None:
        return torch.full((4, 4, 3), int(self.module.layers[0].weight.abs().sum() * 10) % 256, dtype=torch.uint8)

    def export(self, folder: Path) -> None:
        save_file(
            {name: p.detach().contiguous() for name, p in self.module.named_parameters()}, folder / "toy.safetensors"
        )


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> Toy:
    return Toy(Regression(parameters), Points(recipe.seed, parameters.broken))


def register() -> None:
    OBJECTIVES["toy"] = Entry("tests.training.toy", "a toy")  # type: ignore[index]


if __name__ == "__main__":
    register()
    torch.set_num_threads(1)
    train(load_recipe(Path(sys.argv[1]), sys.argv[3:]), resume=sys.argv[2] == "resume")
