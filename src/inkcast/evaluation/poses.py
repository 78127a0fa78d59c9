"""Does the pose ControlNet put people where their skeletons are, doing what the skeletons do?

Unseen scenes give the skeletons; the words name kinds and the place alone, so that actions and whereabouts can come
from nowhere but the pose. Words alone draw the same prompts from the same seeds beside it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from scipy.optimize import linear_sum_assignment

from inkcast.assets import toon_weights
from inkcast.evaluation.batches import settings_of
from inkcast.evaluation.intervals import Estimate, bootstrap
from inkcast.evaluation.measuring import Choices, facts, open_base
from inkcast.evaluation.toon_base import Eyes, without_nan
from inkcast.evaluation.toon_looks import somewhere
from inkcast.evaluation.toon_report import grid, table
from inkcast.evaluation.toon_words import plain
from inkcast.events import Progress, Report, unheard
from inkcast.files import refuse_existing, replacing_folder, write_text
from inkcast.images import save_png
from inkcast.sampling.control import Follow
from inkcast.sampling.controlnet import load_controlnet
from inkcast.sampling.sampler import draw
from inkcast.toon.captions import with_article
from inkcast.toon.dataset import sample_look, sample_scene
from inkcast.toon.renderer import Rendering, render
from inkcast.toon.world import Look
from inkcast.vision.detector import iou
from inkcast.vision.pose import pose_map

RESULTS = "poses.json"
COLUMNS = 8


@dataclass(frozen=True)
class PoseCase:
    """A rendering whose skeletons are followed, and the picture's seed."""

    scene: Rendering
    seed: int

    @property
    def text(self) -> str:
        """ "a girl and a cat in the park"."""
        kinds = [actor.subject.kind for actor in self.scene.scene.actors if isinstance(actor.subject, Look)]
        people = " and ".join(with_article(kind) for kind in kinds)
        return f"{people} {somewhere(self.scene.scene.place)}"

    @property
    def skeletons(self) -> UInt8[np.ndarray, "h w 3"]:
        found = [pose.skeleton for pose in self.scene.actors if pose.skeleton is not None]
        return pose_map(found, self.scene.image.shape[:2])


@dataclass(frozen=True)
class Posed:
    """Figures of one painter: people doing what they ought to, and the mean IoU of their boxes with the true ones; who
    is not found has 0 of both."""

    painter: str
    action: Estimate
    overlap: Estimate
    pictures: UInt8[np.ndarray, "n h w 3"]


def pose_cases(count: int, seed: int, side: int) -> list[PoseCase]:
    """Scenes of one and of two people of the test split, by turns, all of them visible."""
    cases: list[PoseCase] = []
    index = 0
    while len(cases) < count:
        rng = np.random.default_rng([seed, 11, index])
        index += 1
        people = [sample_look(rng, "test") for _ in range(1 + len(cases) % 2)]
        drawn = render(sample_scene(rng, "test", actors=people, style="flat"), side)
        if all(pose.box is not None for pose in drawn.actors):
            cases.append(PoseCase(drawn, int(rng.integers(2**31))))
    return cases


def judged(painter: str, cases: Sequence[PoseCase], pictures: UInt8[np.ndarray, "n h w 3"], eyes: Eyes) -> Posed:
    """Each rendered person against the found person who overlaps them (Hungarian over IoU)."""
    boxes = [[one.box for one in found if one.label == "character"] for found in eyes.detector.find(pictures)]
    acting, overlaps = list[float](), list[float]()
    for case, found, readings in zip(cases, boxes, eyes.oracle.looks(pictures, boxes), strict=True):
        actors = case.scene.scene.actors
        true = np.array([pose.box for pose in case.scene.actors], dtype=float)
        shares = iou(true, np.array(found, dtype=float).reshape(-1, 4))
        own = {row: column for row, column in zip(*linear_sum_assignment(-shares), strict=True) if shares[row, column]}
        for row, actor in enumerate(actors):
            overlaps.append(float(shares[row, own[row]]) if row in own else 0.0)
            acting.append(float(row in own and readings[own[row]].word("action") == actor.action))
    return Posed(painter, bootstrap(acting), bootstrap(overlaps), pictures)


def evaluate_poses(
    out: Path, choices: Choices, count: int, *, eyes: Path | None = None, report: Report = unheard
) -> list[Posed]:
    """Words alone, and with the base's controlnet/ following the skeletons, into the folder `out`.

    Raises `BaseModelError` without a ControlNet, `OutputError` if the folder holds something else.
    """
    refuse_existing(out, RESULTS, overwrite=choices.overwrite)
    base = open_base(choices, "float32")
    net = load_controlnet(base.part("controlnet"), base.dtype)
    cases, seeing, batching = (
        pose_cases(count, choices.seed, base.side),
        Eyes(eyes or toon_weights()),
        choices.batching,
    )
    found = []
    for painter in ("text only", "following poses"):
        pictures = []
        for case in cases:
            settings = replace(settings_of(base, batching), seed=case.seed)
            control = Follow(net, Image.fromarray(case.skeletons)) if painter != "text only" else None
            pictures.append(np.asarray(draw(base, plain(base, case.text), settings, control=control)[0]))
            report(Progress(painter, len(pictures), count))
        found.append(judged(painter, cases, np.stack(pictures), seeing))
    known = facts(base, choices, (), {"pictures": count})
    with replacing_folder(out, RESULTS, overwrite=choices.overwrite) as folder:
        rows = {one.painter: {"action": asdict(one.action), "overlap": asdict(one.overlap)} for one in found}
        write_text(
            folder / RESULTS,
            json.dumps(without_nan({"facts": known, "poses": rows}), indent=2, allow_nan=False) + "\n",
        )
        head = ["drawn by", "people doing it", "overlap with where they ought to be (IoU)"]
        lines = table(head, [[one.painter, str(one.action), str(one.overlap)] for one in found])
        write_text(folder / "poses.md", f"# Poses\n\n{lines}")
        shown = [np.stack([case.skeletons for case in cases]), *(one.pictures for one in found)]
        strips = [grid(part[:COLUMNS], min(COLUMNS, count)) for part in shown]
        save_png(Image.fromarray(np.concatenate(strips)), folder / "poses.png")
    return found
