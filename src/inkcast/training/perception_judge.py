"""Training the judge: a second encoder of subjects, for evaluation only, of another architecture, seed and loss."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from einops import rearrange
from torch import Tensor, nn

from inkcast.toon.labels import SUBJECT_HEADS
from inkcast.toon.nets import Heads, Judge
from inkcast.training.perception_augment import degrade
from inkcast.training.perception_objective import NetObjective
from inkcast.training.perception_oracle import choice_loss
from inkcast.training.perception_views import ViewParameters, ViewSource, agreement
from inkcast.training.recipe import Recipe

SPREAD = 8.0


class Parameters(ViewParameters):
    pass


class JudgeModule(nn.Module):
    """Views must agree, and the unit vector (times `SPREAD`) must tell every attribute linearly."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__()
        self.net = Judge()
        self.heads = Heads(96, SUBJECT_HEADS)
        self.temperature, self.degraded = parameters.temperature, parameters.degraded

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        pictures = rearrange(torch.cat([batch["a"], batch["b"]]), "b h w c -> b c h w").float() / 255
        vectors = self.net(degrade(pictures, self.degraded))
        looks, right = choice_loss(self.heads(SPREAD * vectors), batch["look"].repeat(2, 1), SUBJECT_HEADS)
        front, other = vectors.chunk(2)
        views, found = agreement(front, other, self.temperature)
        return {"loss": looks / 2 + 2 * views, "accuracy": right, "retrieval": found}


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> NetObjective:
    source = ViewSource(parameters.open(), parameters.fewest, recipe.seed)
    return NetObjective(JudgeModule(parameters).to(device), source)
