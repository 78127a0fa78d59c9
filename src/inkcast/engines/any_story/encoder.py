"""What a reference becomes: the subject on a white square, CLIP's features, masked latents; tokens, keys and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from inkcast.engines.any_story.reference_net import reference_layers
from inkcast.images import Reference
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.latents import picture_latents
from inkcast.sdxl.layers import LayerProjections, attention_layers
from inkcast.sdxl.resampler import Resampler, ResamplerSize
from inkcast.vision.crops import on_white, to_tensor
from inkcast.vision.segment import Segmenter, cut_out


@dataclass(frozen=True)
class Squares:
    """References as the encoders read them: the subject in the middle of a white square, and where it is."""

    pictures: Float[Tensor, "references 3 side side"]
    masks: Float[Tensor, "references 1 side side"]


def squares(references: tuple[Reference, ...], side: int, segmenter: Segmenter | None = None) -> Squares:
    """Cut out by the given mask, alpha, a plain background or the segmenter; else the whole picture."""
    pictures, masks = [], []
    for reference in references:
        picture, mask = np.asarray(reference.image.convert("RGB")), cut_out(reference, segmenter).mask
        pictures.append(on_white(picture, mask, side))
        masks.append(on_white(np.zeros_like(picture), mask, side)[..., :1] < 255)
    return Squares(to_tensor(np.stack(pictures)), torch.from_numpy(np.stack(masks)).permute(0, 3, 1, 2).float())


def masked_latents(
    base: Backbone, pictures: Float[Tensor, "n 3 side side"], masks: Float[Tensor, "n 1 side side"]
) -> Float[Tensor, "n latents_and_mask h w"]:
    """F_vae (section 3.2): the latents of the segmented reference, and its mask at their resolution."""
    latents = picture_latents(base, pictures)
    masks = F.interpolate(masks.to(latents), size=latents.shape[-2:], mode="area")
    return torch.cat([latents, masks], dim=1)


class SubjectEncoder(nn.Module):
    """The trained parts of section 3.2 beside ReferenceNet.

    `qformer`: CLIP's features -> m tokens E (eq. 2). `to_subject`: W-hat of eq. 5. `to_reference`: W-tilde of eq. 6.
    """

    def __init__(self, unet: nn.Module, size: ResamplerSize) -> None:
        super().__init__()
        crosses = [layer for layer in attention_layers(unet) if layer.is_cross]
        self.qformer = Resampler(size)
        self.to_subject = LayerProjections(crosses, size.out_channels)
        self.to_reference = LayerProjections(reference_layers(unet), None, suffix="_ref")

    def tokens(self, clip: Float[Tensor, "n patches channels"]) -> Float[Tensor, "n m channels"]:
        """E = QFormer(F_clip) (eq. 2)."""
        return self.qformer(clip)


@torch.no_grad()
def initialise(encoder: SubjectEncoder, unet: Any) -> None:
    """W-hat starts as the prompt's own keys and values, W-tilde as those of the self-attentions."""
    for projections in (encoder.to_subject, encoder.to_reference):
        for layer in projections.layers:
            attn, pair = unet.get_submodule(layer.name), projections.get_submodule(str(layer.number))
            pair[projections.key_name].weight.copy_(attn.to_k.weight)  # type: ignore[index]
            pair[projections.value_name].weight.copy_(attn.to_v.weight)  # type: ignore[index]
