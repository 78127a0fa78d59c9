"""From references to tokens: the subject on a white square, CLIP's features, the resampler."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from inkcast.engines.engine import TrainingBatch
from inkcast.images import Reference
from inkcast.sdxl.image_encoder import ImageEncoder
from inkcast.vision.crops import on_white, to_tensor

_PLAIN = 0.9  # share of the border that must have one colour for a background to count as plain
_NEAR = 12  # how far from that colour, of 255, still is background


def subject_mask(reference: Reference) -> Bool[np.ndarray, "height width"]:
    """The given mask, else alpha, else everything unlike a plain background's colour, else the whole picture."""
    if reference.mask is not None:
        return np.asarray(reference.mask.convert("L")) >= 128
    if reference.image.mode == "RGBA":
        return np.asarray(reference.image)[..., 3] >= 128
    picture = np.asarray(reference.image.convert("RGB"))
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(int)
    colour = np.median(border, axis=0)
    unlike = np.abs(picture.astype(int) - colour).max(axis=2) > _NEAR
    if (np.abs(border - colour).max(axis=1) <= _NEAR).mean() < _PLAIN or not unlike.any():
        return np.ones(picture.shape[:2], dtype=bool)
    return _filled(unlike)


def _filled(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """The mask without its holes: white teeth on a white ground belong to the subject."""
    from scipy.ndimage import binary_fill_holes

    return np.asarray(binary_fill_holes(mask), dtype=bool)


def reference_squares(references: tuple[Reference, ...], side: int) -> Float[Tensor, "references 3 side side"]:
    squares: list[UInt8[np.ndarray, "side side 3"]] = [
        on_white(np.asarray(reference.image.convert("RGB")), subject_mask(reference), side) for reference in references
    ]
    return to_tensor(np.stack(squares))


def batch_features(encoder: ImageEncoder, batch: TrainingBatch) -> Float[Tensor, "rows subjects patches channels"]:
    """CLIP's features of each training reference on white; of nothing where the row's subjects are dropped."""
    mask = batch.reference_masks.unsqueeze(2)
    white = batch.references * mask + (1 - mask)
    features = encoder.features(rearrange(white, "rows subjects c h w -> (rows subjects) c h w"))
    features = rearrange(features, "(rows subjects) p c -> rows subjects p c", rows=white.shape[0])
    return torch.where(batch.drop.view(-1, 1, 1, 1), encoder.nothing().unsqueeze(0), features)
