"""AnyStory's Fig. 5 and 6: routing maps against true masks, and the maps themselves."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image

from inkcast.engines.any_story.routes import layer_maps, routes_picture
from inkcast.engines.engine import Engine
from inkcast.evaluation.evidence.claims import Claim
from inkcast.evaluation.evidence.lab import Lab
from inkcast.evaluation.evidence.outcome import Outcome, Row, untrained_note
from inkcast.evaluation.evidence.pages import page
from inkcast.evaluation.evidence.painters import circumstances, lacking, ready
from inkcast.evaluation.figures import bars, picture_address
from inkcast.evaluation.report import image
from inkcast.evaluation.routing import (
    Iou,
    Routing,
    RoutingCase,
    apart,
    read_ious,
    routing_cases,
    routing_of,
    timesteps,
    traced,
)
from inkcast.evaluation.running import RESULTS
from inkcast.evaluation.running import claim as claim_folder
from inkcast.evaluation.suites import STYLE
from inkcast.evaluation.toon_looks import character_of
from inkcast.events import Progress, Report, unheard
from inkcast.files import write_text
from inkcast.images import save_png
from inkcast.sdxl.attention import AttentionTrace
from inkcast.sdxl.layers import execution_order

LEVELS = 5


def measure_routes(claim: Claim, lab: Lab, out: Path, *, overwrite: bool = False, report: Report = unheard) -> Outcome:
    """Into the folder `out`: evaluation.json with the choices, report.html and figure.png, per arm a block of subjects
    (down) by noise levels. Raises `OutputError` as `run_suite`."""
    needs = lacking(claim, lab)
    facts = circumstances(claim, lab) | {"suite": claim.name, "levels": LEVELS}
    claim_folder(out, facts, overwrite=overwrite)
    cases, at = routing_cases(lab.count, lab.seed, lab.base.side), timesteps(LEVELS)
    read: dict[str, list[Iou]] = {}
    pictures: list[Image.Image] = []
    for arm in ready(claim, lab):
        engine = arm.make(lab, arm.weights(lab))
        read[arm.name] = read_ious(
            lab.base,
            engine,
            cases,
            at,
            lambda done, name=arm.name: report(Progress(name, done, len(cases))),  # type: ignore[misc]
        )
        pictures.append(_maps(lab, engine, cases[0], at))
    rows = [row for name, ious in read.items() for row in _rows(name, routing_of(ious))]
    rows += compared(claim, read)
    figure = _stacked(pictures)
    save_png(figure, out / "figure.png")
    finer = {row.arm: row.value for row in rows if row.section == "finer layers"}
    notes = "".join(f"<p>{html.escape(f'{name} {need}')}</p>" for name, need in needs.items())
    body = f"<p>{untrained_note(lab)}</p>{notes}{bars(finer, 'Mean IoU, finer layers')}"
    shown = image(picture_address(figure, 1600), "routing maps")
    write_text(out / "report.html", page(claim, body + shown, rows))
    write_text(out / RESULTS, json.dumps({"facts": facts, "finished": True}, indent=2) + "\n")
    return Outcome(tuple(rows), needs)


def compared(claim: Claim, read: Mapping[str, Sequence[Iou]]) -> list[Row]:
    """Each arm less the one they are held against, render by render."""
    base = claim.against if claim.against in read else list(read)[-1]
    found = [(arm, apart(ious, read[base])) for arm, ious in read.items() if arm != base]
    return [row for arm, less in found if less for row in _rows(arm, routing_of(less), f", less {base}")]


def _rows(arm: str, found: Routing, less: str = "") -> list[Row]:
    whole = {"finer layers": found.finer, **found.parts}
    return [Row(f"{where}{less}", arm, "routing IoU", one) for where, one in whole.items()]


@torch.no_grad()
def _maps(lab: Lab, engine: Engine, case: RoutingCase, at: tuple[int, ...]) -> Image.Image:
    people = [character_of(look, k) for k, look in enumerate(case.looks)]
    size = (lab.base.side // lab.base.vae_scale_factor,) * 2
    with engine.active():
        made = engine.condition(case.panel, {one.id: engine.encode(one) for one in people}, STYLE)
        steps = []
        for timestep in reversed(at):
            trace = AttentionTrace()
            trace.routing = dict(
                traced(lab.base, made.positive, case, made.prompt.pooled, made.prompt.positive, timestep)
            )
            steps.append(layer_maps(trace, execution_order(lab.base.unet), size))
    return routes_picture(steps)


def _stacked(pictures: list[Image.Image]) -> Image.Image:
    whole = Image.new("RGB", (max(one.width for one in pictures), sum(one.height + 12 for one in pictures)), "white")
    top = 0
    for one in pictures:
        whole.paste(one, (0, top))
        top += one.height + 12
    return whole
