"""The gallery of the embedded base."""

from __future__ import annotations

import torch

from inkcast.assets import toon_weights
from inkcast.cli.inputs import gather_cast
from inkcast.engines.identity import load_identity
from inkcast.engines.stable_identity.engine import load_engine
from inkcast.engines.stable_identity.gallery import NAMES, read_gallery
from inkcast.engines.stable_identity.weights import gallery_folder
from inkcast.sdxl.backbone import load_backbone


def test_the_gallery_that_ships_belongs_to_the_base_that_ships() -> None:
    """Whoever changes the embedded base learns its gallery anew: `inkcast identity learn-gallery`."""
    engine = load_engine(load_backbone("toon", device="cpu"))
    folder = gallery_folder(toon_weights())
    members = read_gallery(folder)
    assert [member.name for member in members] == [name for name, _, _ in NAMES]
    for member in members:
        assert member.digest == engine.digest, member.name
        (someone,) = gather_cast([member.name])
        found, known = engine.encode(someone), load_identity(folder / member.words)  # found, not learned
        assert torch.equal(found.tensors["text_encoder_2"], known.tensors["text_encoder_2"])
