"""Reading the detector's maps: peaks to boxes, overlaps dropped, faces given to their characters."""

from __future__ import annotations

import numpy as np
import torch

from inkcast.toon.nets import Detections
from inkcast.training.perception_data import ROW
from inkcast.training.perception_detector import targets
from inkcast.vision.detector import decode, iou, suppress


def row(box: tuple[float, ...], face: tuple[float, ...] | None = None, kind: int = 0) -> np.ndarray:
    made = np.zeros(1, dtype=ROW)
    made["box"], made["labels"][:, 0] = box, kind
    made["face"] = np.nan if face is None else face
    made["points"] = np.nan
    if face is not None:
        x0, y0, x1, y1 = face
        made["points"] = [[[x0, y0], [x1, y0], [(x0 + x1) / 2, (y0 + y1) / 2], [x0, y1], [x1, y1]]]
    return made


def ideal(rows: np.ndarray) -> Detections:
    """The maps of a net that has learned its targets by heart."""
    heat, values, _ = targets(rows)
    logits = torch.logit(torch.from_numpy(heat), eps=1e-5)
    size, offset, points, face = torch.from_numpy(values).split((2, 2, 10, 2))
    parts = (part.unsqueeze(0) for part in (logits, size, offset, points, face))
    return Detections(*parts, mask=torch.zeros(1, 1, 64, 64))


def test_the_targets_read_back_are_what_was_there() -> None:
    rows = np.concatenate(
        [
            row((10, 20, 50, 121), (21, 25, 40, 45)),
            row((70, 30, 110, 119), (80, 33, 99, 51)),
            row((50, 90, 68, 120), kind=9),
        ]
    )
    found = decode(ideal(rows), 0)
    assert sorted(item.label for item in found) == ["character", "character", "thing"]
    for given in rows:
        (item,) = [one for one in found if iou(np.array([one.box]), given["box"][None])[0, 0] > 0.98]
        if np.isnan(given["face"]).any():
            assert item.face is None
        else:
            assert item.face is not None
            np.testing.assert_allclose(item.face.box, given["face"], atol=0.05)
            np.testing.assert_allclose(item.face.points, given["points"], atol=0.05)


def test_boxes_are_in_the_pictures_own_pixels() -> None:
    (item,) = decode(ideal(row((10, 20, 50, 100), (20, 25, 40, 45))), 0, scale=(2.0, 0.5))
    np.testing.assert_allclose(item.box, (20, 10, 100, 50), atol=0.1)
    assert item.face is not None
    np.testing.assert_allclose(item.face.box, (40, 12.5, 80, 22.5), atol=0.1)


def test_a_character_seen_from_behind_takes_no_neighbours_face() -> None:
    found = decode(ideal(np.concatenate([row((5, 10, 45, 120), (15, 15, 35, 35)), row((80, 10, 120, 120))])), 0)
    faces = {item.face is not None: item for item in found}
    assert faces[True].box[0] < 10
    assert faces[False].box[0] > 75


def test_nothing_is_found_below_the_threshold() -> None:
    maps = ideal(row((10, 20, 50, 100)))
    assert decode(maps, 0, threshold=1.1) == ()


def test_overlapping_boxes_leave_the_best() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]], dtype=float)
    assert suppress(boxes, np.array([0.5, 0.9, 0.4]), 0.5) == [1, 2]
    assert suppress(boxes, np.array([0.5, 0.9, 0.4]), 0.9) == [1, 0, 2]


def test_intersection_over_union() -> None:
    a, b = np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 3, 2.0], [5, 5, 6, 6]])
    np.testing.assert_allclose(iou(a, b), [[1 / 3, 0]])
