"""What learning sees of a reference: where face and hair are, and the face as features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from inkcast.images import Reference
from inkcast.pretrained import load_part, load_pretrained
from inkcast.toon.nets import FaceEncoder
from inkcast.vision.alignment import align_face
from inkcast.vision.crops import crop_boxes, on_white, to_tensor
from inkcast.vision.face import TOON_ZOOM, ToonFaces
from inkcast.vision.face_parsing import FaceMasks, FaceParser
from inkcast.vision.segment import Segmenter, cut_out

FACE_MARGIN = 1.4
"""How much more than the parsed face its encoder sees, as the published crop of an aligned portrait does."""


@dataclass(frozen=True)
class Seen:
    """`features`: the face, and the face mirrored. `note` says what was done instead where no face was found."""

    picture: UInt8[np.ndarray, "h w 3"]
    masks: FaceMasks
    features: Float[Tensor, "2 features"]
    note: str = ""


class Eyes(Protocol):
    """Frozen encoders that read one reference."""

    @property
    def dim(self) -> int: ...

    def look(self, reference: Reference) -> Seen: ...


@dataclass(frozen=True)
class VitEyes:
    """A face ViT's class token, and a face parser. `source` is a folder or hub id of a ViT with its preprocessor's
    config, such as jayanta/vit-base-patch16-224-in21k-face-recognition. A `segmenter` finds the subject where there is
    no face."""

    source: str | Path
    parser: FaceParser
    device: str = "cpu"
    segmenter: Segmenter | None = None

    @cached_property
    def parts(self) -> tuple[Any, Tensor, Tensor]:
        from transformers import ViTImageProcessorPil, ViTModel

        what = "face encoder"
        model = load_pretrained(ViTModel, self.source, what, add_pooling_layer=False, dtype=torch.float32)
        processor = load_part(what, self.source, lambda: ViTImageProcessorPil.from_pretrained(self.source))
        mean, std = (
            torch.tensor(values, device=self.device).view(1, 3, 1, 1)
            for values in (processor.image_mean, processor.image_std)
        )
        return model.to(self.device).requires_grad_(False), mean, std

    @property
    def dim(self) -> int:
        return int(self.parts[0].config.hidden_size)

    def look(self, reference: Reference) -> Seen:
        picture = on_paper(reference)
        masks = self.parser.parse(picture)
        note = ""
        if not masks.face.any():
            masks, note = whole_subject(reference, self.segmenter)
        return Seen(picture, masks, self._features(picture, masks.face), note)

    @torch.no_grad()
    def _features(self, picture: UInt8[np.ndarray, "h w 3"], face: Bool[np.ndarray, "h w"]) -> Float[Tensor, "2 f"]:
        model, mean, std = self.parts
        rows, columns = np.flatnonzero(face.any(1)), np.flatnonzero(face.any(0))
        box = torch.tensor([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], dtype=torch.float32)
        crop = crop_boxes(to_tensor(picture[None]), box, model.config.image_size, FACE_MARGIN)[:, :3].to(self.device)
        both = torch.cat([crop, crop.flip(-1)])
        return model((both - mean) / std).last_hidden_state[:, 0].float().cpu()


@dataclass(frozen=True)
class ToonEyes:
    """The toon base's face encoder, for drawn characters."""

    faces: ToonFaces
    parser: FaceParser
    segmenter: Segmenter | None = None

    @property
    def dim(self) -> int:
        return self.faces.dim

    def look(self, reference: Reference) -> Seen:
        picture = on_paper(reference)
        found = self.faces.read(picture)
        masks = self.parser.parse(picture)
        if found and masks.face.any():
            crop = align_face(picture, found[0].points, FaceEncoder.side, TOON_ZOOM)
            return Seen(picture, masks, self._features(crop))
        masks, note = whole_subject(reference, self.segmenter)
        return Seen(picture, masks, self._features(on_white(picture, masks.face, FaceEncoder.side)), note)

    def _features(self, crop: UInt8[np.ndarray, "s s 3"]) -> Float[Tensor, "2 f"]:
        both = np.stack([crop, np.ascontiguousarray(crop[:, ::-1])])
        return torch.from_numpy(self.faces.embed(both)).float()


def on_paper(reference: Reference) -> UInt8[np.ndarray, "h w 3"]:
    """The picture, transparent parts white."""
    if reference.image.mode != "RGBA":
        return np.array(reference.image.convert("RGB"))
    pixels = np.asarray(reference.image).astype(np.float32)
    alpha = pixels[..., 3:] / 255
    return (pixels[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)


def whole_subject(reference: Reference, segmenter: Segmenter | None) -> tuple[FaceMasks, str]:
    """Where no face is found, all of the subject counts as one, and what was done. Raises `PictureError` if the given
    mask cuts nobody out."""
    found = cut_out(reference, segmenter)
    learned = "picture, background and all: give a mask" if found.how == "whole picture" else "subject"
    return FaceMasks(found.mask, np.zeros_like(found.mask)), f"no face found: learning from the whole {learned}"
