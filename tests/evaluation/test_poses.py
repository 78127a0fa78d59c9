"""Followed poses are told from missed ones: the renderings themselves, other people's, and nobody's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from diffusers import ControlNetModel

from inkcast.assets import toon_weights
from inkcast.errors import BaseModelError
from inkcast.evaluation.batches import Batching
from inkcast.evaluation.measuring import Choices
from inkcast.evaluation.poses import evaluate_poses, judged, pose_cases
from inkcast.evaluation.toon_base import Eyes
from inkcast.sampling.controlnet import save_controlnet
from inkcast.sdxl.backbone import load_backbone


def test_true_renderings_follow_their_poses_and_others_do_not() -> None:
    cases, eyes = pose_cases(24, 3, 128), Eyes(toon_weights())
    pictures = np.stack([case.scene.image for case in cases])
    right = judged("renders", cases, pictures, eyes)
    assert right.action.mean > 0.85
    assert right.overlap.mean > 0.8
    assert right.action.count == right.overlap.count == 12 + 2 * 12
    wrong = judged("others", cases, np.roll(pictures, 2, axis=0), eyes)
    assert wrong.action.mean < 0.5
    assert wrong.overlap.mean < right.overlap.mean - 0.2
    nobody = judged("nobody", cases, np.full_like(pictures, 255), eyes)
    assert nobody.action.mean == nobody.overlap.mean == 0.0


def test_the_words_tell_neither_action_nor_looks() -> None:
    one, two = pose_cases(2, 3, 128)
    kinds = [actor.subject.kind for actor in two.scene.scene.actors]
    place = two.scene.scene.place
    assert one.text.startswith(("a ", "an "))
    assert " and " not in one.text
    assert all(kind in two.text for kind in kinds)
    assert place in two.text
    assert len(two.text.replace(place, "").split()) <= 7
    assert (one.skeletons.max(axis=-1) > 0).any()


def test_both_painters_from_equal_seeds(tmp_path: Path) -> None:
    """A fresh ControlNet adds nothing: its zero convolutions leave words alone."""
    weights, folder = toon_weights(), tmp_path / "base"
    folder.mkdir()
    for part in (weights / "base").iterdir():
        (folder / part.name).symlink_to(part)
    choices = Choices(str(folder), seed=5, batching=Batching(steps=1))
    with pytest.raises(BaseModelError, match="controlnet"):
        evaluate_poses(tmp_path / "out", choices, 2)
    net = ControlNetModel.from_unet(load_backbone("toon").unet, conditioning_embedding_out_channels=(16, 32, 48))
    (folder / "controlnet").mkdir()
    save_controlnet(net, folder / "controlnet")
    plain, posed = evaluate_poses(tmp_path / "out", choices, 2)
    assert np.abs(plain.pictures.astype(int) - posed.pictures).max() <= 1
    rows = json.loads((tmp_path / "out" / "poses.json").read_text())["poses"]
    assert rows["text only"]["overlap"]["mean"] == plain.overlap.mean
    assert (tmp_path / "out" / "poses.png").stat().st_size > 0
    assert "following poses" in (tmp_path / "out" / "poses.md").read_text()


@pytest.mark.slow
def test_the_embedded_controlnet_puts_people_where_their_skeletons_are(tmp_path: Path) -> None:
    choices = Choices("toon", seed=7, batching=Batching(steps=10))
    plain, posed = evaluate_poses(tmp_path / "out", choices, 12)
    assert posed.overlap.mean > 0.75
    assert posed.overlap.mean > plain.overlap.mean + 0.1
    assert posed.action.mean > plain.action.mean
