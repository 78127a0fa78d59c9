"""What ReferenceNet reads of a reference (section 3.2), worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inkcast.engines.any_story.encoder import masked_latents
from inkcast.sdxl.backbone import Backbone


@torch.no_grad()
def test_the_last_channel_is_how_much_of_each_latent_pixel_the_subject_covers(backbone: Backbone) -> None:
    pictures, masks = torch.rand(2, 3, 24, 16, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 1, 24, 16)
    masks[0, 0, 2:20, 3:11] = 1
    masks[1, 0, 9, 15] = 1
    backbone.vae.register_to_config(scaling_factor=0.7)
    found = masked_latents(backbone, pictures, masks)
    assert found.shape == (2, 5, 3, 2)
    for picture in range(2):
        mean = backbone.vae.quant_conv(backbone.vae.encoder(2 * pictures[picture : picture + 1] - 1))[0, :4]
        torch.testing.assert_close(found[picture, :4], 0.7 * mean)
    for picture, y, x in np.ndindex(2, 3, 2):
        covered = sum(float(masks[picture, 0, 8 * y + v, 8 * x + u]) for v, u in np.ndindex(8, 8))
        assert float(found[picture, 4, y, x]) == pytest.approx(covered / 64), (picture, y, x)
