"""Unseen renders with what can truly be seen in them: an attribute is visible where changing it would change pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inkcast.toon.dataset import sample_scene
from inkcast.toon.labels import LOOK_HEADS
from inkcast.toon.renderer import Rendering, render
from inkcast.toon.world import ATTRIBUTES, COLORED_STYLES, Look, Scene, Split, choices

SIDE = 128
VISIBLE_PIXELS = 20
CHANGE = 8
LOOK_COLORS = ("body", "hair_color", "eyes", "top", "bottom_color")
THING_COLORS = ("color", "trim")
UNDRAWN = ("kind", "action", "view")


@dataclass(frozen=True)
class Truth:
    """A rendering and, per actor, the pixels that each attribute of its subject decides (none for a hidden actor)."""

    rendering: Rendering
    pixels: tuple[Mapping[str, int], ...]

    @property
    def scene(self) -> Scene:
        return self.rendering.scene

    def visible(self, actor: int, attribute: str) -> bool:
        """Whether it makes sense to ask: enough pixels, and for a colour a style that carries colour."""
        if attribute in UNDRAWN:
            return self.rendering.actors[actor].box is not None
        if attribute in (*LOOK_COLORS, *THING_COLORS) and self.scene.style not in COLORED_STYLES:
            return False
        return self.pixels[actor].get(attribute, 0) >= VISIBLE_PIXELS


def another(attribute: str, value: str, kind: str) -> str:
    """A value of the attribute that is not `value`: the one half the list away."""
    known = [v for v in (choices(attribute, kind) if attribute in ATTRIBUTES else LOOK_HEADS[attribute]) if v != value]
    return known[len(known) // 2]


def decided_pixels(rendering: Rendering, actor: int) -> Mapping[str, int]:
    """How many of the actor's pixels change when one attribute takes another value, for each attribute."""
    scene, subject = rendering.scene, rendering.scene.actors[actor].subject
    own = rendering.instances == actor + 1
    names = ATTRIBUTES[1:] if isinstance(subject, Look) else THING_COLORS
    counts = {}
    for name in names:
        changes: dict[str, Any] = {name: another(name, getattr(subject, name), subject.kind)}
        other = replace(subject, **changes)
        actors = tuple(replace(a, subject=other) if k == actor else a for k, a in enumerate(scene.actors))
        changed = render(replace(scene, actors=actors), SIDE).image.astype(int) - rendering.image
        counts[name] = int((own & (np.abs(changed).max(-1) >= CHANGE)).sum())
    return counts


def unseen(count: int, seed: int, split: Split = "test") -> Iterator[Truth]:
    """`count` random scenes of a split that nothing was trained on."""
    for index in range(count):
        rendering = render(sample_scene(np.random.default_rng([seed, index]), split), SIDE)
        yield Truth(
            rendering,
            tuple(
                decided_pixels(rendering, actor) if pose.box is not None else {}
                for actor, pose in enumerate(rendering.actors)
            ),
        )
