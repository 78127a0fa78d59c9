"""Training samples for engines on toon: a cached picture, and each of its characters as drawn somewhere else.

A character's reference never shows what the picture shows: it is another scene, pose, place and view, or the character
sheet. Captions name kinds only, so that looks can come from nowhere but the references.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from transformers import CLIPTokenizer

from inkcast.toon.base import TRAIN_STEPS
from inkcast.toon.captions import caption
from inkcast.toon.dataset import sample_scene
from inkcast.toon.renderer import Rendering, reference_sheet, render
from inkcast.toon.world import Look, Scene, Subject
from inkcast.training.diffusion import drawn_timestep
from inkcast.training.latents import Latents, scene_of, tokenised
from inkcast.training.objective import Sample, generator
from inkcast.training.toon_unet import order
from inkcast.vision.crops import on_white

FEWEST_PIXELS = 0.02

# what engines draw while they train: kinds, and what they do
SHOWN_PANELS = (
    (("girl",), "waving on the beach"),
    (("robot",), "running in the street at night"),
    (("bear",), "reading a book in the library"),
    (("girl", "boy"), "shaking hands in the park"),
    (("cat", "bear"), "standing in the forest"),
    (("girl", "girl"), "standing in the castle"),
)


def reference_picture(
    subject: Subject, rng: np.random.Generator, size: int, sheets: float
) -> UInt8[np.ndarray, "side side 3"]:
    """The subject alone on white, filling a square of `size / 2`: from a sheet (a share `sheets`) or another scene."""
    return reference_cutout(subject, rng, size, sheets)[0]


def reference_cutout(
    subject: Subject, rng: np.random.Generator, size: int, sheets: float
) -> tuple[UInt8[np.ndarray, "side side 3"], Bool[np.ndarray, "side side"]]:
    """`reference_picture`, and where the subject is in it."""
    return cut_out(reference_rendering(subject, rng, size, sheets), size // 2)


def reference_rendering(subject: Subject, rng: np.random.Generator, size: int, sheets: float) -> Rendering:
    """The whole picture that a reference is cut from."""
    if rng.random() >= sheets:
        scene = sample_scene(rng, actors=[subject], style="flat")
        front = [replace(actor, view="front") if rng.random() < 0.75 else actor for actor in scene.actors]
        scene = replace(scene, actors=tuple(front), time="day" if rng.random() < 0.7 else scene.time)
        drawn = render(scene, size)
        if (drawn.instances == 1).mean() >= FEWEST_PIXELS:
            return drawn
    return reference_sheet(subject, size, "front" if rng.random() < 0.8 else "side")


def cut_out(drawn: Rendering, side: int) -> tuple[UInt8[np.ndarray, "side side 3"], Bool[np.ndarray, "side side"]]:
    """The first actor on white, and its mask."""
    mask = drawn.instances == 1
    return on_white(drawn.image, mask, side), on_white(np.zeros_like(drawn.image), mask, side)[..., 0] < 255


def alone(picture: Rendering, number: int) -> Rendering:
    """The picture with one of its actors as its only one."""
    return replace(
        picture,
        instances=(picture.instances == number + 1).astype(picture.instances.dtype),
        actors=(picture.actors[number],),
    )


def nameless(scene: Scene) -> Scene:
    """The scene with nobody called by name: a star's name would tell the looks."""
    return replace(scene, actors=tuple(replace(actor, name="") for actor in scene.actors))


@dataclass(frozen=True)
class DrawnSubjects:
    """A sample, the picture whose latents it holds, and the pictures its references are cut from."""

    sample: Sample
    picture: Rendering
    references: tuple[Rendering, ...]


@dataclass(frozen=True)
class Subjects:
    """Samples for `TrainingBatch` from a cache's pictures of one to `most` subjects; all chance from the index.

    `masks` are instances in the picture at half its size, in [0, 1] (subjects nearer the viewer hide others); `lean` as
    in `drawn_timestep`. A share `own` of the samples has its references cut out of the picture itself, as where there
    is one picture of everybody: then looks and poses come together.
    """

    latents: Latents
    tokenizer: CLIPTokenizer
    scale: float
    most: int
    drop_text: float
    drop_subjects: float
    sheets: float
    seed: int
    lean: float = 1.0
    own: float = 0.0

    @cached_property
    def rows(self) -> np.ndarray:
        """The cache's pictures of few enough subjects, at least one of them a character."""
        plan = self.latents.plan
        scenes = (scene_of(plan, index).actors for index in range(plan.pictures))
        fits = [len(a) <= self.most and any(isinstance(x.subject, Look) for x in a) for a in scenes]
        return np.flatnonzero(fits)

    def __getitem__(self, index: int) -> Sample:
        return self.drawn(index).sample

    def drawn(self, index: int) -> DrawnSubjects:
        """Sample `index` with the renderings it comes from, for engines that look closer."""
        count, plan = len(self.rows), self.latents.plan
        row = int(self.rows[order(self.seed, index // count, count)[index % count]])
        rng = generator(self.seed, "subjects", index)
        scene = nameless(scene_of(plan, row))
        x = self.latents.latents[row].astype(np.float32) * self.scale
        picture = render(scene, plan.size)
        text = "" if rng.random() < self.drop_text else caption(scene, rng, looks=0.0)
        side = float(plan.size)
        noise = rng.standard_normal(x.shape, np.float32)
        timestep = drawn_timestep(rng, TRAIN_STEPS, self.lean)
        references = tuple(reference_rendering(actor.subject, rng, plan.size, self.sheets) for actor in scene.actors)
        if rng.random() < self.own:
            seen = [(picture.instances == n + 1).mean() >= FEWEST_PIXELS for n in range(len(references))]
            references = tuple(alone(picture, n) if seen[n] else other for n, other in enumerate(references))
        sample = {
            "latents": torch.from_numpy(x),
            "noise": torch.from_numpy(noise),
            "timestep": torch.tensor(timestep),
            "tokens": torch.tensor(tokenised(self.tokenizer, [text])[0]),
            "time_ids": torch.tensor([side, side, 0.0, 0.0, side, side]),
            **self._references(references),
            **self._masks(picture),
            "drop": torch.tensor(bool(rng.random() < self.drop_subjects)),
        }
        return DrawnSubjects(sample, picture, references)

    def _references(self, references: Sequence[Rendering]) -> Sample:
        """`references` [subjects, 3, s, s] in [0, 1] and `reference_masks` [subjects, s, s]; white where nobody is."""
        side = self.latents.plan.size // 2
        pictures = np.full((self.most, side, side, 3), 255, np.uint8)
        masks = np.zeros((self.most, side, side), np.float32)
        for place, reference in enumerate(references):
            pictures[place], masks[place] = cut_out(reference, side)
        return {
            "references": torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255,
            "reference_masks": torch.from_numpy(masks),
        }

    def _masks(self, picture: Rendering) -> Sample:
        """`masks` [subjects, s, s] at half the picture's size, and `present`."""
        numbers = np.arange(1, self.most + 1)[:, None, None]
        masks = picture.instances[::2, ::2] == numbers
        present = torch.arange(self.most) < len(picture.actors)
        return {"masks": torch.from_numpy(masks.astype(np.float32)), "present": present}
