"""Consistent characters, measured: an engine draws unseen characters from references, the oracle reads their looks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from inkcast.cast.character import Character, CharacterId, Reference
from inkcast.engines.engine import Conditioning, Engine, Member, PanelPrompt, Style
from inkcast.evaluation.batches import Batching, draw_all
from inkcast.evaluation.intervals import Estimate, bootstrap
from inkcast.evaluation.matching import SCORED, Case, match, swap_rate
from inkcast.evaluation.oracle import OracleReader
from inkcast.evaluation.toon_words import plain
from inkcast.sdxl.backbone import Backbone
from inkcast.toon.captions import with_article
from inkcast.toon.dataset import sample_look, stars, value_odds
from inkcast.toon.renderer import reference_sheet
from inkcast.toon.world import JOINT_ACTIONS, PLACES, SOLO_ACTIONS, Look
from inkcast.vision.detector import ToonDetector

REFERENCE_SIDE = 64
STYLE = Style()


def somewhere(place: str) -> str:
    """ "in the park", "on the moon"."""
    return f"{'on' if place in ('beach', 'moon') else 'in'} the {place}"


@dataclass(frozen=True)
class LookCase:
    """A cast of unseen characters, what they do and where, and the picture's seed; `names` stand where kinds would."""

    cast: tuple[Look, ...]
    action: str
    place: str
    seed: int
    names: tuple[str, ...] = ()

    @property
    def panel(self) -> PanelPrompt:
        """Only kinds are told: "a girl and a cat waving in the park"."""
        nouns = self.names or [with_article(look.kind) for look in self.cast]
        members = tuple(
            Member(CharacterId(f"member-{k}"), look.kind, noun)
            for k, (look, noun) in enumerate(zip(self.cast, nouns, strict=True))
        )
        parts: list[str | CharacterId] = []
        for member in members:
            parts += [member.id, " and "]
        parts[-1] = f" {self.action} {somewhere(self.place)}"
        return PanelPrompt(tuple(parts), members)


def look_cases(count: int, people: int, seed: int) -> list[LookCase]:
    """Characters of the test split; two may also do what takes two."""
    actions = SOLO_ACTIONS + JOINT_ACTIONS if people == 2 else SOLO_ACTIONS
    cases = []
    for index in range(count):
        rng = np.random.default_rng([seed, people, index])
        cast = tuple(sample_look(rng, "test") for _ in range(people))
        action, place = str(rng.choice(actions)), str(rng.choice(PLACES))
        cases.append(LookCase(cast, action, place, int(rng.integers(2**31))))
    return cases


def star_cases(count: int, seed: int) -> list[LookCase]:
    """`look_cases` of one, but of stars, called by their names: looks that the base was taught as words."""
    known = stars()
    names = np.random.default_rng([seed, 13]).permutation(list(known))
    return [
        replace(case, cast=(known[str(name)],), names=(str(name),))
        for case, name in zip(look_cases(count, 1, seed), cycle(names), strict=False)
    ]


def character_of(look: Look, number: int) -> Character:
    """A character with one front reference on white, as a person would hand it in."""
    sheet = reference_sheet(look, REFERENCE_SIDE)
    mask = Image.fromarray(((sheet.instances > 0) * 255).astype(np.uint8))
    picture = Image.fromarray(sheet.image)
    return Character(
        CharacterId(f"member-{number}"),
        look.kind,
        (Reference(picture, hashlib.sha256(sheet.image.tobytes()).hexdigest(), mask=mask),),
    )


@dataclass(frozen=True)
class Looks:
    """Figures of one engine for one number of people; `found` is the share of people that were found."""

    engine: str
    people: int
    accuracy: Estimate
    per_attribute: dict[str, float]
    swap: Estimate
    found: float
    place: Estimate
    action: Estimate
    pictures: UInt8[np.ndarray, "n h w 3"]


def chance(people: Sequence[Look]) -> dict[str, float]:
    """How often a stranger of the same kind has the value that is asked for, by attribute: the sum of p(value)^2 over
    the world's own distribution, meant over these looks' kinds."""
    return {name: float(np.mean([coincidence(name, look.kind) for look in people])) for name in SCORED}


def coincidence(attribute: str, kind: str) -> float:
    """How often two random looks of a kind agree in an attribute."""
    return sum(share**2 for share in value_odds(attribute, kind).values())


def conditionings(base: Backbone, engine: Engine | None, cases: Sequence[LookCase]) -> list[Conditioning]:
    """What an engine (None: words alone) makes of each case; identities are encoded once per character."""
    if engine is None:
        return [plain(base, case.panel.wording(STYLE)) for case in cases]
    results = []
    for case in cases:
        people = [character_of(look, number) for number, look in enumerate(case.cast)]
        identities = {person.id: engine.encode(person) for person in people}
        results.append(engine.condition(case.panel, identities, STYLE))
    return results


def evaluate_looks(
    base: Backbone,
    engine: Engine | None,
    oracle: OracleReader,
    detector: ToonDetector,
    cases: Sequence[LookCase],
    batching: Batching,
    progress: Callable[[int], None] = lambda drawn: None,
) -> Looks:
    """Draw every case with the engine (None: the plain base) and score it as the oracle reads it."""
    with nullcontext() if engine is None else engine.active():
        made = conditionings(base, engine, cases)
        pictures = draw_all(base, made, [case.seed for case in cases], batching.of(engine, base), progress)
    matched = match(oracle, detector, [Case(case.cast) for case in cases], pictures)
    scenes = oracle.scenes(pictures)
    return Looks(
        engine.name if engine else "text only",
        len(cases[0].cast),
        bootstrap([one.accuracy() for one in matched]),
        {name: float(np.mean([one.accuracy((name,)) for one in matched])) for name in SCORED},
        swap_rate(matched),
        float(np.mean([sum(r is not None for r in one.readings) / len(one.readings) for one in matched])),
        bootstrap([float(reading.words["place"] == case.place) for reading, case in zip(scenes, cases, strict=True)]),
        bootstrap([one.acting(case.action) for one, case in zip(matched, cases, strict=True)]),
        pictures,
    )
