"""The arms of a comparison as painters of a suite."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from inkcast.evaluation.evidence.claims import Arm, Claim
from inkcast.evaluation.evidence.lab import Lab
from inkcast.evaluation.suites import PLAIN, BasePainter, Commission, Picture


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


def painters(claim: Claim, lab: Lab) -> Iterator[ArmPainter]:
    """Words alone first, then each arm that lacks nothing, made when its turn comes."""
    learning = json.dumps(asdict(lab.learning), sort_keys=True)
    yield ArmPainter(PLAIN, BasePainter(lab.base, None, lab.batching), "")
    for arm in ready(claim, lab):
        engine = arm.make(lab, arm.weights(lab))
        yield ArmPainter(arm.name, BasePainter(getattr(engine, "base", lab.base), engine, lab.batching), learning)


def ready(claim: Claim, lab: Lab) -> tuple[Arm, ...]:
    """The arms that can be measured."""
    return tuple(arm for arm in claim.arms if not arm.lacks(lab))
