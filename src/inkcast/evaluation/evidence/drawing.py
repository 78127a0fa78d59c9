"""A claim put to the test by drawing: every arm draws the same casts, prompts and seeds, the oracle reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange
from PIL import Image, ImageDraw, ImageFont

from inkcast.evaluation.evidence.bias import traits
from inkcast.evaluation.evidence.claims import Claim
from inkcast.evaluation.evidence.lab import Lab
from inkcast.evaluation.evidence.outcome import Outcome, Row, untrained_note
from inkcast.evaluation.evidence.painters import TRUE, circumstances, lacking, painters
from inkcast.evaluation.groups import differences, sections
from inkcast.evaluation.judging import JudgeScorer
from inkcast.evaluation.results import Results
from inkcast.evaluation.running import run_suite
from inkcast.evaluation.suites import PLAIN, read
from inkcast.evaluation.toon_base import Eyes
from inkcast.evaluation.toon_report import with_references
from inkcast.evaluation.toon_suite import ToonScorer, case_suite, toon_judges
from inkcast.events import Report, unheard
from inkcast.images import save_png

COLUMNS = 8
SPOKEN = {PLAIN: "words alone"}


def draw_claim(
    claim: Claim, lab: Lab, eyes: Eyes, out: Path, *, overwrite: bool = False, report: Report = unheard
) -> Outcome:
    """Into the folder `out`: evaluation.json, evaluation.csv, report.html, pictures/ and figure.png."""
    about = f"{claim.paper}. {claim.says} {untrained_note(lab)}"
    chosen = case_suite(claim.name, claim.cases(lab), about, blocks=claim.blocks)
    scorer = ToonScorer(JudgeScorer(toon_judges(eyes)), eyes.oracle, eyes.detector, chosen.cases)
    drawing = {**asdict(lab.batching), "learning": asdict(lab.learning), "judges": eyes.digest}
    results = run_suite(
        chosen.suite,
        painters(claim, lab),
        scorer,
        out,
        circumstances(claim, lab) | drawing,
        overwrite=overwrite,
        report=report,
        extra=(lambda seen: traits(chosen.cases, chosen.suite.commissions, seen)) if claim.blocks else None,
    )
    save_png(Image.fromarray(figure(results, chosen.cases)), out / "figure.png")
    return Outcome(rows(claim, results), lacking(claim, lab))


def rows(claim: Claim, results: Results) -> tuple[Row, ...]:
    """The chief metrics of every section and arm, and by how much the arms differ from the last one, or from the one
    that the claim names, where they drew the same prompts from the same seeds; of the bias check the means by trait."""
    found = [
        Row(section, painter, metric, row[metric])
        for section, table in results.tables.items()
        if section != "all"
        for painter, row in table.items()
        for metric in claim.chief
        if metric in row
    ]
    found += compared(claim, results)
    found += [
        Row(f"{trait}: {value}", painter, "looks", estimate)
        for painter, traits in results.extras.items()
        for trait, values in traits.items()
        for value, estimate in values.items()
    ]
    return tuple(found)


def compared(claim: Claim, results: Results) -> list[Row]:
    """Each arm less the one they are held against, picture by picture."""
    arms = [one for one in results.shown if one.name not in (PLAIN, TRUE)]
    base = next((one for one in results.shown if one.name == claim.against), arms[-1])
    found = []
    for section, places in sections(results.suite.commissions).items():
        commissions = [results.suite.commissions[k] for k in places]
        for arm in [one for one in arms if one is not base]:
            less = differences(commissions, [arm.seen[k] for k in places], [base.seen[k] for k in places])
            where = f"{section}, less {SPOKEN.get(base.name, base.name)}"
            found += [
                Row(where, arm.name, metric, less[metric])
                for metric in claim.chief
                if metric in less and less[metric].count
            ]
    return found


def figure(results: Results, cases: Any) -> np.ndarray:
    """References above, then a line of pictures per arm, words alone first."""
    chosen = list(range(min(COLUMNS, len(results.suite.commissions))))
    if len(results.suite.commissions) > COLUMNS:  # of every section as many
        chosen = [int(k) for k in np.linspace(0, len(results.suite.commissions) - 1, COLUMNS)]
    casts = [cases[results.suite.commissions[k].key].cast for k in chosen]
    drawn = [np.stack([read(one.paths[k]) for k in chosen]) for one in results.shown]
    together = rearrange(np.stack(drawn), "arms n h w c -> n (arms h) w c")
    side = together.shape[2]
    names = labels(["references", *(one.name for one in results.shown)], [side // 2] + [drawn[0].shape[1]] * len(drawn))
    return np.concatenate([names, with_references(casts, together, side // 2)], axis=1)


def labels(names: Sequence[str], heights: Sequence[int]) -> np.ndarray:
    """A column of names, each in the middle of its line's height."""
    font = ImageFont.load_default(12)
    width = max(int(font.getlength(name)) for name in names) + 12
    column = Image.new("RGB", (width, sum(heights)), "white")
    pen, top = ImageDraw.Draw(column), 0
    for name, height in zip(names, heights, strict=True):
        pen.text((width - 6, top + height // 2), name, fill="black", font=font, anchor="rm")
        top += height
    return np.asarray(column)
