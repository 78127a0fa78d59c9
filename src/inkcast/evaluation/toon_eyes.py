"""How well the seeing nets see: accuracy on unseen renders, by attribute, with what guessing would reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from inkcast.evaluation.oracle import OracleReader
from inkcast.evaluation.toon_truth import LOOK_COLORS, THING_COLORS, Truth
from inkcast.toon.labels import LOOK_HEADS, SCENE_HEADS, actor_labels, scene_labels
from inkcast.toon.nets import FaceEncoder, Judge
from inkcast.toon.renderer import reference_sheet
from inkcast.toon.world import COLORED_STYLES, SKYLESS, Look
from inkcast.training.perception_data import SetSpec, rows_of, sample_picture
from inkcast.training.perception_face import readable
from inkcast.vision.alignment import align_face
from inkcast.vision.clip import PictureEncoder
from inkcast.vision.crops import on_white, to_tensor
from inkcast.vision.detector import ToonDetector, iou
from inkcast.vision.face import TOON_ZOOM, ToonFaces


@dataclass(frozen=True)
class Accuracy:
    """`right` of `count` answers; `chance` is the share of the most common true answer."""

    name: str
    right: float
    chance: float
    count: int


def accuracy_of(name: str, pairs: Sequence[tuple[object, object]]) -> Accuracy:
    """From (true, read) pairs."""
    if not pairs:
        return Accuracy(name, float("nan"), float("nan"), 0)
    common = Counter(true for true, _ in pairs).most_common(1)[0][1]
    return Accuracy(name, sum(true == read for true, read in pairs) / len(pairs), common / len(pairs), len(pairs))


def scene_accuracy(
    oracle: OracleReader, truths: Sequence[Truth], pictures: UInt8[np.ndarray, "n h w 3"]
) -> list[Accuracy]:
    """Per question about whole pictures; weather only under a sky."""
    pairs: dict[str, list[tuple[object, object]]] = {name: [] for name in SCENE_HEADS}
    for truth, reading in zip(truths, oracle.scenes(pictures), strict=True):
        seen = [pose.box is not None for pose in truth.rendering.actors]
        for (name, values), label in zip(SCENE_HEADS.items(), scene_labels(truth.scene, seen), strict=True):
            if name == "weather" and truth.scene.place in SKYLESS:
                continue
            pairs[name].append((values[label], reading.words[name]))
    return [accuracy_of(name, found) for name, found in pairs.items()]


def look_accuracy(
    oracle: OracleReader, truths: Sequence[Truth], pictures: UInt8[np.ndarray, "n h w 3"]
) -> list[Accuracy]:
    """Per attribute of subjects where it is visible, read off crops around the true boxes."""
    actors = [[k for k, pose in enumerate(truth.rendering.actors) if pose.box is not None] for truth in truths]
    boxes = [
        [tuple(map(float, truth.rendering.actors[k].box or ())) for k in own]
        for truth, own in zip(truths, actors, strict=True)
    ]
    pairs: dict[str, list[tuple[object, object]]] = {name: [] for name in LOOK_HEADS}
    for truth, own, readings in zip(truths, actors, oracle.looks(pictures, boxes), strict=True):  # type: ignore[arg-type]
        for k, reading in zip(own, readings, strict=True):
            for (name, values), label in zip(LOOK_HEADS.items(), actor_labels(truth.scene.actors[k]), strict=True):
                if label >= 0 and truth.visible(k, name):
                    pairs[name].append((values[label], reading.word(name)))
    return [accuracy_of(name, found) for name, found in pairs.items()]


def pooled(accuracies: Sequence[Accuracy], names: Sequence[str], title: str) -> Accuracy:
    """Several attributes as one figure, each answer counting once."""
    chosen = [item for item in accuracies if item.name in names and item.count]
    total = sum(item.count for item in chosen)
    right, chance = (sum(getattr(i, field) * i.count for i in chosen) / max(total, 1) for field in ("right", "chance"))
    return Accuracy(title, right, chance, total)


def color_accuracy(accuracies: Sequence[Accuracy]) -> Accuracy:
    return pooled(accuracies, (*LOOK_COLORS, *THING_COLORS), "colors")


@dataclass(frozen=True)
class Detection:
    """Precision and recall at an overlap of a half, faces' mean point error in face sides, the foreground's IoU."""

    precision: float
    recall: float
    face_precision: float
    face_recall: float
    point_error: float
    mask_iou: float
    count: int


def detection(
    detector: ToonDetector, truths: Sequence[Truth], pictures: UInt8[np.ndarray, "n h w 3"], fewest: int = 60
) -> Detection:
    """Characters with at least `fewest` visible pixels must be found; finding a smaller one is no mistake."""
    tallies, errors = np.zeros((2, 3)), []
    overlap = np.zeros(2)
    for start in range(0, len(truths), 32):
        part = slice(start, start + 32)
        masks = detector.foreground(pictures[part])
        for truth, found, mask in zip(truths[part], detector.find(pictures[part]), masks, strict=True):
            foreground = truth.rendering.instances > 0
            overlap += (foreground & mask).sum(), (foreground | mask).sum()
            own = [item for item in found if item.label == "character"]
            people = [
                (pose, int((truth.rendering.instances == k + 1).sum()))
                for k, (pose, actor) in enumerate(zip(truth.rendering.actors, truth.scene.actors, strict=True))
                if isinstance(actor.subject, Look) and pose.box is not None
            ]
            boxes, wanted = [pose.box for pose, _ in people], [pixels >= fewest for _, pixels in people]
            tallies[0] += tally([item.box for item in own], boxes, wanted)[0]
            seen = [item.face for item in own if item.face is not None]
            faces = [pose for pose, pixels in people if pose.face is not None and pixels >= fewest]
            counts, matches = tally([face.box for face in seen], [pose.face for pose in faces], [True] * len(faces))
            tallies[1] += counts
            for a, b in matches:
                points, box = faces[b].points, faces[b].face
                if points is not None and box is not None:
                    side = max(box[2] - box[0], box[3] - box[1], 1)
                    errors.append(float(np.linalg.norm(seen[a].points - points, axis=1).mean() / side))
    (right, given, asked), (face_right, face_given, face_asked) = tallies
    return Detection(
        right / max(given, 1),
        right / max(asked, 1),
        face_right / max(face_given, 1),
        face_right / max(face_asked, 1),
        float(np.mean(errors)) if errors else float("nan"),
        float(overlap[0] / max(overlap[1], 1)),
        int(asked),
    )


def tally(
    found: Sequence[Sequence[float]], true: Sequence[Sequence[float] | None], wanted: Sequence[bool]
) -> tuple[tuple[int, int, int], list[tuple[int, int]]]:
    """(right, given, asked) and the matched places; found boxes that match an unwanted one are not counted."""
    from scipy.optimize import linear_sum_assignment

    matches: list[tuple[int, int]] = []
    if found and true:
        pairs = iou(np.array(found, dtype=float), np.array(true, dtype=float))
        matches = [(int(a), int(b)) for a, b in zip(*linear_sum_assignment(-pairs), strict=True) if pairs[a, b] >= 0.5]
    right = sum(wanted[b] for _, b in matches)
    return (right, len(found) - (len(matches) - right), sum(wanted)), matches


@dataclass(frozen=True)
class Verification:
    """Same or different face, on unseen identities: `accuracy` at the best threshold, the area under the curve."""

    accuracy: float
    area: float
    same: float
    different: float
    pairs: int


def verification(vectors: np.ndarray, identities: np.ndarray) -> Verification:
    """Over all pairs, same and different weighing alike."""
    left, right = np.triu_indices(len(vectors), 1)
    cosine, same = (vectors @ vectors.T)[left, right], identities[left] == identities[right]
    own, other = np.sort(cosine[same]), np.sort(cosine[~same])
    thresholds = np.concatenate([own, other])
    kept = 1 - np.searchsorted(own, thresholds) / len(own)
    refused = np.searchsorted(other, thresholds) / len(other)
    area = float((np.searchsorted(other, own) / len(other)).mean())
    return Verification(
        float(((kept + refused) / 2).max()), area, float(own.mean()), float(other.mean()), int(same.sum())
    )


def face_verification(faces: ToonFaces, count: int, seed: int, each: int = 6) -> Verification:
    """`count` unseen identities, `each` pictures of each in other clothes, company, places and styles."""
    spec = SetSpec(0, seed, "test", identities=count)
    crops, numbers = [], []
    for index in range(count * each * 2 // 3):
        rendering, identities, _ = sample_picture(spec, index)
        rows = [row for _, row in rows_of(rendering, index, identities)]
        for row in readable(np.array(rows), 12.0) if rows else ():
            crops.append(align_face(rendering.image, row["points"], FaceEncoder.side, TOON_ZOOM))
            numbers.append(int(row["identity"]))
    return verification(faces.embed(np.stack(crops)), np.array(numbers))


@dataclass(frozen=True)
class Retrieval:
    """Of `count` unseen subjects: how often a cut-out of a scene finds its own reference among all references."""

    right: float
    chance: float
    count: int


def view_retrieval(encoder: PictureEncoder, truths: Sequence[Truth], most: int = 100, fewest: int = 400) -> Retrieval:
    """Front references against cut-outs of at least `fewest` px in styles that carry colour; characters only."""
    fronts: list[np.ndarray] = []
    cuts: list[np.ndarray] = []
    for truth in truths:
        for k, actor in enumerate(truth.scene.actors):
            mask = truth.rendering.instances == k + 1
            colored = truth.scene.style in COLORED_STYLES
            if len(cuts) < most and colored and isinstance(actor.subject, Look) and mask.sum() >= fewest:
                fronts.append(reference_sheet(actor.subject, Judge.side).image)
                cuts.append(on_white(truth.rendering.image, mask, Judge.side))
    a, b = (encoder.embed(to_tensor(np.stack(pictures))) for pictures in (cuts, fronts))
    right = (a @ b.T).argmax(1).numpy() == np.arange(len(cuts))
    return Retrieval(float(right.mean()), 1 / len(cuts), len(cuts))
