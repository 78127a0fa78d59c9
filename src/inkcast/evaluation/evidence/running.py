"""What `inkcast evaluate evidence` does: claims one after the other, then one table of them all."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inkcast.errors import OutputError
from inkcast.evaluation.evidence.claims import CLAIMS, Claim, claim_named
from inkcast.evaluation.evidence.drawing import draw_claim
from inkcast.evaluation.evidence.lab import Lab
from inkcast.evaluation.evidence.outcome import UNTRAINED, Outcome, Row, as_csv, as_markdown
from inkcast.evaluation.evidence.painters import lacking, ready
from inkcast.evaluation.evidence.parameters import count_parameters
from inkcast.evaluation.evidence.routes import measure_routes
from inkcast.evaluation.intervals import Estimate
from inkcast.evaluation.report import STYLE, cell, table
from inkcast.evaluation.toon_base import Eyes, without_nan
from inkcast.events import Note, Report, unheard
from inkcast.files import shown, write_text


def gather_evidence(
    names: Sequence[str], lab: Lab, eyes: Eyes, out: Path, *, overwrite: bool = False, report: Report = unheard
) -> Mapping[str, Outcome]:
    """Each claim into a folder of its name under `out`, and beside them `evidence.html` with all that lie there.

    A claim's folder gets `table.json`, `.csv` and `.md`, `figure.png` and `report.html`; one whose every arm lacks
    weights gets a table that says what to train.

    Raises `UsageError` for an unknown claim, `OutputError` as `run_suite` and for a broken table.
    """
    chosen = [claim_named(name) for name in names]
    outcomes = {}
    for claim in chosen:
        outcome = try_claim(claim, lab, eyes, out / claim.name, overwrite=overwrite, report=report)
        for arm, need in outcome.lacking.items():
            report(Note(f"{claim.name}, {arm}: {need}"))
        outcomes[claim.name] = outcome
        write_text(out / claim.name / "table.csv", as_csv(outcome))
        write_text(out / claim.name / "table.md", as_markdown(outcome))
        write_text(out / claim.name / "table.json", table_json(claim, outcome, untrained=lab.untrained))
    write_text(out / "evidence.html", overview(out))
    return outcomes


def listing(names: Sequence[str], lab: Lab) -> str:
    """A paragraph per claim: what the paper shows, the arms, and what each still needs."""
    parts = []
    for claim in map(claim_named, names):
        needs = lacking(claim, lab)
        arms = [f"    {arm.name}: {needs.get(arm.name, 'ready')}" for arm in claim.arms] or ["    ready"]
        parts.append("\n".join([f"{claim.name} ({claim.paper})", f"  {claim.says}", *arms]))
    return "\n\n".join(parts)


def try_claim(claim: Claim, open_lab: Lab, eyes: Eyes, out: Path, *, overwrite: bool, report: Report) -> Outcome:
    lab = claim.sized(open_lab)
    if claim.kind == "parameters":
        return count_parameters(claim, out)
    if not ready(claim, lab):
        return Outcome((), lacking(claim, lab))
    if claim.kind == "routing":
        return measure_routes(claim, lab, out, overwrite=overwrite, report=report)
    return draw_claim(claim, lab, eyes, out, overwrite=overwrite, report=report)


def table_json(claim: Claim, outcome: Outcome, *, untrained: bool) -> str:
    found = {
        "claim": claim.name,
        "paper": claim.paper,
        "says": claim.says,
        "untrained": untrained,
        "rows": [asdict(row) for row in outcome.rows],
        "lacking": dict(outcome.lacking),
    }
    return json.dumps(without_nan(found), indent=2, allow_nan=False) + "\n"


def read_table(path: Path) -> tuple[Outcome, bool]:
    """What `table_json` wrote, and whether it is untrained."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**{**row, "value": _estimate(row["value"])}) for row in found["rows"]]
        return Outcome(tuple(rows), dict(found["lacking"])), bool(found["untrained"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(f"{shown(path)} is damaged: measure its claim again, or remove it") from error


def _estimate(value: Mapping[str, Any]) -> Estimate:
    mean, low, high = (math.nan if value[name] is None else value[name] for name in ("mean", "low", "high"))
    return Estimate(mean, low, high, value["count"])


def overview(out: Path) -> str:
    """The page of every claim whose table lies in the folder, whenever it was measured."""
    parts = []
    for claim in CLAIMS:
        path = out / claim.name / "table.json"
        if not path.is_file():
            continue
        outcome, untrained = read_table(path)
        rows = [
            [html.escape(row.section), html.escape(row.arm), html.escape(row.metric), cell(row.value)]
            for row in outcome.rows
        ]
        needs = "".join(f"<p>{html.escape(f'{arm}: {need}')}</p>" for arm, need in outcome.lacking.items())
        title = f"<h2>{html.escape(claim.name)}</h2><p>{html.escape(f'{claim.paper}. {claim.says}')}</p>"
        note = f"<p>{UNTRAINED}</p>" if untrained else ""
        parts.append(title + note + needs + (table(["where", "arm", "what", "value"], rows) if rows else ""))
    head = f'<meta charset="utf-8"><title>Evidence</title><style>{STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><h1>Evidence</h1>{"".join(parts)}</body></html>\n'
    )
