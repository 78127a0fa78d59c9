"""AnyStory's Table 1: ReferenceNet at SDXL's full size with and without cross-attention, counted on no memory."""

from __future__ import annotations

from pathlib import Path

from inkcast.engines.any_story.weights import parameter_counts
from inkcast.evaluation.evidence.claims import Claim
from inkcast.evaluation.evidence.outcome import Outcome, Row
from inkcast.evaluation.evidence.pages import page, write_figure
from inkcast.evaluation.figures import bars
from inkcast.evaluation.intervals import Estimate
from inkcast.files import write_text
from inkcast.sdxl.full_size import sdxl_unet

BILLION = 1e9
PAPER = {"original ReferenceNet": 2.57, "simplified ReferenceNet": 2.02}


def count_parameters(claim: Claim, out: Path) -> Outcome:
    """Into the folder `out`: report.html and figure.png. Billions of parameters, here and in the paper."""
    unet = sdxl_unet()
    simplified = parameter_counts(unet)
    counted = {
        "original ReferenceNet": sum(p.numel() for p in unet.parameters()) / BILLION,
        "simplified ReferenceNet": simplified["reference_net"] / BILLION,
    }
    values = {"here": counted, "paper": PAPER}
    rows = tuple(
        Row(name, where, "billion parameters", Estimate(value, value, value, 1))
        for name in PAPER
        for where, value in ((where, found[name]) for where, found in values.items())
    )
    shown = {f"{row.section}, {row.arm}": row.value for row in rows}
    write_text(out / "report.html", page(claim, bars(shown, "Billions of parameters"), rows))
    write_figure(out / "figure.png", {name: value.mean for name, value in shown.items()}, "billion parameters")
    return Outcome(rows)
