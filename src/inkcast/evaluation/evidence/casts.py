"""Who is drawn in an experiment: usual casts, look-alikes, everybody doing something, blocks of every kind and
skin tone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inkcast.evaluation.toon_looks import LookCase, look_cases
from inkcast.toon.dataset import sample_look
from inkcast.toon.world import CREATURES, HUMANS, SKINS, Look

if TYPE_CHECKING:
    from inkcast.evaluation.evidence.lab import Lab

FACE_PICTURES = 4
"""Pictures of each face in `face_cases`: learning one takes as long as drawing dozens."""
MOVING = ("waving", "pointing", "sitting", "reading", "jumping", "dancing", "cheering", "running")


def usual_cases(lab: Lab) -> Mapping[str, LookCase]:
    """One and two characters, as the suite `toon` draws them."""
    return _cases(lab, 1, 2)


def look_alikes(lab: Lab) -> Mapping[str, LookCase]:
    """One character, and two of one kind."""
    cases = dict(usual_cases(lab))
    for key, case in cases.items():
        if len(case.cast) == 2:
            first = case.cast[0]
            rng = np.random.default_rng([lab.seed, case.seed])
            cases[key] = replace(case, cast=(first, sample_look(rng, "test", first.kind)))
    return cases


def action_cases(lab: Lab) -> Mapping[str, LookCase]:
    """One character each, never just standing, as references stand."""
    return {
        f"1/{k}": replace(case, action=MOVING[k % len(MOVING)])
        for k, case in enumerate(look_cases(lab.count, 1, lab.seed))
    }


def face_cases(lab: Lab) -> Mapping[str, LookCase]:
    """Girls and boys in turn, one a picture, the same face in `FACE_PICTURES` pictures one after the other."""
    cases = {}
    for k, case in enumerate(look_cases(lab.count, 1, lab.seed)):
        face = k // FACE_PICTURES
        look = sample_look(np.random.default_rng([lab.seed, 4, face]), "test", HUMANS[face % len(HUMANS)])
        cases[f"1/{k}"] = replace(case, cast=(look,))
    return cases


def kind_cases(lab: Lab) -> Mapping[str, LookCase]:
    """One character each, in blocks of equal action, place and seed: every skin tone once, as girls and boys by turns,
    and every kind of creature once. Keys are "block/tone" and "block/kind"."""
    cases = {}
    for block, case in enumerate(look_cases(lab.count, 1, lab.seed)):
        asked = {**{tone: HUMANS[block % len(HUMANS)] for tone in SKINS}, **{kind: kind for kind in CREATURES}}
        for number, (name, kind) in enumerate(asked.items()):
            rng = np.random.default_rng([lab.seed, 5, block, number])
            cases[f"{block}/{name}"] = replace(case, cast=(_look(rng, kind, name),))
    return cases


def single_cases(lab: Lab) -> Mapping[str, LookCase]:
    """One character each, as the suite `toon` draws them."""
    return _cases(lab, 1)


def pair_cases(lab: Lab) -> Mapping[str, LookCase]:
    """Two characters each, as the suite `toon` draws them."""
    return _cases(lab, 2)


def _cases(lab: Lab, *people: int) -> Mapping[str, LookCase]:
    """So many people each, under "people/number"."""
    return {f"{n}/{k}": case for n in people for k, case in enumerate(look_cases(lab.count, n, lab.seed))}


def _look(rng: np.random.Generator, kind: str, skin: str) -> Look:
    """Somebody of the kind; of girls and boys one with this skin."""
    while True:
        look = sample_look(rng, "test", kind)
        if not look.human or look.body == skin:
            return look
