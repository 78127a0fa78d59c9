"""Training samples with faces and poses: the drawn world's, and what is left out of a sample at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inkcast.engines.story_maker.eyes import aligned_face
from inkcast.engines.story_maker.trainee import EMBEDDINGS, FACES, NO_CHARACTER, NO_CROP, NO_FACE, SEEN
from inkcast.toon.nets import FaceEncoder
from inkcast.toon.renderer import Pose2D, Rendering
from inkcast.training.objective import Sample, Source, generator
from inkcast.training.subjects import Subjects
from inkcast.vision.alignment import align_face
from inkcast.vision.face import TOON_ZOOM, ToonFaces
from inkcast.vision.pose import pose_map

SMALLEST = 9.0  # px of a face's shorter side that is still read in a reference
JITTER = 0.03  # of a face's sides: a detector's points are not exact
POSE, SHOWN, POINTS, WANTED = "pose", "shown_present", "shown_points", "shown_embeds"


@dataclass(frozen=True)
class People:
    """`Subjects`' samples with each reference's face, and with the faces and poses in the picture itself.

    `faces`, `face_embeds`, `face_present` per subject as the engine reads them; `pose` [3, s, s] of all who are there;
    `shown_points` [subjects, 5, 2] in px, `shown_embeds` and `shown_present` of the faces in the picture. `side` is
    the CLIP encoder's in px.
    """

    subjects: Subjects
    faces: ToonFaces
    side: int

    def __getitem__(self, index: int) -> Sample:
        drawn = self.subjects.drawn(index)
        rng = generator(self.subjects.seed, "people", index)
        size = self.subjects.latents.plan.size
        skeletons = [actor.skeleton for actor in drawn.picture.actors if actor.skeleton is not None]
        pose = torch.from_numpy(pose_map(skeletons, (size, size))).permute(2, 0, 1).float() / 255
        return {**drawn.sample, POSE: pose, **self._read(drawn.references, rng), **self._shown(drawn.picture)}

    def _read(self, references: Sequence[Rendering], rng: np.random.Generator) -> Sample:
        most, dim = self.subjects.most, self.faces.dim
        pictures, vectors = torch.zeros(most, 3, self.side, self.side), torch.zeros(most, dim)
        present = torch.zeros(most, dtype=torch.bool)
        for place, reference in enumerate(references):
            points = face_points(reference.actors[0], rng)
            if points is None:
                continue
            aligned = aligned_face(reference.image, points, self.side, TOON_ZOOM)
            pictures[place] = torch.from_numpy(aligned).permute(2, 0, 1).float() / 255
            vectors[place], present[place] = self._vector(reference, points), True
        return {FACES: pictures, EMBEDDINGS: vectors, SEEN: present}

    def _shown(self, picture: Rendering) -> Sample:
        most = self.subjects.most
        points, vectors = torch.zeros(most, 5, 2), torch.zeros(most, self.faces.dim)
        present = torch.zeros(most, dtype=torch.bool)
        for place, actor in enumerate(picture.actors):
            five = face_points(actor, None)
            if five is not None:
                points[place], vectors[place] = torch.from_numpy(five).float(), self._vector(picture, five)
                present[place] = True
        return {POINTS: points, WANTED: vectors, SHOWN: present}

    def _vector(self, rendering: Rendering, points: np.ndarray) -> Tensor:
        return torch.from_numpy(
            self.faces.embed(align_face(rendering.image, points, FaceEncoder.side, TOON_ZOOM)[None])[0]
        )


def face_points(pose: Pose2D, rng: np.random.Generator | None) -> np.ndarray | None:
    """The five points [5, 2] of a face that is seen and large enough, a little off where `rng` is given."""
    if pose.face is None or pose.points is None:
        return None
    x0, y0, x1, y1 = pose.face
    sides = np.array([x1 - x0, y1 - y0], dtype=np.float64)
    if sides.min() < SMALLEST:
        return None
    return pose.points if rng is None else pose.points + rng.normal(0, JITTER, (5, 2)) * sides


@dataclass(frozen=True)
class LeftOut:
    """Samples of `plain` with `drop_crop`, `zero_face` and `zero_character`, each true for a share of them."""

    plain: Source
    drop_crop: float
    zero_face: float
    zero_character: float
    seed: int

    def __getitem__(self, index: int) -> Sample:
        rng = generator(self.seed, "left out", index)
        crop, one, other = (float(x) for x in rng.random(3))
        flags = {NO_CROP: crop < self.drop_crop, NO_FACE: one < self.zero_face}
        # Never both: a row with neither face nor character is what `drop` is for.
        flags[NO_CHARACTER] = other < self.zero_character and not flags[NO_FACE]
        return {**self.plain[index], **{name: torch.tensor(flag) for name, flag in flags.items()}}
