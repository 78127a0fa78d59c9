"""The toon base, measured whole: its eyes, its autoencoder, its words, and how engines keep looks."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from inkcast.assets import toon_weights
from inkcast.engines.checkpoints import weights_digest
from inkcast.engines.engine import Engine
from inkcast.engines.registry import load_engine
from inkcast.evaluation.batches import Batching
from inkcast.evaluation.oracle import OracleReader
from inkcast.evaluation.toon_eyes import (
    Accuracy,
    color_accuracy,
    detection,
    face_verification,
    look_accuracy,
    scene_accuracy,
    view_retrieval,
)
from inkcast.evaluation.toon_looks import REFERENCE_SIDE, Looks, chance, evaluate_looks, look_cases, star_cases
from inkcast.evaluation.toon_report import grid, markdown, with_references
from inkcast.evaluation.toon_told import PHRASES, evaluate_told, told_cases
from inkcast.evaluation.toon_truth import Truth, unseen
from inkcast.evaluation.toon_words import evaluate_words, unseen_prompts
from inkcast.events import Progress, Report, counted, unheard
from inkcast.files import replacing_folder, write_text
from inkcast.images import save_png
from inkcast.sdxl.backbone import Backbone, load_backbone
from inkcast.training.latents import redrawn
from inkcast.vision.clip import ClipVision, PictureEncoder, ToonJudge
from inkcast.vision.detector import ToonDetector
from inkcast.vision.face import ToonFaces

RESULTS = "toon-base.json"
BY_NAME = "by name"


@dataclass(frozen=True)
class Eyes:
    """The seeing nets in a folder of toon weights."""

    folder: Path

    @property
    def digest(self) -> str:
        """Of the files of all that judges."""
        parts = ("oracle", "detector", "face_judge", "judge", "image_encoder")
        return weights_digest(files=[path for part in parts for path in sorted((self.folder / part).glob("*.*"))])

    @property
    def oracle(self) -> OracleReader:
        return OracleReader(self.folder / "oracle")

    @property
    def detector(self) -> ToonDetector:
        return ToonDetector(self.folder / "detector")

    @property
    def faces(self) -> ToonFaces:
        """The encoder that engines read."""
        return ToonFaces(self.detector, self.folder / "face")

    @property
    def face_judge(self) -> ToonFaces:
        """The encoder that no engine reads."""
        return ToonFaces(self.detector, self.folder / "face_judge")


@dataclass(frozen=True)
class Plan:
    """How much to measure: unseen renders, unseen faces, prompts, and for every number of people pictures per engine
    and per look that the words tell."""

    renders: int = 400
    faces: int = 60
    prompts: int = 500
    looks: int = 64
    told: int = 48
    people: tuple[int, ...] = (1, 2)
    engines: tuple[str, ...] = ("ip-adapter",)
    seed: int = 20_000
    batching: Batching = field(default_factory=Batching)


def evaluate_toon_base(
    base: str | Path,
    out: Path,
    plan: Plan = Plan(),
    *,
    eyes: Path | None = None,
    overwrite: bool = False,
    report: Report = unheard,
) -> Mapping[str, Any]:
    """Writes `toon-base.json`, `toon-base.md` and grids of pictures into the folder `out`, and returns the figures.

    `eyes` is the folder of the seeing nets' weights (by default the embedded ones). `report` hears how far it is.
    An engine named in the plan must be loadable over the base.

    Raises:
        BaseModelError, WeightsError, EngineError: a part is missing or does not fit.
        OutputError: `out` holds something else, or cannot be written.
    """
    seeing = Eyes(eyes or toon_weights())
    started = time.monotonic()
    with replacing_folder(out, RESULTS, overwrite=overwrite) as folder:
        backbone = load_backbone(base, dtype=torch.float32)
        truths = []
        for truth in unseen(plan.renders, plan.seed):
            truths.append(truth)
            report(Progress("renders", len(truths), plan.renders))
        figures: dict[str, Any] = {"plan": asdict(plan), "base": str(base), "base_digest": backbone.digest}
        figures |= measure_eyes(seeing, truths, plan)
        figures |= measure_autoencoder(backbone, seeing.oracle, truths, folder)
        figures |= measure_words(backbone, seeing, plan, folder, report)
        figures |= measure_looks(backbone, seeing, plan, folder, report)
        figures |= measure_told(backbone, seeing, plan, folder, report)
        figures["seconds"]["all"] = round(time.monotonic() - started, 1)
        write_text(folder / RESULTS, json.dumps(without_nan(figures), indent=2, allow_nan=False) + "\n")
        write_text(folder / "toon-base.md", markdown(figures))
    return figures


def measure_eyes(seeing: Eyes, truths: Sequence[Truth], plan: Plan) -> dict[str, Any]:
    """The seeing nets on unseen renders."""
    pictures = np.stack([truth.rendering.image for truth in truths])
    figures: dict[str, Any] = {
        "oracle": accuracies(seeing.oracle, truths, pictures),
        "detector": asdict(detection(seeing.detector, truths, pictures)),
        "face": asdict(face_verification(seeing.faces, plan.faces, plan.seed)),
        "face_judge": asdict(face_verification(seeing.face_judge, plan.faces, plan.seed)),
    }
    encoders: dict[str, PictureEncoder] = {
        "image_encoder": ClipVision(seeing.folder / "image_encoder"),
        "judge": ToonJudge(seeing.folder / "judge"),
    }
    return figures | {name: asdict(view_retrieval(encoder, truths)) for name, encoder in encoders.items()}


def accuracies(
    oracle: OracleReader, truths: Sequence[Truth], pictures: UInt8[np.ndarray, "n h w 3"]
) -> dict[str, dict[str, Any]]:
    looks = look_accuracy(oracle, truths, pictures)
    found: list[Accuracy] = [*scene_accuracy(oracle, truths, pictures), *looks, color_accuracy(looks)]
    return {item.name: {"right": item.right, "chance": item.chance, "count": item.count} for item in found}


def measure_autoencoder(base: Backbone, oracle: OracleReader, truths: Sequence[Truth], folder: Path) -> dict[str, Any]:
    """The mean PSNR over unseen renders, and what the oracle still reads off the decoded ones."""
    pictures = np.stack([truth.rendering.image for truth in truths])
    decoded = redrawn(base.vae, pictures)
    error = ((pictures.astype(np.float64) - decoded) ** 2).mean((1, 2, 3)).clip(min=1e-3)
    save_png(Image.fromarray(grid(np.concatenate([pictures[:8], decoded[:8]]), 8)), folder / "autoencoder.png")
    psnr = float((10 * np.log10(255**2 / error)).mean())
    return {"vae_psnr": psnr, "oracle_decoded": accuracies(oracle, truths, decoded)}


def measure_words(base: Backbone, seeing: Eyes, plan: Plan, folder: Path, report: Report) -> dict[str, Any]:
    prompts = unseen_prompts(plan.prompts, plan.seed)
    started, drawn = time.monotonic(), counted(report, "words", plan.prompts)
    result = evaluate_words(base, seeing.oracle, seeing.detector, prompts, plan.batching, drawn)
    save_png(Image.fromarray(grid(result.pictures[:32], 8)), folder / "words.png")
    write_text(folder / "words.txt", "".join(f"{prompt.text}\n" for prompt in prompts[:32]))
    seconds = time.monotonic() - started
    return {
        "words": {name: asdict(value) for name, value in result.figures.items()},
        "seconds": {"per picture": round(seconds / max(plan.prompts, 1), 3)},
    }


def measure_looks(base: Backbone, seeing: Eyes, plan: Plan, folder: Path, report: Report) -> dict[str, Any]:
    """Words alone and each engine on the same cases; stars by name, whose looks the base knows as words."""
    casts = {people: look_cases(plan.looks, people, plan.seed) for people in plan.people}
    asked = [(name, people, cases) for name in (None, *plan.engines) for people, cases in casts.items()]
    rows: list[dict[str, Any]] = []
    engine: Engine | None = None
    for name, people, cases in [*asked, (BY_NAME, 1, star_cases(plan.looks, plan.seed))]:
        if name in (None, BY_NAME):
            engine = None
        elif engine is None or engine.name != name:
            engine = load_engine(name, base)
        title = name or "text only"
        drawn = counted(report, f"{title}, {people}", plan.looks)
        looks = evaluate_looks(base, engine, seeing.oracle, seeing.detector, cases, plan.batching, drawn)
        shown = with_references([case.cast for case in cases[:8]], looks.pictures[:8], REFERENCE_SIDE)
        save_png(Image.fromarray(shown), folder / f"looks-{title.replace(' ', '-')}-{people}.png")
        rows.append(figures_of(replace(looks, engine=title)))
    everybody = [look for cases in casts.values() for case in cases for look in case.cast]
    return {"looks": rows, "looks_chance": chance(everybody)}


def measure_told(base: Backbone, seeing: Eyes, plan: Plan, folder: Path, report: Report) -> dict[str, Any]:
    """Words alone again, one attribute of everybody told at a time."""
    oracle, detector = seeing.oracle, seeing.detector
    rows: list[dict[str, Any]] = []
    for people in plan.people:
        cases = {phrase: told_cases(phrase, plan.told, people, plan.seed) for phrase in PHRASES}
        drawn = counted(report, f"told, {people}", sum(map(len, cases.values())))
        for phrase, own in cases.items():
            if own:
                found, pictures = evaluate_told(base, oracle, detector, phrase, own, plan.batching, drawn)
                shown = with_references([case.cast for case in own[:8]], pictures[:8], REFERENCE_SIDE)
                save_png(Image.fromarray(shown), folder / f"told-{phrase}-{people}.png")
                rows += [asdict(row) for row in found]
    return {"told": rows}


def figures_of(looks: Looks) -> dict[str, Any]:
    return {name: value for name, value in asdict(looks).items() if name != "pictures"}


def without_nan(value: Any) -> Any:
    """JSON has no NaN: what nothing was asked about is null."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
