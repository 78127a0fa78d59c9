"""From references to tokens: the subject on a white square, CLIP's features, the resampler."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from inkcast.engines.engine import TrainingBatch
from inkcast.images import Reference
from inkcast.sdxl.image_encoder import ImageEncoder
from inkcast.vision.crops import on_white, to_tensor
from inkcast.vision.segment import Segmenter, cut_out


def reference_squares(
    references: tuple[Reference, ...], side: int, segmenter: Segmenter | None = None
) -> Float[Tensor, "references 3 side side"]:
    squares: list[UInt8[np.ndarray, "side side 3"]] = [
        on_white(np.asarray(reference.image.convert("RGB")), cut_out(reference, segmenter).mask, side)
        for reference in references
    ]
    return to_tensor(np.stack(squares))


def batch_features(encoder: ImageEncoder, batch: TrainingBatch) -> Float[Tensor, "rows subjects patches channels"]:
    """CLIP's features of each training reference on white; of nothing where the row's subjects are dropped."""
    mask = batch.reference_masks.unsqueeze(2)
    white = batch.references * mask + (1 - mask)
    features = encoder.features(rearrange(white, "rows subjects c h w -> (rows subjects) c h w"))
    features = rearrange(features, "(rows subjects) p c -> rows subjects p c", rows=white.shape[0])
    return torch.where(batch.drop.view(-1, 1, 1, 1), encoder.nothing().unsqueeze(0), features)
