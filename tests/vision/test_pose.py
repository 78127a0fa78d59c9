"""Poses: read off pictures, and the maps they are drawn as told from pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from inkcast.toon.dataset import sample_scene
from inkcast.toon.renderer import render
from inkcast.vision.people import Instance
from inkcast.vision.pose import COLORS, PoseEyes, VitPose, is_pose_map, openpose, peaks_of, pose_map

STANDING = np.array([[24 + 12 * np.sin(n), 6 + 4.5 * n, 1.0] for n in range(18)])


def test_vitpose_points_lie_where_the_maps_peak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    backbone = VitPoseBackboneConfig(
        image_size=[64, 48], hidden_size=8, num_hidden_layers=1, num_attention_heads=1, mlp_ratio=1, out_indices=[1]
    )
    config = VitPoseConfig(backbone_config=backbone, num_labels=17)
    VitPoseForPoseEstimation(config).save_pretrained(tmp_path)
    reader = VitPose(str(tmp_path), margin=1.0)
    picture = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    read = reader.read(picture, np.array([[10.0, 20, 34, 52], [60, 20, 84, 52]]))
    assert read.shape == (2, 18, 3)
    for points, x0 in zip(read, (10, 60), strict=True):
        assert (points[:, 0] >= x0).all()
        assert (points[:, 0] <= x0 + 24).all()
        assert ((points[:, 1] >= 20) & (points[:, 1] <= 52)).all()

    class Peak:
        def __init__(self) -> None:
            self.config = config

        def __call__(self, pixel_values: torch.Tensor) -> object:
            heat = torch.zeros(1, 17, 16, 12)
            heat[:, :, 4, 3] = 0.8
            return type("Out", (), {"heatmaps": heat})

    monkeypatch.setitem(reader.__dict__, "model", Peak())
    nose = reader.read(picture, np.array([[10.0, 20, 58, 84]]))[0, 0]
    assert nose.tolist() == pytest.approx([10 + 3.5 * 4, 20 + 4.5 * 4, 0.8])
    assert reader.read(picture, np.zeros((0, 4))).shape == (0, 18, 3)


def test_coco_s_points_take_openpose_s_places() -> None:
    coco = np.zeros((1, 17, 3))
    coco[0, :, 0] = np.arange(17)
    coco[0, :, 2] = 1
    coco[0, 6, 2] = 0.5
    found = openpose(coco)[0]
    assert found[:, 0].tolist() == [0, 5.5, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
    assert found[1, 2] == 0.5
    heat = torch.zeros(1, 1, 4, 5)
    heat[0, 0, 2, 3] = 2.0
    assert peaks_of(heat).tolist() == [[[3.5, 2.5, 1.0]]]


def test_a_map_is_as_large_as_its_picture_and_points_have_their_colours() -> None:
    drawn = pose_map([STANDING], (96, 48))
    assert drawn.shape == (96, 48, 3)
    x, y, _ = STANDING[17].round().astype(int)  # drawn last: nothing covers it
    assert tuple(drawn[y, x]) == COLORS[17]
    unseen = STANDING.copy()
    unseen[:, 2] = 0
    assert not pose_map([unseen], (96, 48)).any()


def test_maps_are_told_from_pictures() -> None:
    assert is_pose_map(pose_map([STANDING], (96, 48)))
    assert is_pose_map(pose_map([STANDING * (4, 4, 1), np.add(STANDING * (4, 4, 1), (150, 0, 0))], (400, 400)))
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    lamp = np.zeros((64, 64, 3), np.uint8)
    lamp[20:30, 20:30] = (250, 240, 225)  # a night with one white light: black, but not coloured
    drawn = [render(sample_scene(np.random.default_rng(seed))).image for seed in range(40)]
    for other in (*drawn, noise, lamp, np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)):
        assert not is_pose_map(other)


def test_everybody_found_is_in_the_map_but_for_points_hardly_seen() -> None:
    """The reader hears each person's box, and what it says below the threshold is left out."""
    picture = np.zeros((96, 100, 3), np.uint8)
    left, right = np.zeros((96, 100), bool), np.zeros((96, 100), bool)
    left[5:91, 3:45], right[6:90, 52:97] = True, True

    class Found:
        def find(self, _: np.ndarray) -> tuple[Instance, ...]:
            return Instance(left, 1.0, "person"), Instance(right, 1.0, "person")

    class Read:
        def read(self, _: np.ndarray, boxes: np.ndarray) -> np.ndarray:
            assert boxes.tolist() == [[3, 5, 45, 91], [52, 6, 97, 90]]
            sure, unsure = STANDING.copy(), np.add(STANDING, (50, 0, 0))
            unsure[:9, 2] = 0.29
            return np.stack([sure, unsure])

    half = np.add(STANDING, (50, 0, 0))
    half[:9, 2] = 0
    made = PoseEyes(Found(), Read()).map_of(picture)
    assert np.array_equal(made, pose_map([STANDING, half], (96, 100)))


def test_nobody_found_is_no_map() -> None:
    class Nobody:
        def find(self, _: np.ndarray) -> tuple[Instance, ...]:
            return ()

    assert PoseEyes(Nobody(), None).map_of(np.zeros((8, 8, 3), np.uint8)) is None  # type: ignore[arg-type]
