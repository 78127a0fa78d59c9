"""Cutting the subject out of a reference: by what the picture itself says, else by a model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from inkcast.errors import BaseModelError, MissingExtraError
from inkcast.images import Reference
from inkcast.vision.cutout import cut_by_alpha, subject_mask
from inkcast.vision.detector import ToonDetector

How = Literal["mask", "alpha", "plain background", "model", "whole picture"]


class Segmenter(Protocol):
    """`segment` says which pixels of an RGB picture belong to its subject; all False where it sees none."""

    def segment(self, picture: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]: ...


@dataclass(frozen=True)
class Cutout:
    """The subject's pixels, and how they were told from the rest, for whoever wants to say so."""

    mask: Bool[np.ndarray, "h w"]
    how: How


def cut_out(reference: Reference, segmenter: Segmenter | None = None) -> Cutout:
    """The given mask, else alpha, else what differs from a plain background, else the segmenter's, else everything.

    Raises:
        PictureError: the given mask cuts nobody out.
    """
    mask = subject_mask(reference)
    if reference.mask is not None:
        return Cutout(mask, "mask")
    if cut_by_alpha(reference):
        return Cutout(mask, "alpha")
    if not mask.all():
        return Cutout(mask, "plain background")
    if segmenter is not None:
        found = segmenter.segment(np.asarray(reference.image.convert("RGB")))
        if found.any():
            return Cutout(found, "model")
    return Cutout(mask, "whole picture")


@dataclass(frozen=True)
class ToonSegmenter:
    """The embedded detector's foreground: drawn subjects only."""

    detector: ToonDetector

    def segment(self, picture: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
        return self.detector.foreground(picture[None])[0]


@dataclass(frozen=True)
class RembgSegmenter:
    """A model of rembg, run here: isnet-anime for drawings, birefnet-general or isnet-general-use for photographs.

    Its .onnx file must lie in one of rembg's folders already. Raises `BaseModelError` where it does not (rembg itself
    would go to the network) and `MissingExtraError` without the extra `segment`.
    """

    model: str = "isnet-anime"

    models: ClassVar[tuple[str, ...]] = ("isnet-anime", "isnet-general-use", "birefnet-general", "u2net", "u2netp")

    @cached_property
    def session(self) -> Any:
        if self.model not in self.models:
            raise BaseModelError(f"unknown segmentation model {self.model!r}: use one of {', '.join(self.models)}")
        homes = rembg_homes()
        if not any(next(home.rglob(f"{self.model}.onnx"), None) for home in homes if home.is_dir()):
            raise BaseModelError(f"{self.model}.onnx is not in {homes[0]}: put rembg's file of that name there")
        try:
            from rembg import new_session
        except ImportError as error:
            raise MissingExtraError("rembg", "segment", "cutting subjects out of photographs") from error
        return new_session(self.model)

    def segment(self, picture: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
        (mask,) = self.session.predict(Image.fromarray(picture))
        return np.asarray(mask.convert("L")) >= 128


def rembg_homes() -> tuple[Path, ...]:
    """Where rembg keeps its models, as its environment variables say."""
    data = os.environ.get("XDG_DATA_HOME", "")
    named = [Path(os.environ[name]) for name in ("U2NET_HOME", "REMBG_HOME") if os.environ.get(name)]
    usual = [Path(data, "rembg"), Path(data, ".u2net")] if data else [Path("~/.rembg"), Path("~/.u2net")]
    return tuple(path.expanduser() for path in (*named, *usual))
