"""Does a stranger get the hero's looks? One of the cast beside somebody of the same kind whom only the text names.

AnyStory sends whoever is not in the cast to the background (section 3.3). The hero is whoever of those found looks most
like them; everybody else found is a passer-by. What passers-by share with heroes by chance is what they share where
words alone draw the same prompts, so an engine is to be held against that, not against zero.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from inkcast.assets import toon_weights
from inkcast.cast.character import CharacterId
from inkcast.engines.engine import Engine, Member, PanelPrompt
from inkcast.engines.registry import check_settings, engine_info, load_engine
from inkcast.engines.settings import Settings
from inkcast.evaluation.batches import Batching, draw_all
from inkcast.evaluation.groups import clustered
from inkcast.evaluation.intervals import Estimate
from inkcast.evaluation.matching import OF_FACE, SCORED, figures, likeness, member_accuracy
from inkcast.evaluation.measuring import Choices, engines_of, facts, open_base
from inkcast.evaluation.oracle import LookReading, OracleReader
from inkcast.evaluation.toon_base import Eyes, without_nan
from inkcast.evaluation.toon_looks import STYLE, character_of, somewhere
from inkcast.evaluation.toon_report import table
from inkcast.evaluation.toon_words import plain
from inkcast.events import Progress, Report, unheard
from inkcast.files import refuse_existing, replacing_folder, write_text
from inkcast.sdxl.backbone import Backbone
from inkcast.story.script import Box
from inkcast.toon.captions import with_article
from inkcast.toon.dataset import sample_look
from inkcast.toon.world import PLACES, SOLO_ACTIONS, Look
from inkcast.vision.detector import ToonDetector

RESULTS = "passers-by.json"
LEFT_HALF: Box = (0.0, 0.0, 0.5, 1.0)
COPY = 0.75
"""The share of the hero's attributes from which on a passer-by counts as a copy: kin share less, as a rule."""


@dataclass(frozen=True)
class Encounter:
    """A hero of the cast, what both do and where, the picture's seed, the hero's box, where one is given, and what the
    panel sets about the engine."""

    hero: Look
    action: str
    place: str
    seed: int
    box: Box | None = None
    settings: Settings = field(default_factory=dict)

    @property
    def panel(self) -> PanelPrompt:
        """ "a girl and a girl waving in the park": the hero is a mention, the other one only words."""
        noun = with_article(self.hero.kind)
        member = Member(CharacterId("member-0"), self.hero.kind, noun, box=self.box)
        return PanelPrompt((member.id, f" and {noun} {self.action} {somewhere(self.place)}"), (member,), self.settings)


@dataclass(frozen=True)
class Meeting:
    """What the oracle reads of one picture. `hero` is the share of the hero's attributes that the likest person has
    (NaN: nobody was found); `strangers` those that each of the others has, `faces` those of the face alone."""

    hero: float
    strangers: tuple[float, ...]
    faces: tuple[float, ...]


@dataclass(frozen=True)
class PassersBy:
    """Figures of one painter: of heroes, of passers-by, of their faces alone, and the share of passers-by that are
    copies. `met` is the share of pictures that show a passer-by at all."""

    painter: str
    hero: Estimate
    stranger: Estimate
    face: Estimate
    copies: Estimate
    met: Estimate


def encounters(count: int, seed: int, *, boxed: bool = False, settings: Settings | None = None) -> list[Encounter]:
    """Heroes of the test split; `boxed` asks for them in the left half, `settings` hold for every panel, as an author
    may write."""
    cases = []
    for index in range(count):
        rng = np.random.default_rng([seed, 7, index])
        hero = sample_look(rng, "test")
        action, place = str(rng.choice(SOLO_ACTIONS)), str(rng.choice(PLACES))
        cases.append(
            Encounter(hero, action, place, int(rng.integers(2**31)), LEFT_HALF if boxed else None, settings or {})
        )
    return cases


def meeting(hero: Look, readings: Sequence[LookReading]) -> Meeting:
    """Of one picture's people; the likest to the hero is the hero."""
    if not readings:
        return Meeting(math.nan, (), ())
    order = sorted(readings, key=lambda reading: -likeness(hero, reading))
    first, *others = (member_accuracy(hero, reading) for reading in order)
    return Meeting(first, tuple(others), tuple(member_accuracy(hero, reading, OF_FACE) for reading in order[1:]))


def counted(painter: str, meetings: Sequence[Meeting]) -> PassersBy:
    """Over all pictures; passers-by of one picture count as one cluster."""
    rows = [(share, str(number)) for number, one in enumerate(meetings) for share in one.strangers]
    shares, clusters = [row[0] for row in rows], [row[1] for row in rows]
    each = [str(number) for number in range(len(meetings))]
    return PassersBy(
        painter,
        clustered([one.hero for one in meetings], each),
        clustered(shares, clusters),
        clustered([share for one in meetings for share in one.faces], clusters),
        clustered([float(share >= COPY) for share in shares], clusters),
        clustered([float(bool(one.strangers)) for one in meetings], each),
    )


def measure_passers_by(
    base: Backbone,
    engine: Engine | None,
    oracle: OracleReader,
    detector: ToonDetector,
    cases: Sequence[Encounter],
    batching: Batching,
    progress: Callable[[int], None] = lambda drawn: None,
) -> PassersBy:
    """Draws every encounter with the engine (None: words alone) and counts."""
    with nullcontext() if engine is None else engine.active():
        made = []
        for case in cases:
            if engine is None:
                made.append(plain(base, case.panel.wording(STYLE)))
                continue
            person = character_of(case.hero, 0)
            made.append(engine.condition(case.panel, {person.id: engine.encode(person)}, STYLE))
        pictures = draw_all(base, made, [case.seed for case in cases], batching.of(engine, base), progress)
    return judged(engine.name if engine else "text only", cases, pictures, oracle, detector)


def judged(
    painter: str,
    cases: Sequence[Encounter],
    pictures: UInt8[np.ndarray, "n h w 3"],
    oracle: OracleReader,
    detector: ToonDetector,
) -> PassersBy:
    """What the oracle reads off the people that the detector finds in each encounter's picture."""
    readings = figures(oracle, detector, pictures)
    return counted(painter, [meeting(case.hero, own) for case, own in zip(cases, readings, strict=True)])


def evaluate_passers_by(
    out: Path,
    choices: Choices,
    count: int,
    *,
    boxed: bool = False,
    settings: Settings | None = None,
    eyes: Path | None = None,
    report: Report = unheard,
) -> list[PassersBy]:
    """Words alone and every engine over the same encounters, into the folder `out`. Raises as `evaluate_toon`, and
    `EngineError` for settings that an engine does not have."""
    refuse_existing(out, RESULTS, overwrite=choices.overwrite)
    base = open_base(choices, "float32")
    engines, cases, seeing = (
        engines_of(base, choices.engines, report),
        encounters(count, choices.seed, boxed=boxed, settings=settings),
        Eyes(eyes or toon_weights()),
    )
    for one in engines:
        check_settings(engine_info(one), settings or {})
    found = []
    for name in (None, *engines):
        stage = name or "text only"
        engine = None if name is None else load_engine(name, base)
        found.append(
            measure_passers_by(
                base,
                engine,
                seeing.oracle,
                seeing.detector,
                cases,
                choices.batching,
                lambda done, stage=stage: report(Progress(stage, done, count)),  # type: ignore[misc]
            )
        )
    known = facts(base, choices, engines, {"pictures": count, "boxed": boxed, "settings": dict(settings or {})})
    write_passers_by(out, found, known, overwrite=choices.overwrite)
    return found


def write_passers_by(
    out: Path, found: Sequence[PassersBy], known: Mapping[str, Any], *, overwrite: bool = False
) -> None:
    """`passers-by.json` and `passers-by.md` in the folder `out`. Raises `OutputError` if that holds something else."""
    rows = [
        [one.painter, str(one.hero), str(one.stranger), str(one.face), str(one.copies), str(one.met)] for one in found
    ]
    about = (
        f"Of {len(SCORED)} attributes, {len(OF_FACE)} of them the face's (skin, shape, hair and its colour, eyes); a "
        f"passer-by with {COPY:.0%} of the hero's is a copy."
    )
    head = ["drawn by", "hero's attributes right", "passer-by has the hero's", "the hero's face", "copies"]
    head.append("pictures with a passer-by")
    with replacing_folder(out, RESULTS, overwrite=overwrite) as folder:
        figures_ = without_nan({"facts": dict(known), "passers_by": [asdict(one) for one in found]})
        write_text(folder / RESULTS, json.dumps(figures_, indent=2, allow_nan=False) + "\n")
        write_text(folder / "passers-by.md", f"# Passers-by\n\n{about}\n\n{table(head, rows)}")
