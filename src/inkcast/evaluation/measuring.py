"""What `inkcast evaluate` does: a base, its engines and judges over a suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from inkcast.assets import toon_weights
from inkcast.engines.checkpoints import weights_digest
from inkcast.engines.registry import ENGINES, engine_info, load_engine
from inkcast.errors import EngineError, UsageError
from inkcast.evaluation.batches import Batching
from inkcast.evaluation.judging import Judges, JudgeScorer
from inkcast.evaluation.people import FacePeople
from inkcast.evaluation.results import Results
from inkcast.evaluation.routing import RESULTS as ROUTING
from inkcast.evaluation.routing import Routing, measure_routing, routing_cases, timesteps, write_routing
from inkcast.evaluation.running import run_suite
from inkcast.evaluation.similarity import Clip, Dino
from inkcast.evaluation.suites import BasePainter, Suite
from inkcast.evaluation.toon_base import Eyes
from inkcast.evaluation.toon_suite import ToonScorer, by_trait, toon_judges, toon_suite
from inkcast.events import Note, Progress, Report, unheard
from inkcast.files import refuse_existing
from inkcast.sdxl.backbone import Backbone, load_backbone
from inkcast.vision.face import InsightFaces

LEARNERS = ("stable-identity",)
"""Engines that learn each character for minutes: only evaluated where named."""


@dataclass(frozen=True)
class Choices:
    """`engines` empty: all that the base has weights for, but for those that learn each character."""

    base: str = "toon"
    engines: tuple[str, ...] = ()
    seed: int = 20_000
    batching: Batching = field(default_factory=Batching)
    device: str = "auto"
    dtype: str = "auto"
    pairs: int = 0
    overwrite: bool = False


@dataclass(frozen=True)
class JudgeSources:
    """Where judges of other bases than toon come from: hub ids or folders; `faces` is an insightface pack."""

    clip: str = ""
    dino: str = ""
    faces: Path | None = None


def evaluate_toon(
    out: Path,
    choices: Choices,
    counts: Mapping[int, int],
    *,
    eyes: Path | None = None,
    report: Report = unheard,
) -> Results:
    """The suite `toon` into the folder `out`; `counts`: how many pictures of how many people.

    Raises `BaseModelError`, `WeightsError`, `EngineError` for missing parts, `OutputError` as `run_suite`.
    """
    base = open_base(choices, "float32")
    engines = engines_of(base, choices.engines, report)
    check_pairs(choices, engines)
    seeing = Eyes(eyes or toon_weights())
    chosen = toon_suite(counts, choices.seed)
    scorer = ToonScorer(JudgeScorer(toon_judges(seeing)), seeing.oracle, seeing.detector, chosen.cases)
    return run_suite(
        chosen.suite,
        painters(base, engines, choices.batching),
        scorer,
        out,
        facts(
            base,
            choices,
            engines,
            {"counts": {str(people): count for people, count in counts.items()}, "judges": seeing.digest},
        ),
        pairs=choices.pairs,
        overwrite=choices.overwrite,
        report=report,
        extra=lambda seen: by_trait(chosen.cases, chosen.suite.commissions, seen),
    )


def evaluate_data(
    suite: Suite,
    out: Path,
    choices: Choices,
    sources: JudgeSources,
    *,
    eyes: Path | None = None,
    report: Report = unheard,
) -> Results:
    """A suite over a folder of data, on any base. Raises as `evaluate_toon`, and `UsageError` without a judge."""
    base = open_base(choices, "auto")
    engines = engines_of(base, choices.engines, report)
    check_pairs(choices, engines)
    judges = judges_of(choices.base, sources, str(base.device), eyes)
    known = {
        "pictures": len(suite.commissions),
        "data": suite.digest,
        "judges": judge_facts(sources, judges) or Eyes(eyes or toon_weights()).digest,
    }
    return run_suite(
        suite,
        painters(base, engines, choices.batching),
        JudgeScorer(judges),
        out,
        facts(base, choices, engines, known),
        pairs=choices.pairs,
        overwrite=choices.overwrite,
        report=report,
    )


def evaluate_routing(
    out: Path,
    choices: Choices,
    count: int,
    levels: int,
    *,
    engine: str = "any-story",
    true_gates: bool = False,
    report: Report = unheard,
) -> Routing:
    """Routing maps of `count` unseen renders at `levels` noise levels against their masks, into the folder `out`;
    `true_gates` as in `read_ious`."""
    refuse_existing(out, ROUTING, overwrite=choices.overwrite)
    base = open_base(choices, "float32")
    cases, at = routing_cases(count, choices.seed, base.side), timesteps(levels)
    found = measure_routing(
        base,
        load_engine(engine, base),
        cases,
        at,
        lambda done: report(Progress("renders", done, count)),
        true_gates=true_gates,
    )
    known = {"base": base.name, "base_digest": base.digest, "engine": engine, "seed": choices.seed}
    asked = {"renders": count, "timesteps": list(at), "true_gates": true_gates}
    write_routing(out, found, {**known, **asked}, overwrite=choices.overwrite)
    return found


def open_base(choices: Choices, dtype: str) -> Backbone:
    """`dtype` is what "auto" means: figures of toon are those of float32 on every machine."""
    return load_backbone(choices.base, device=choices.device, dtype=dtype if choices.dtype == "auto" else choices.dtype)


def engines_of(base: Backbone, asked: tuple[str, ...], report: Report) -> tuple[str, ...]:
    """The engines to evaluate, in the registry's order where not asked for by name.

    Raises `EngineError` at once for one whose weights are missing.
    """
    for name in asked:
        missing = engine_info(name).missing(base.folder)
        if missing:
            raise EngineError(f"base {base.name!r} has no {missing[0]}, which {name} needs: train it or leave it out")
    if asked:
        return asked
    ready = [one.name for one in ENGINES if base.family in one.families and not one.missing(base.folder)]
    for name in ready:
        if name in LEARNERS:
            report(Note(f"{name} learns every character for minutes: add  --engine {name}  to evaluate it too"))
    chosen = tuple(name for name in ready if name not in LEARNERS)
    if not chosen:
        report(Note(f"base {base.name!r} has weights for no engine: only words alone are evaluated"))
    return chosen


def painters(base: Backbone, engines: tuple[str, ...], batching: Batching) -> Iterator[BasePainter]:
    """Words alone first, then each engine, loaded when its turn comes."""
    yield BasePainter(base, None, batching)
    for name in engines:
        yield BasePainter(base, load_engine(name, base), batching)


def judges_of(base: str, sources: JudgeSources, device: str, eyes: Path | None) -> Judges:
    """The toon world's own eyes for the toon base or where given, else the named models.

    Raises `UsageError` if there is nobody to judge.
    """
    if not (sources.clip or sources.dino or sources.faces):
        if eyes is None and base != "toon":
            raise UsageError(f"nobody judges pictures of base {base!r}: give --clip, --dino or --faces")
        return toon_judges(Eyes(eyes or toon_weights()))
    clip = Clip(sources.clip, device) if sources.clip else None
    dino = Dino(sources.dino, device) if sources.dino else None
    faces = InsightFaces(sources.faces) if sources.faces else None
    return Judges(faces, clip, clip, dino, FacePeople(faces) if faces else None, dino or clip)


def judge_facts(sources: JudgeSources, judges: Judges) -> dict[str, str]:
    """The named models with digests of their weights."""
    found = {}
    if isinstance(judges.clip, Clip):
        found["clip"] = f"{sources.clip}, {weights_digest(judges.clip.parts[0])}"
    if isinstance(judges.dino, Dino):
        found["dino"] = f"{sources.dino}, {weights_digest(judges.dino.model)}"
    if sources.faces is not None:
        found["faces"] = f"{sources.faces}, {weights_digest(files=sorted(sources.faces.glob('*.onnx')))}"
    return found


def check_pairs(choices: Choices, engines: tuple[str, ...]) -> None:
    """Raises `UsageError` where blind pairs are wanted of words alone."""
    if choices.pairs and not engines:
        raise UsageError("blind pairs need two painters at least: give an --engine, or leave out --pairs")


def facts(base: Backbone, choices: Choices, engines: tuple[str, ...], more: Mapping[str, Any]) -> dict[str, Any]:
    """The choices that decide the figures."""
    return {
        "base": base.name,
        "base_digest": base.digest,
        "dtype": str(base.dtype).removeprefix("torch."),
        "engines": list(engines),
        "seed": choices.seed,
        **asdict(choices.batching),
        **more,
    }
