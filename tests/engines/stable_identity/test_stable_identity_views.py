"""What a face is learned from: the views of hand-made references, mirrored, encoded and weighed in step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import inkcast.engines.stable_identity.views as views_module
from inkcast.engines.stable_identity.sight import Seen
from inkcast.engines.stable_identity.views import material
from inkcast.sdxl.backbone import Backbone
from inkcast.vision.face_parsing import FaceMasks

SIDE = 40
"""A head of 24 px takes 0.6 of it, so that a picture of 40 px with such a head in its middle is its own portrait."""
Blocks = tuple[slice, slice]
FACES: tuple[Blocks, Blocks] = (slice(2, 4), slice(1, 3)), (slice(2, 4), slice(2, 4))
HAIRS: tuple[Blocks, Blocks] = (slice(1, 2), slice(1, 4)), (slice(1, 2), slice(1, 2))
"""Of both references, in latent pixels of 8 px; neither head is its own mirror image."""


def mask(blocks: Blocks) -> np.ndarray:
    small = np.zeros((5, 5), dtype=bool)
    small[blocks] = True
    return small.repeat(8, axis=0).repeat(8, axis=1)


def seen(number: int) -> Seen:
    """Features 10 and 11 for the first reference and its mirror image, 20 and 21 for the second's."""
    picture = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    features = torch.tensor([[10.0 * (number + 1)], [10.0 * (number + 1) + 1]])
    return Seen(picture, FaceMasks(mask(FACES[number]), mask(HAIRS[number])), features)


def test_views_take_turns_and_every_second_is_mirrored_with_its_masks_and_its_features(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    for chance in ("jittered", "cropped", "placed"):
        monkeypatch.setattr(views_module, chance, lambda layers, _: layers)
    backbone.vae.register_to_config(scaling_factor=0.7)
    references = [seen(0), seen(1)]
    made = material(backbone, references, SIDE, views=5, seed=0)
    assert made.latents.shape == (5, 4, 5, 5)
    order = [(0, False), (1, False), (0, True), (1, True), (0, False)]
    for view, (number, mirrored) in enumerate(order):
        weights = np.zeros((5, 5))
        weights[FACES[number]], weights[HAIRS[number]] = 1, 0.1
        turn = slice(None, None, -1 if mirrored else 1)
        np.testing.assert_allclose(made.weights[view, 0].numpy(), weights[:, turn], atol=1e-6)
        picture = references[number].picture[:, turn]
        pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 127.5 - 1
        with torch.no_grad():
            mean = backbone.vae.quant_conv(backbone.vae.encoder(pixels))[0, :4]
        torch.testing.assert_close(made.latents[view], 0.7 * mean, atol=1e-4, rtol=1e-4)
    assert made.features.tolist() == [[10.0], [20.0], [11.0], [21.0], [10.0]]
    assert made.own.tolist() == [[15.0]]
