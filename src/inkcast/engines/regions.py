"""Where an author lets each member of a panel stand: a box, a mask, or both, as one map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from inkcast.engines.engine import Member
from inkcast.story.script import Box

if TYPE_CHECKING:
    from PIL import Image

SIDE = 64


def member_regions(members: Sequence[Member], side: int = SIDE) -> Float[Tensor, "1 subjects side side"] | None:
    """Each member's `region`, 1 everywhere for one with neither box nor mask; None if nobody has any."""
    if all(member.box is None and member.mask is None for member in members):
        return None
    return torch.stack([region(member.box, member.mask, side) for member in members]).unsqueeze(0)


def region(box: Box | None, mask: Image.Image | None, side: int = SIDE) -> Float[Tensor, "side side"]:
    """A box times a mask (mode "L"), each stretched over the panel: in [0, 1], 0 where nobody may stand."""
    found = torch.ones(side, side)
    if box is not None:
        x0, y0, x1, y1 = box
        found.zero_()
        top, left = math.floor(y0 * side), math.floor(x0 * side)
        found[top : max(math.ceil(y1 * side), top + 1), left : max(math.ceil(x1 * side), left + 1)] = 1.0
    if mask is not None:
        bright = torch.from_numpy(np.array(mask, dtype=np.float32) / 255)
        found *= F.interpolate(bright[None, None], size=(side, side), mode="area")[0, 0]
    return found
