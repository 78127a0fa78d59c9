"""Rendered pictures with everything known about them, drawn once and read many times by the seeing nets' trainings."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from inkcast.files import replacing_folder
from inkcast.toon import labels, world
from inkcast.toon.captions import describe
from inkcast.toon.dataset import sample_look, sample_scene, sample_thing
from inkcast.toon.labels import ABSENT, LOOK_HEADS, SCENE_HEADS
from inkcast.toon.renderer import Rendering, reference_sheet, render
from inkcast.toon.world import Look, Split, Subject, split_of

SIDE = 128
SHEET_SIDE = 64
MARKER = "set.json"
LAYOUT = 2
NOT_DRAWING = ("nets.py", "base.py")
ROW = np.dtype(
    [
        ("picture", "i4"),
        ("instance", "u1"),
        ("identity", "i4"),
        ("pixels", "i4"),
        ("box", "f4", 4),
        ("face", "f4", 4),
        ("points", "f4", (5, 2)),
        ("labels", "i2", len(LOOK_HEADS)),
    ]
)
"""One visible subject; `face` and `points` are NaN where no face is seen, `identity` ABSENT where there is none."""


@dataclass(frozen=True)
class SetSpec:
    """What to draw. `sheets` is the share of pictures that show one subject on white instead of a scene.

    With `identities`, pictures are near shots of that many faces, each in ever new clothes and company.
    With `views`, two reference pictures on white are kept of every subject.
    """

    pictures: int
    seed: int = 0
    split: Split = "train"
    sheets: float = 0.0
    identities: int = 0
    views: bool = False


def sample_picture(spec: SetSpec, index: int) -> tuple[Rendering, tuple[int, ...], bool]:
    """Picture `index`: what was drawn, the identity number of each actor, and whether it is a sheet."""
    rng = np.random.default_rng([spec.seed, index])
    if spec.identities:
        numbers = tuple(int(n) for n in rng.choice(spec.identities, size=int(rng.integers(1, 3)), replace=False))
        actors = [dressed(face_look(spec, number), rng, spec.split) for number in numbers]
        scene = sample_scene(rng, spec.split, actors=actors, shot=str(rng.choice(["medium", "close-up"])))
        facing = [replace(actor, view="front") if actor.view == "back" else actor for actor in scene.actors]
        return render(replace(scene, actors=tuple(facing)), SIDE), numbers, False
    if rng.random() < spec.sheets:
        subject: Subject = sample_thing(rng, spec.split) if rng.random() < 0.25 else sample_look(rng, spec.split)
        view = str(rng.choice(world.VIEWS, p=[0.6, 0.25, 0.15]))
        return reference_sheet(subject, SIDE, view), (ABSENT,), True
    scene = sample_scene(rng, spec.split)
    return render(scene, SIDE), (ABSENT,) * len(scene.actors), False


def face_look(spec: SetSpec, number: int) -> Look:
    """Identity `number`: the same face for the same set, whatever is worn below it."""
    return sample_look(np.random.default_rng([spec.seed, 1 << 20, number]), spec.split)


def dressed(look: Look, rng: np.random.Generator, split: Split) -> Look:
    """The same face in other clothes, within the split."""
    while True:
        other = sample_look(rng, split, kind=look.kind)
        clothed = replace(
            look, top=other.top, pattern=other.pattern, bottom=other.bottom, bottom_color=other.bottom_color
        )
        if split_of(clothed) == split:
            return clothed


def rows_of(rendering: Rendering, picture: int, identities: tuple[int, ...]) -> Iterator[tuple[Subject, np.ndarray]]:
    """The visible subjects of a picture, each with its row."""
    for place, (actor, pose) in enumerate(zip(rendering.scene.actors, rendering.actors, strict=True)):
        pixels = int((rendering.instances == place + 1).sum())
        if pose.box is None or not pixels:
            continue
        row = np.zeros((), dtype=ROW)
        row["picture"], row["instance"], row["identity"], row["pixels"] = picture, place + 1, identities[place], pixels
        row["box"] = pose.box
        shown = face_shown(rendering, place)
        row["face"] = pose.face if shown else np.nan
        row["points"] = pose.points if shown and pose.points is not None else np.nan
        row["labels"] = labels.actor_labels(actor)
        yield actor.subject, row


def face_shown(rendering: Rendering, place: int, share: float = 0.4) -> bool:
    """Whether the actor has a face in the picture, and a `share` of the face's box is that actor's own pixels."""
    face = rendering.actors[place].face
    if face is None:
        return False
    x0, y0, x1, y1 = (round(value) for value in face)
    inside = rendering.instances[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] == place + 1
    return bool(inside.size) and inside.mean() >= share


def draw_slice(folder: Path, spec: SetSpec, start: int, stop: int) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Draws pictures [start, stop) into the folder's arrays; returns their rows, captions and reference pictures."""
    names = ("pictures", "instances", "scenes")
    arrays = {name: open_memmap(folder / f"{name}.npy", mode="r+") for name in names}
    rows, captions, views = [], [], []
    for index in range(start, stop):
        rendering, identities, sheet = sample_picture(spec, index)
        visible = [pose.box is not None for pose in rendering.actors]
        arrays["pictures"][index], arrays["instances"][index] = rendering.image, rendering.instances
        arrays["scenes"][index] = ABSENT if sheet else labels.scene_labels(rendering.scene, visible)
        for subject, row in rows_of(rendering, index, identities):
            rows.append(row)
            captions.append(describe(subject))
            if spec.views:
                other = "side" if index % 2 else "back"
                views.append([reference_sheet(subject, SHEET_SIDE, view).image for view in ("front", other)])
    shape = (0, 2, SHEET_SIDE, SHEET_SIDE, 3)
    return np.array(rows, dtype=ROW), captions, np.array(views, dtype=np.uint8) if views else np.empty(shape, np.uint8)


class RenderedSet:
    """An open set: `pictures` [n,128,128,3] and `instances` [n,128,128] uint8, `scenes` labels, `rows`,
    `captions` (one per row), and with `views` two reference pictures per row [m,2,64,64,3]."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return RenderedSet, (self.folder,)

    def _array(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")

    @cached_property
    def pictures(self) -> np.ndarray:
        return self._array("pictures")

    @cached_property
    def instances(self) -> np.ndarray:
        return self._array("instances")

    @cached_property
    def scenes(self) -> np.ndarray:
        return self._array("scenes")

    @cached_property
    def rows(self) -> np.ndarray:
        return np.load(self.folder / "rows.npy")

    @cached_property
    def views(self) -> np.ndarray:
        return self._array("views")

    @cached_property
    def captions(self) -> list[str]:
        return json.loads((self.folder / "captions.json").read_text())

    @cached_property
    def rows_by_picture(self) -> list[np.ndarray]:
        order = np.searchsorted(self.rows["picture"], np.arange(len(self.pictures) + 1))
        return [np.arange(a, b) for a, b in pairwise(order)]


def renderer_digest() -> str:
    """Changes with every change of the drawing code, so that no set outlives the world it shows."""
    code = Path(world.__file__).parent
    sources = sorted(path for path in code.glob("*.py") if path.name not in NOT_DRAWING)
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def rendered_set(cache: Path, spec: SetSpec, workers: int = 0) -> RenderedSet:
    """The set for `spec`, opened from `cache` if it was drawn before by the same code, else drawn there now.

    `workers` processes draw side by side (0: one per core); the pictures do not depend on how many.
    """
    facts = {**asdict(spec), "renderer": renderer_digest(), "layout": LAYOUT}
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache / f"{spec.split}-{spec.pictures}-{name}"
    if not (folder / MARKER).is_file():
        with replacing_folder(folder, MARKER) as new:
            draw_set(new, spec, workers or os.cpu_count() or 1)
            (new / MARKER).write_text(json.dumps(facts, indent=2))
    return RenderedSet(folder)


def draw_set(folder: Path, spec: SetSpec, workers: int) -> None:
    count = spec.pictures
    shapes = {
        "pictures": ((count, SIDE, SIDE, 3), np.uint8),
        "instances": ((count, SIDE, SIDE), np.uint8),
        "scenes": ((count, len(SCENE_HEADS)), np.int16),
    }
    for name, (shape, dtype) in shapes.items():
        open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape).flush()
    edges = np.linspace(0, count, min(workers * 4, count) + 1).astype(int).tolist()
    jobs = [(folder, spec, start, stop) for start, stop in pairwise(edges)]
    if workers == 1:
        parts = [draw_slice(*job) for job in jobs]
    else:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            parts = list(pool.map(draw_slice, *zip(*jobs, strict=True)))
    np.save(folder / "rows.npy", np.concatenate([rows for rows, _, _ in parts]))
    np.save(folder / "views.npy", np.concatenate([views for _, _, views in parts]))
    (folder / "captions.json").write_text(json.dumps([text for _, texts, _ in parts for text in texts]))
