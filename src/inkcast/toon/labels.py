"""What a picture of the drawn world shows, as numbers: the classes that the seeing nets answer with.

A label is the place of a word in its tuple; `ABSENT` says that the question does not arise (a car has no hair).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from inkcast.toon.world import (
    ACTIONS,
    ATTRIBUTES,
    COLORS,
    KINDS,
    MAX_ACTORS,
    PLACES,
    SHOTS,
    STYLES,
    THINGS,
    TIMES,
    VIEWS,
    WEATHERS,
    Actor,
    Look,
    Scene,
    Subject,
    choices,
)

ABSENT = -1
SUBJECT_KINDS = KINDS + THINGS
SCENE_HEADS: Mapping[str, tuple[str, ...]] = {
    "place": PLACES,
    "time": TIMES,
    "weather": WEATHERS,
    "style": STYLES,
    "shot": SHOTS,
    "count": tuple(str(n) for n in range(MAX_ACTORS + 1)),
}
SUBJECT_HEADS: Mapping[str, tuple[str, ...]] = {
    **{name: choices(name) for name in ATTRIBUTES},
    "kind": SUBJECT_KINDS,
    "color": tuple(COLORS),
    "trim": tuple(COLORS),
}
LOOK_HEADS: Mapping[str, tuple[str, ...]] = {**SUBJECT_HEADS, "action": ACTIONS, "view": VIEWS}
FACE_ATTRIBUTES = ("kind", "body", "face", "hair", "hair_color", "eyes", "accessory")


def subject_labels(subject: Subject) -> np.ndarray:
    """[len(SUBJECT_HEADS)] int16."""
    return np.array(
        [
            values.index(value) if (value := getattr(subject, name, None)) is not None else ABSENT
            for name, values in SUBJECT_HEADS.items()
        ],
        dtype=np.int16,
    )


def actor_labels(actor: Actor) -> np.ndarray:
    """[len(LOOK_HEADS)] int16: the subject's labels, then its action and view (characters only)."""
    acting = isinstance(actor.subject, Look)
    action = ACTIONS.index(actor.action) if acting else ABSENT
    view = VIEWS.index(actor.view) if acting else ABSENT
    return np.concatenate([subject_labels(actor.subject), np.array([action, view], dtype=np.int16)])


def scene_labels(scene: Scene, visible: Sequence[bool]) -> np.ndarray:
    """[len(SCENE_HEADS)] int16; only visible actors count, and only characters among them."""
    count = sum(seen and isinstance(actor.subject, Look) for actor, seen in zip(scene.actors, visible, strict=True))
    words = [getattr(scene, name) for name in SCENE_HEADS if name != "count"]
    return np.array(
        [values.index(word) for values, word in zip(SCENE_HEADS.values(), words, strict=False)] + [count],
        dtype=np.int16,
    )
