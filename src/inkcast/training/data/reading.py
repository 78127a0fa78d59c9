"""Training samples from shards, by number: what the trainer asks of a source.

Sample `index` follows from the seed and the index alone: epoch `index // len` is one shuffle of all samples, so that
each is seen once per epoch however many processes and workers share the indices, and a resumed run goes on exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from torch import Tensor

from inkcast.errors import TrainingError
from inkcast.files import shown
from inkcast.toon.base import TRAIN_STEPS
from inkcast.training.data.augment import Augmentation, Cut, cut_from, squared
from inkcast.training.data.schema import Face, PeopleSample, SubjectSample
from inkcast.training.data.shards import Shards, Stored
from inkcast.training.objective import Sample, generator
from inkcast.training.square import Square, square_around
from inkcast.training.toon_unet import order
from inkcast.vision.alignment import align_face
from inkcast.vision.pose import pose_map

Showing = tuple[Float[np.ndarray, "5 2"], Float[np.ndarray, " d"]]
"""A face in a picture: its five points in px, and its embedding."""


@dataclass(frozen=True)
class TrainingSample:
    """One sample of an objective; pictures in [0, 1], masks 0 or 1, subjects padded to as many as the reading says.

    `picture` is the target, a square; `masks` the subjects' whole instances in it, whatever their references show.
    `references` show each subject alone on white, `reference_masks` say where. `tokens` are the caption's, one row for
    each tokenizer. `time_ids`: original height and width, the crop's top and left, target height and width (SDXL,
    section 2.2). `drop` says that this sample trains the unconditional branch. `extra`: `skeletons` [subjects, 18, 3]
    (x, y in 0..1 of the square, seen), `pose` [3, side, side]; where faces are asked for, those of the references:
    `faces` [subjects, 3, s, s] upright, `face_embeds` [subjects, d], `face_present` [subjects], and those in the
    picture itself: `shown_points` [subjects, 5, 2] in px, `shown_embeds`, `shown_present`.
    """

    picture: Float[Tensor, "3 side side"]
    noise: Float[Tensor, "c h w"]
    timestep: Int[Tensor, ""]
    tokens: Sequence[Int[Tensor, " length"]]
    time_ids: Float[Tensor, 6]
    references: Float[Tensor, "subjects 3 s s"]
    reference_masks: Float[Tensor, "subjects s s"]
    masks: Float[Tensor, "subjects side side"]
    present: Bool[Tensor, " subjects"]
    drop: Bool[Tensor, ""]
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def tensors(self) -> Sample:
        """By the names the objectives read: a second tokenizer's tokens are `tokens_2`."""
        names = ("tokens", "tokens_2")[: len(self.tokens)]
        shared = (
            "picture",
            "noise",
            "timestep",
            "time_ids",
            "references",
            "reference_masks",
            "masks",
            "present",
            "drop",
        )
        return {
            **{name: getattr(self, name) for name in shared},
            **dict(zip(names, self.tokens, strict=True)),
            **self.extra,
        }


@dataclass(frozen=True)
class Reading:
    """How stored samples become training samples.

    The target's `side` and its latents' shape in px, references half as large; at most `most` subjects a picture.
    `drop_text` and `drop_subjects` are the shares without caption and without subjects. `face_dim` is the embeddings'
    length, 0 for an objective that reads no faces; upright faces are `face_side` px, `face_zoom` as in `align_face`.
    `posed` samples of people must know their poses.
    """

    side: int
    latent_shape: tuple[int, int, int]
    most: int = 2
    drop_text: float = 0.05
    drop_subjects: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    face_dim: int = 0
    face_side: int = 112
    face_zoom: float = 1.0
    posed: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Given:
    """A subject of a target picture: its instance there, its reference cut out elsewhere, its face and skeleton.

    `shown` is its face in the target picture.
    """

    instance: Bool[np.ndarray, "h w"]
    reference: Cut
    face: UInt8[np.ndarray, "s s 3"] | None = None
    embedding: Float[np.ndarray, " d"] | None = None
    skeleton: Float[np.ndarray, "18 3"] | None = None
    shown: Showing | None = None


@lru_cache(maxsize=4)
def shuffled(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of an epoch; kept, since a million numbers are not shuffled anew for each sample."""
    return order(seed, epoch, count)


@dataclass(frozen=True)
class ShardSource:
    """Samples for `Trainee`s from a folder of shards, of either kind. Pickles light, for the loader's processes."""

    shards: Shards
    tokenizers: Sequence[Any]
    reading: Reading

    def __getitem__(self, index: int) -> Sample:
        return self.sample(index).tensors()

    def sample(self, index: int) -> TrainingSample:
        """Raises `TrainingError` for an empty data set, a damaged shard, or embeddings of another length."""
        count, read = len(self.shards), self.reading
        if not count:
            raise TrainingError(f"no samples in {shown(self.shards.folder)}: see its broken.jsonl for why")
        number = int(shuffled(read.seed, index // count, count)[index % count])
        rng = generator(read.seed, "shards", index)
        stored = self.shards[number]
        if isinstance(stored.meta, SubjectSample):
            picture, caption, given = self._pair(stored, stored.meta, rng)
        else:
            picture, caption, given = self._people(stored, stored.meta, rng)
        square = square_around(picture.shape[:2], [one.instance for one in given], read.side)
        text = "" if rng.random() < read.drop_text else caption
        target = square.cut(Image.fromarray(picture), Image.Resampling.LANCZOS)
        place = [*square.size, square.top, square.left, read.side, read.side]
        noise = rng.standard_normal(read.latent_shape, np.float32)
        subjects = padded(given, square, read)
        subjects["extra"]["pose"] = pixels(posed(stored, square, required=read.posed))
        return TrainingSample(
            picture=pixels(target),
            noise=torch.from_numpy(noise),
            timestep=torch.tensor(int(rng.integers(TRAIN_STEPS))),
            tokens=tuple(tokens_of(tokenizer, text) for tokenizer in self.tokenizers),
            time_ids=torch.tensor([float(x) for x in place]),
            drop=torch.tensor(bool(rng.random() < read.drop_subjects)),
            **subjects,
        )

    def _pair(
        self, stored: Stored, meta: SubjectSample, rng: np.random.Generator
    ) -> tuple[UInt8[np.ndarray, "h w 3"], str, list[Given]]:
        """One view is drawn, another is what it is drawn from."""
        target, other = (meta.views[int(n)] for n in rng.permutation(len(meta.views))[:2])
        picture = stored.picture(target.picture.file)
        shown_in = stored.picture(other.picture.file)
        cut = cut_from(shown_in, stored.mask(other.mask))
        face, embedding = self._upright(self._shown(stored, other.face), shown_in)
        reference = squared(self.reading.augmentation(cut, rng), self.reading.side // 2)
        mask, showing = stored.mask(target.mask), self._shown(stored, target.face)
        return picture, target.picture.caption, [Given(mask, reference, face, embedding, shown=showing)]

    def _people(
        self, stored: Stored, meta: PeopleSample, rng: np.random.Generator
    ) -> tuple[UInt8[np.ndarray, "h w 3"], str, list[Given]]:
        """Each subject is drawn from its own cut-out: such pictures are not paired (AnyStory 3.4, StoryMaker 5.1.1)."""
        picture = stored.picture(meta.picture.file)
        given = []
        for number in sorted(rng.permutation(len(meta.people))[: self.reading.most].tolist()):
            person = meta.people[number]
            mask = stored.mask(person.mask)
            reference = squared(self.reading.augmentation(cut_from(picture, mask), rng), self.reading.side // 2)
            showing = self._shown(stored, person.face)
            face, embedding = self._upright(showing, picture)
            skeleton = None if person.skeleton is None else np.array(person.skeleton)
            given.append(Given(mask, reference, face, embedding, skeleton, showing))
        return picture, meta.picture.caption, given

    def _shown(self, stored: Stored, face: Face | None) -> Showing | None:
        """Of a face, where the objective reads faces."""
        wanted = self.reading.face_dim
        if not wanted or face is None or face.embedding is None:
            return None
        vector = stored.vector(face.embedding)
        if len(vector) != wanted:
            raise TrainingError(
                f"sample {stored.meta.key}: its face embedding has {len(vector)} values but this objective reads "
                f"{wanted}; build the data with the face encoder that is trained for"
            )
        return np.array(face.points, dtype=np.float64), vector

    def _upright(
        self, showing: Showing | None, picture: UInt8[np.ndarray, "h w 3"]
    ) -> tuple[UInt8[np.ndarray, "s s 3"] | None, Float[np.ndarray, " d"] | None]:
        """The face turned upright, and its embedding."""
        if showing is None:
            return None, None
        points, vector = showing
        return align_face(picture, points, self.reading.face_side, self.reading.face_zoom), vector


def padded(given: Sequence[Given], square: Square, read: Reading) -> dict[str, Any]:
    """The subjects as tensors with room for `most`; who is not in the square is not present."""
    most, half, side = read.most, read.side // 2, read.side
    pictures = np.full((most, half, half, 3), 255, np.uint8)
    cuts, masks = np.zeros((most, half, half), np.float32), np.zeros((most, side, side), np.float32)
    present, skeletons = np.zeros(most, bool), np.zeros((most, 18, 3), np.float32)
    faces, embeds = np.zeros((most, read.face_side, read.face_side, 3), np.uint8), np.zeros((most, read.face_dim))
    with_face, showing = np.zeros(most, bool), np.zeros(most, bool)
    points, shown_embeds = np.zeros((most, 5, 2), np.float32), np.zeros((most, read.face_dim), np.float32)
    place = 0
    for one in given:
        image = Image.fromarray(one.instance.astype(np.uint8) * 255)
        mask = square.seen(image)
        if mask is None:
            continue
        pictures[place], cuts[place] = one.reference.picture, one.reference.mask
        masks[place], present[place] = mask, True
        if one.skeleton is not None:
            skeletons[place] = in_square(one.skeleton, square)
        if one.face is not None and one.embedding is not None:
            faces[place], embeds[place], with_face[place] = one.face, one.embedding, True
        if one.shown is not None:
            five = moved(one.shown[0], square) * side
            if (five >= 0).all() and (five <= side).all():
                points[place], shown_embeds[place], showing[place] = five, one.shown[1], True
        place += 1
    extra = {"skeletons": torch.from_numpy(skeletons)}
    if read.face_dim:
        extra |= {
            "faces": pixels(faces),
            "face_embeds": torch.from_numpy(embeds.astype(np.float32)),
            "face_present": torch.from_numpy(with_face),
            "shown_points": torch.from_numpy(points),
            "shown_embeds": torch.from_numpy(shown_embeds),
            "shown_present": torch.from_numpy(showing),
        }
    return {
        "references": pixels(pictures),
        "reference_masks": torch.from_numpy(cuts),
        "masks": torch.from_numpy(masks),
        "present": torch.from_numpy(present),
        "extra": extra,
    }


def posed(stored: Stored, square: Square, *, required: bool) -> UInt8[np.ndarray, "side side 3"]:
    """The pose map that came with a picture of people, else the skeletons of all who are in it; else black.

    Raises `TrainingError` where one is `required` and neither is there.
    """
    meta, side = stored.meta, square.side
    people = meta.people if isinstance(meta, PeopleSample) else ()
    if isinstance(meta, PeopleSample) and meta.pose is not None:
        return square.cut(Image.fromarray(stored.picture(meta.pose)), Image.Resampling.LANCZOS)
    skeletons = [in_square(np.array(one.skeleton), square) for one in people if one.skeleton is not None]
    if required and not skeletons:
        raise TrainingError(
            f"sample {meta.key} has no pose: build the data with  --poses  (a ViTPose), or set parameters.poses=false"
        )
    return pose_map([points * (side, side, 1) for points in skeletons], (side, side))


def in_square(points: Float[np.ndarray, "18 3"], square: Square) -> Float[np.ndarray, "18 3"]:
    """Points of the picture in shares of the square; those outside are not seen."""
    there = moved(points[:, :2], square)
    seen = (points[:, 2] > 0) & (there >= 0).all(1) & (there <= 1).all(1)
    return np.where(seen[:, None], np.column_stack([there, np.ones(len(points))]), 0.0)


def moved(points: Float[np.ndarray, "n 2"], square: Square) -> Float[np.ndarray, "n 2"]:
    """Points of the picture in shares of the square, wherever they come to lie."""
    scale = np.array([square.scaled[1] / square.size[1], square.scaled[0] / square.size[0]])
    return (points * scale - np.array([square.left, square.top])) / square.side


def pixels(pictures: UInt8[np.ndarray, "*n h w 3"]) -> Float[Tensor, "*n 3 h w"]:
    """RGB bytes as floats in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pictures, -1, -3))).float() / 255


def tokens_of(tokenizer: Any, text: str) -> Int[Tensor, " length"]:
    length = tokenizer.model_max_length
    return torch.tensor(tokenizer(text, padding="max_length", max_length=length, truncation=True).input_ids)


def open_shards(folder: Path, tokenizers: Sequence[Any], reading: Reading) -> ShardSource:
    """The source over a finished build; raises `TrainingError` where there is none, or it holds nothing."""
    shards = Shards(folder)
    if not len(shards):
        raise TrainingError(f"no samples in {shown(folder)}: see its broken.jsonl for why")
    return ShardSource(shards, tokenizers, reading)
