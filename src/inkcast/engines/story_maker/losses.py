"""StoryMaker's training losses: attention maps held to masks (eq. 9-12), faces held to an identity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce
from jaxtyping import Bool, Float
from torch import Tensor

from inkcast.sdxl.attention import Size
from inkcast.vision.alignment import TEMPLATE, TEMPLATE_SIDE, similarity

WEIGHT = 0.1  # lambda of eq. 12 (section 5.1.2)
ID_WEIGHT, ID_STEPS = 0.1, 250  # of the published code: the paper gives neither

LossForm = Literal["paper", "published"]
Maps = Sequence[tuple[Float[Tensor, "rows pixels all_tokens"], Size]]


def block_maps(attention: Float[Tensor, "rows pixels all_tokens"], blocks: int) -> Float[Tensor, "rows blocks pixels"]:
    """A = sum over the L tokens of each block of P (eq. 10), the background first. P: eq. 9, the mean over heads."""
    return reduce(attention, "rows pixels (blocks tokens) -> rows blocks pixels", "sum", blocks=blocks)


def targets(
    masks: Float[Tensor, "rows people height width"], present: Bool[Tensor, "rows people"], size: Size
) -> Float[Tensor, "rows people_and_background pixels"]:
    """M at a layer's resolution, each pixel shared out by area: background first, summing to 1 everywhere."""
    here = masks * present[:, :, None, None].to(masks.dtype)
    people = F.interpolate(here, size=size, mode="area").flatten(2)
    return torch.cat([1 - people.sum(dim=1, keepdim=True), people], dim=1)


def attention_loss(
    maps: Maps,
    masks: Float[Tensor, "rows people height width"],
    present: Bool[Tensor, "rows people"],
    form: LossForm = "paper",
) -> Float[Tensor, ""]:
    """Eq. 11 averaged over all layers (eq. 12 without lambda); the square norm is a mean over pixels.

    Args:
        maps: each layer's eq. 9 (the mean over heads) and its resolution.
        masks: disjoint instances in the target picture.
        present: padding has no term; N counts who is there.
        form: "published" is what the authors' code computes, see `published_loss`.
    """
    if form == "published":
        return published_loss(maps, masks, present)
    here = torch.cat([torch.ones_like(present[:, :1]), present], dim=1).float()
    weight = here / here.sum(dim=1, keepdim=True)
    terms = []
    for attention, size in maps:
        A, M = block_maps(attention, here.shape[1]), targets(masks, present, size)
        terms.append(((A - M).square().mean(dim=2) * weight).sum(dim=1).mean())
    return torch.stack(terms).mean()


def published_loss(
    maps: Maps, masks: Float[Tensor, "rows people height width"], present: Bool[Tensor, "rows people"]
) -> Float[Tensor, ""]:
    """The coarsest layers' maps enlarged twice (bilinear) and averaged, one error each for background and people,
    their sum divided by N instead of N + 1."""
    coarsest = min(size for _, size in maps)
    chosen = [attention for attention, size in maps if size == coarsest]
    double = (2 * coarsest[0], 2 * coarsest[1])
    here = torch.cat([torch.ones_like(present[:, :1]), present], dim=1).float()
    mean = block_maps(torch.stack(chosen).mean(dim=0), here.shape[1])
    A = F.interpolate(mean.unflatten(2, coarsest), size=double, mode="bilinear").flatten(2)
    error = (A - targets(masks, present, double)).square().mean(dim=2)
    return ((error * here).sum(dim=1) / present.float().sum(dim=1).clamp_min(1)).mean()


def face_grids(
    points: Float[Tensor, "faces 5 2"], size: Size, side: int, zoom: float
) -> Float[Tensor, "faces side side 2"]:
    """Where an upright face's pixels lie in its picture, as `grid_sample` reads it. Points in px of that picture."""
    height, width = size
    target = ((TEMPLATE - TEMPLATE_SIDE / 2) * zoom + TEMPLATE_SIDE / 2) * side / TEMPLATE_SIDE
    grids = []
    for five in points.detach().cpu().double().numpy():
        matrix = np.vstack([similarity(five, target), [0, 0, 1]])
        y, x = np.mgrid[0:side, 0:side]
        there = np.linalg.inv(matrix) @ np.stack([x.ravel(), y.ravel(), np.ones(side * side)])
        grid = np.stack([(there[0] + 0.5) * 2 / width - 1, (there[1] + 0.5) * 2 / height - 1], axis=1)
        grids.append(torch.from_numpy(grid.reshape(side, side, 2)))
    return torch.stack(grids).to(points.device, torch.float32)


def id_loss(
    pictures: Float[Tensor, "faces 3 height width"],
    points: Float[Tensor, "faces 5 2"],
    wanted: Float[Tensor, "faces d"],
    embed: Callable[[Float[Tensor, "faces 3 side side"]], Float[Tensor, "faces d"]],
    side: int,
    zoom: float,
) -> Float[Tensor, ""]:
    """1 - cos between who the decoded x_0 shows and who it should; a face each, aligned by where it should be.

    Through the sampling and the (differentiable, frozen) face encoder the gradient reaches the picture.
    """
    size = (pictures.shape[-2], pictures.shape[-1])
    grids = face_grids(points, size, side, zoom)
    faces = F.grid_sample(pictures.float(), grids, mode="bilinear", padding_mode="border", align_corners=False)
    return (1 - F.cosine_similarity(embed(faces), wanted, dim=1)).mean()
