"""Cutting squares out of pictures: around a box (for reading a look), along a mask (for a subject on white)."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

MARGIN = 1.2


def crop_boxes(
    pictures: Float[Tensor, "n 3 h w"], boxes: Float[Tensor, "n 4"], side: int, margin: float = MARGIN
) -> Float[Tensor, "n 4 side side"]:
    """The square around each picture's box (x0, y0, x1, y1 in px), `margin` times its longer side.

    Edges are continued past the picture's border. The fourth channel is 1 inside the box, 0 around it.
    """
    height, width = pictures.shape[-2:]
    low, high = boxes[:, :2], boxes[:, 2:]
    center, reach = (low + high) / 2, (high - low).amax(1, keepdim=True).clamp(min=2) * margin / 2
    steps = (torch.arange(side, device=boxes.device) + 0.5) / side * 2 - 1
    x = center[:, :1] + steps * reach
    y = center[:, 1:] + steps * reach
    grid = torch.stack(
        [
            (x * 2 / width - 1).unsqueeze(1).expand(-1, side, -1),
            (y * 2 / height - 1).unsqueeze(2).expand(-1, -1, side),
        ],
        dim=-1,
    )
    crops = F.grid_sample(pictures, grid.to(pictures.dtype), padding_mode="border", align_corners=False)
    inside = ((x >= low[:, :1]) & (x < high[:, :1])).unsqueeze(1) & ((y >= low[:, 1:]) & (y < high[:, 1:])).unsqueeze(2)
    return torch.cat([crops, inside.unsqueeze(1).to(crops.dtype)], dim=1)


def on_white(
    picture: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"], side: int, margin: float = 1.08
) -> UInt8[np.ndarray, "side side 3"]:
    """The masked subject in the middle of a white square, scaled to fill it; all white if the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.full((side, side, 3), 255, dtype=np.uint8)
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    cut = np.where(mask[y0:y1, x0:x1, None], picture[y0:y1, x0:x1], 255).astype(np.uint8)
    length = round(max(y1 - y0, x1 - x0) * margin) + 1
    square = np.full((length, length, 3), 255, dtype=np.uint8)
    top, left = (length - (y1 - y0)) // 2, (length - (x1 - x0)) // 2
    square[top : top + y1 - y0, left : left + x1 - x0] = cut
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA if length > side else cv2.INTER_LINEAR)


def to_tensor(pictures: UInt8[np.ndarray, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """RGB bytes as floats in [0, 1]."""
    # A copy, since torch warns of the read-only arrays that Pillow gives.
    return rearrange(torch.from_numpy(np.array(pictures, order="C")), "n h w c -> n c h w").float() / 255


def scaled(pictures: Float[Tensor, "n c h w"], side: int) -> Float[Tensor, "n c side side"]:
    """Squashed to a square of `side` pixels, antialiased; untouched if they are."""
    if pictures.shape[-2:] == (side, side):
        return pictures
    return F.interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)
