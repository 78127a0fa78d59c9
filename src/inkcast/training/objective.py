"""What the trainer asks of a thing to be trained, and the objectives by name."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from inkcast.errors import TrainingError
from inkcast.training.recipe import Recipe, Table, check

Sample = Mapping[str, Tensor]


class Source(Protocol):
    """An endless, ordered supply: sample `index` is a function of the index alone, all its chance included.

    That is what makes a resumed run, and a run on several processes, see exactly what an uninterrupted one sees.
    """

    def __getitem__(self, index: int) -> Sample: ...


class Objective(Protocol):
    """`module(batch)` maps a batch of collated samples to `{"loss": scalar, metric: scalar, …}`; what of it requires
    gradients is trained and checkpointed. Frozen parts that need no checkpoint stay outside of `module`."""

    module: nn.Module
    source: Source

    def picture(self) -> Tensor | None:
        """A sample grid, uint8 [height, width, 3], or None; called with the averaged weights in place."""

    def export(self, folder: Path) -> None:
        """Writes the trained parts as they are used into an empty folder; called with the averaged weights in place."""


class Builder(Protocol):
    def __call__(self, parameters: Any, recipe: Recipe, device: torch.device) -> Objective: ...


@dataclass(frozen=True)
class Entry:
    """Where an objective lives: a module with a table `Parameters` and a function `build`."""

    module: str
    help: str


OBJECTIVES: Mapping[str, Entry] = {
    "toon-oracle": Entry("inkcast.training.perception_oracle", "the attribute oracle: reads what drawn pictures show"),
    "toon-detector": Entry("inkcast.training.perception_detector", "finds drawn subjects, faces and foreground"),
    "toon-face": Entry("inkcast.training.perception_face", "the toon face encoder, by an additive angular margin"),
    "toon-face-judge": Entry(
        "inkcast.training.perception_face_judge", "the independent face encoder that evaluation scores with"
    ),
    "toon-vision": Entry("inkcast.training.perception_vision", "the toon base's CLIP vision tower"),
    "toon-judge": Entry("inkcast.training.perception_judge", "the independent encoder that evaluation scores with"),
    "toon-vae": Entry("inkcast.training.toon_vae", "the toon base's autoencoder, on pictures drawn on the fly"),
    "toon-unet": Entry("inkcast.training.toon_unet", "the toon base's UNet and text encoders, on cached latents"),
    "ip-adapter": Entry("inkcast.training.ip_adapter", "the IP-Adapter baseline, over a frozen toon base"),
    "any-story": Entry("inkcast.training.any_story", "AnyStory, over a frozen base: subject encoder, then router"),
    "story-maker": Entry("inkcast.training.story_maker", "StoryMaker: perceiver, image attention, LoRA, over a base"),
    "pose-controlnet": Entry("inkcast.training.pose_controlnet", "the ControlNet that draws given skeletons"),
}


def build_objective(recipe: Recipe, device: torch.device) -> Objective:
    """The recipe's objective, its parameters checked; raises `TrainingError` for an unknown name."""
    if recipe.objective not in OBJECTIVES:
        raise TrainingError(f"unknown objective '{recipe.objective}'; known: {', '.join(OBJECTIVES)}")
    module = import_module(OBJECTIVES[recipe.objective].module)
    parameters: Table = check(module.Parameters, recipe.parameters, f"recipe {recipe.name}: parameters")
    return module.build(parameters, recipe, device)


def rebuilt(recipe: Recipe, device: torch.device, weights: Mapping[str, Tensor]) -> Objective:
    """Another objective of the recipe, in evaluation, with these trained weights."""
    objective = build_objective(recipe, device)
    objective.module.to(device).eval()
    for name, parameter in objective.module.named_parameters():
        if name in weights:
            parameter.data.copy_(weights[name])
    return objective


def generator(*words: int | str) -> np.random.Generator:
    """Chance that depends on the words alone (seed, purpose, index), on every machine the same."""
    return np.random.default_rng([zlib.crc32(word.encode()) if isinstance(word, str) else word for word in words])
