"""The instance-aware routing regularisation loss (AnyStory eq. 4)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from inkcast.sdxl.attention import Size

WEIGHT = 0.1  # lambda, section 3.4


def instance_targets(
    masks: Float[Tensor, "rows subjects height width"], size: Size
) -> Float[Tensor, "rows subjects pixels"]:
    """M^gt in {0, 1}: whole instances at a layer's resolution, 1 where most of the pixel belongs to the subject."""
    return (F.interpolate(masks.float(), size=size, mode="area") >= 0.5).float().flatten(2)


def routing_loss(
    maps: Iterable[tuple[Float[Tensor, "rows subjects_and_background pixels"], Size]],
    masks: Float[Tensor, "rows subjects height width"],
    present: Bool[Tensor, "rows subjects"],
) -> Float[Tensor, ""]:
    """Eq. 4 without lambda: mean over layers and pixels of (1/N) sum_i (M_i - M_i^gt)^2, the background left out.

    Args:
        maps: each layer's M with its resolution.
        masks: the subjects' whole instances in the target picture, whatever part the references show.
        present: padding has no term; N counts what is present in a row.
    """
    here = present.float()
    weight = here / here.sum(dim=1, keepdim=True).clamp_min(1.0)
    terms = []
    for routing, size in maps:
        error = (routing[:, :-1].float() - instance_targets(masks, size)).square().mean(dim=2)
        terms.append((error * weight).sum(dim=1).mean())
    return torch.stack(terms).mean()
