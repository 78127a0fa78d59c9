"""Training samples for engines from real pictures: a folder with a `pairs.jsonl`, one target picture a line.

    {"picture": "a.jpg", "caption": "two friends on a bench",
     "subjects": [{"mask": "a-1.png", "references": [{"picture": "b.jpg", "mask": "b-1.png"}]}]}

Paths are relative to the folder. A subject's `mask` is its whole instance in the target; a reference shows the same
subject elsewhere, and its mask may be left out where alpha or a plain background cuts it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from PIL import Image
from pydantic import ValidationError

from inkcast.errors import TrainingError
from inkcast.files import shown
from inkcast.images import load_reference, open_picture
from inkcast.toon.base import TRAIN_STEPS
from inkcast.training.objective import Sample, generator
from inkcast.training.recipe import Table
from inkcast.training.square import Square, square_around
from inkcast.training.toon_unet import order
from inkcast.vision.crops import on_white
from inkcast.vision.cutout import subject_mask

MANIFEST = "pairs.jsonl"


class ReferenceLine(Table):
    picture: str
    mask: str | None = None


class SubjectLine(Table):
    mask: str
    references: tuple[ReferenceLine, ...]


class PairLine(Table):
    picture: str
    caption: str
    subjects: tuple[SubjectLine, ...]


def read_manifest(folder: Path) -> tuple[PairLine, ...]:
    """Raises `TrainingError` naming the first line that is none."""
    path = folder / MANIFEST
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"no training pictures in {shown(folder)}: write {MANIFEST} there") from error
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            pair = PairLine.model_validate_json(line)
        except ValidationError as error:
            reason = " ".join(str(error.errors()[0]["msg"]).split())
            raise TrainingError(f"{shown(path)}, line {number}: {reason}") from error
        if not pair.subjects or not all(subject.references for subject in pair.subjects):
            raise TrainingError(f"{shown(path)}, line {number}: name a subject, and a reference for each")
        pairs.append(pair)
    if not pairs:
        raise TrainingError(f"{shown(path)} is empty: write one JSON object a line")
    return tuple(pairs)


@dataclass(frozen=True)
class Pairs:
    """Samples as `subjects.Subjects` gives them, with `picture` [3, side, side] in [0, 1] instead of latents and
    `tokens_2` for the second tokenizer; all chance from the index."""

    folder: Path
    tokenizers: Sequence[Any]
    side: int
    latent_shape: tuple[int, int, int]
    most: int
    drop_text: float
    drop_subjects: float
    seed: int

    @cached_property
    def lines(self) -> tuple[PairLine, ...]:
        return read_manifest(self.folder)

    def __getitem__(self, index: int) -> Sample:
        count = len(self.lines)
        line = self.lines[int(order(self.seed, index // count, count)[index % count])]
        rng = generator(self.seed, "pairs", index)
        image = open_picture(self.folder / line.picture).convert("RGB")
        chosen = [line.subjects[n] for n in rng.permutation(len(line.subjects))[: self.most]]
        masks = [open_picture(self.folder / subject.mask).convert("L").resize(image.size) for subject in chosen]
        square = square_around((image.height, image.width), [np.asarray(mask) >= 128 for mask in masks], self.side)
        text = "" if rng.random() < self.drop_text else line.caption
        first, second = (self._tokens(tokenizer, text) for tokenizer in self.tokenizers)
        place = [*square.size, square.top, square.left, self.side, self.side]
        picture = square.cut(image, Image.Resampling.LANCZOS)
        return {
            "picture": torch.from_numpy(picture).permute(2, 0, 1).float() / 255,
            "noise": torch.from_numpy(rng.standard_normal(self.latent_shape, np.float32)),
            "timestep": torch.tensor(int(rng.integers(TRAIN_STEPS))),
            "tokens": first,
            "tokens_2": second,
            "time_ids": torch.tensor([float(x) for x in place]),
            **self._subjects(chosen, masks, square, rng),
            "drop": torch.tensor(bool(rng.random() < self.drop_subjects)),
        }

    def _tokens(self, tokenizer: Any, text: str) -> torch.Tensor:
        length = tokenizer.model_max_length
        ids = tokenizer(text, padding="max_length", max_length=length, truncation=True).input_ids
        return torch.tensor(ids)

    def _subjects(
        self, chosen: Sequence[SubjectLine], instances: Sequence[Image.Image], square: Square, rng: np.random.Generator
    ) -> Sample:
        """Who is not in the square is not present."""
        side = self.side // 2
        pictures = np.full((self.most, side, side, 3), 255, np.uint8)
        cuts, masks = (np.zeros((self.most, s, s), np.float32) for s in (side, self.side))
        place = 0
        for subject, instance in zip(chosen, instances, strict=True):
            reference = subject.references[int(rng.integers(len(subject.references)))]
            mask = square.seen(instance)
            if mask is not None:
                pictures[place], cuts[place] = self._reference(reference, side)
                masks[place] = mask
                place += 1
        return {
            "references": torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255,
            "reference_masks": torch.from_numpy(cuts),
            "masks": torch.from_numpy(masks),
            "present": torch.arange(self.most) < place,
        }

    def _reference(
        self, line: ReferenceLine, side: int
    ) -> tuple[UInt8[np.ndarray, "side side 3"], Bool[np.ndarray, "side side"]]:
        mask = None if line.mask is None else self.folder / line.mask
        reference = load_reference(self.folder / line.picture, mask=mask)
        picture, where = np.asarray(reference.image.convert("RGB")), subject_mask(reference)
        return on_white(picture, where, side), on_white(np.zeros_like(picture), where, side)[..., 0] < 255
