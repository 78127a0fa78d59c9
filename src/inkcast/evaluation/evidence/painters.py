"""The arms of a comparison as painters of a suite."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from inkcast.evaluation.evidence.claims import SD_LIKE, Arm, Claim
from inkcast.evaluation.evidence.lab import Lab
from inkcast.evaluation.suites import PLAIN, BasePainter, Commission, Painter, Picture
from inkcast.evaluation.toon_looks import LookCase
from inkcast.toon.dataset import sample_scene
from inkcast.toon.renderer import render
from inkcast.toon.world import Scene

TRUE = "true pictures"
PLAIN_SD = f"{PLAIN}, {SD_LIKE}"


@dataclass(frozen=True)
class ArmPainter:
    """An arm under its own name; how faces are learned is part of what decides a picture."""

    name: str
    inner: BasePainter
    learning: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.inner.digest} {self.learning}".encode()).hexdigest()[:24]

    @property
    def group(self) -> int:
        return self.inner.group

    def paint(self, commissions: Sequence[Commission]) -> list[Picture]:
        return self.inner.paint(commissions)


@dataclass(frozen=True)
class TruePainter:
    """The drawn world itself, showing each case's cast from the front by day: the oracle's own limits."""

    cases: Mapping[str, LookCase]
    side: int
    name: str = TRUE
    group: int = 16

    @cached_property
    def digest(self) -> str:
        """Of every scene, and of how the first one is drawn."""
        scenes = [self.scene(case) for case in self.cases.values()]
        drawn = [render(scene, self.side).image.tobytes() for scene in scenes[:1]]
        return hashlib.sha256(b"".join([repr(scenes).encode(), *drawn])).hexdigest()[:24]

    def paint(self, commissions: Sequence[Commission]) -> list[Picture]:
        return [render(self.scene(self.cases[one.key]), self.side).image for one in commissions]

    def scene(self, case: LookCase) -> Scene:
        rng = np.random.default_rng(case.seed)
        scene = sample_scene(rng, actors=case.cast, style="flat", place=case.place, shot="wide", action=case.action)
        actors = tuple(replace(actor, view="front") for actor in scene.actors)
        return replace(scene, actors=actors, time="day", weather="clear")


def painters(claim: Claim, lab: Lab) -> Iterator[Painter]:
    """Words alone first, on every base that the claim draws on, the true pictures where the claim wants them, then each
    arm that lacks nothing, made when its turn comes."""
    learning = json.dumps(asdict(lab.learning), sort_keys=True)
    yield ArmPainter(PLAIN, BasePainter(lab.base, None, lab.batching), "")
    if lab.other_base is not None and any(arm.name == SD_LIKE for arm in claim.arms):
        yield ArmPainter(PLAIN_SD, BasePainter(lab.other_base, None, lab.batching), "")
    if claim.truth:
        yield TruePainter(claim.cases(lab), lab.base.side)
    for arm in ready(claim, lab):
        engine = arm.make(lab, arm.weights(lab))
        yield ArmPainter(arm.name, BasePainter(getattr(engine, "base", lab.base), engine, lab.batching), learning)


def ready(claim: Claim, lab: Lab) -> tuple[Arm, ...]:
    """The arms that can be measured."""
    return tuple(arm for arm in claim.arms if not arm.lacks(lab))


def lacking(claim: Claim, lab: Lab) -> dict[str, str]:
    """What each of the others needs."""
    return {arm.name: f"needs weights: {need}" for arm in claim.arms if (need := arm.lacks(lab))}


def circumstances(claim: Claim, lab: Lab) -> dict[str, Any]:
    """What every figure of a claim depends on."""
    return {
        "base": lab.base.name,
        "base_digest": lab.base.digest,
        "weights": "untrained" if lab.untrained else "trained",
        "seed": lab.seed,
        "count": lab.count,
        "arms": [arm.name for arm in ready(claim, lab)],
        **lacking(claim, lab),
    }
