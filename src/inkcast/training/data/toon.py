"""Samples of the drawn world in the same schema as real ones: for tests, and to try the pipeline without data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inkcast.toon.captions import caption
from inkcast.toon.dataset import sample_look, sample_scene
from inkcast.toon.renderer import Pose2D, Rendering, render
from inkcast.toon.world import Look
from inkcast.training.data.items import ToonItem, key_of
from inkcast.training.data.schema import Face, Kind, PeopleSample, Person, SubjectSample, View
from inkcast.training.data.shards import Stored
from inkcast.training.data.storing import Encoding, Files, box_of, face_inside, skeleton_of
from inkcast.training.data.tools import Tools
from inkcast.training.objective import generator
from inkcast.vision.face import SeenFace

RIGHTS = "drawn by Inkcast"


def toon_items(kind: Kind, count: int, size: int = 256, seed: int = 0, views: int = 3) -> tuple[ToonItem, ...]:
    """`count` samples; those of another seed are others. Characters are of the training split."""
    return tuple(
        ToonItem(key=key_of(number), of=kind, number=number, size=size, seed=seed, views=views)
        for number in range(count)
    )


def drawn_sample(item: ToonItem, tools: Tools, encoding: Encoding) -> Stored:
    """A function of the item alone, but for the faces' embeddings, which `tools` reads."""
    rng = generator(item.seed, f"toon data {item.of}", item.number)
    files = Files(encoding)
    if item.of == "subjects":
        return _subject(item, rng, tools, files)
    return _people(item, rng, tools, files)


def _subject(item: ToonItem, rng: np.random.Generator, tools: Tools, files: Files) -> Stored:
    look = sample_look(rng)
    views: list[View] = []
    while len(views) < item.views:
        drawn = render(sample_scene(rng, actors=[look]), item.size)
        mask = drawn.instances == 1
        if mask.mean() < files.encoding.fewest:
            continue
        name = str(len(views))
        picture = files.picture(name, drawn.image, caption(drawn.scene, rng, looks=0.0))
        face = _face(name, drawn.actors[0], mask, _faces(drawn, tools), files)
        views.append(View(picture=picture, mask=files.mask(name, mask), cut="mask", face=face))
    label = look.kind
    subject = f"toon-{item.seed}-{item.number}"
    meta = SubjectSample(key=item.key, subject=subject, label=label, rights=RIGHTS, views=tuple(views))
    return Stored(meta, files.found)


def _people(item: ToonItem, rng: np.random.Generator, tools: Tools, files: Files) -> Stored:
    while True:
        looks = [sample_look(rng) for _ in range(int(rng.integers(1, 4)))]
        drawn = render(sample_scene(rng, actors=looks), item.size)
        masks = [drawn.instances == number for number in range(1, len(looks) + 1)]
        if all(mask.mean() >= files.encoding.fewest for mask in masks):
            break
    picture = files.picture("0", drawn.image, caption(drawn.scene, rng, looks=0.0))
    seen = _faces(drawn, tools)
    people = tuple(
        _person(f"p{number}", looks[number], drawn.actors[number], mask, seen, files)
        for number, mask in enumerate(masks)
    )
    return Stored(PeopleSample(key=item.key, rights=RIGHTS, picture=picture, people=people), files.found)


def _person(name: str, look: Look, pose: Pose2D, mask: np.ndarray, seen: Sequence[SeenFace], files: Files) -> Person:
    return Person(
        mask=files.mask(name, mask),
        box=box_of(mask),
        label=look.kind,
        face=_face(name, pose, mask, seen, files),
        skeleton=None if pose.skeleton is None else skeleton_of(pose.skeleton),
    )


def _faces(drawn: Rendering, tools: Tools) -> tuple[SeenFace, ...]:
    return tools.faces.read(drawn.image) if tools.faces else ()


def _face(name: str, pose: Pose2D, mask: np.ndarray, seen: Sequence[SeenFace], files: Files) -> Face | None:
    """The points as drawn; the embedding as read, if a face was seen on the mask."""
    if pose.points is None:
        return None
    read = face_inside(seen, mask)
    return files.face(name, pose.points, None if read is None else read.embedding)
