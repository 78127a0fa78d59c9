"""What came out of one claim's experiment, as rows of a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inkcast.evaluation.intervals import Estimate
from inkcast.evaluation.legend import title
from inkcast.evaluation.toon_report import table

if TYPE_CHECKING:
    from inkcast.evaluation.evidence.lab import Lab


@dataclass(frozen=True)
class Row:
    """One number: where it was measured, of which arm, and what it is."""

    section: str
    arm: str
    metric: str
    value: Estimate


@dataclass(frozen=True)
class Outcome:
    """`lacking`: arm -> what it needs before it can be measured."""

    rows: tuple[Row, ...] = ()
    lacking: Mapping[str, str] = field(default_factory=dict)


UNTRAINED = "The engines' parts are UNTRAINED: these figures say nothing about the claim."


def untrained_note(lab: Lab) -> str:
    return UNTRAINED if lab.untrained else ""


def as_markdown(outcome: Outcome) -> str:
    """A table for each section: arms downwards, metrics across."""
    parts = []
    for section in dict.fromkeys(row.section for row in outcome.rows):
        rows = [row for row in outcome.rows if row.section == section]
        metrics = list(dict.fromkeys(row.metric for row in rows))
        known = {(row.arm, row.metric): str(row.value) for row in rows}
        arms = dict.fromkeys(row.arm for row in rows)
        lines = [[arm, *(known.get((arm, metric), "") for metric in metrics)] for arm in arms]
        parts.append(table([section, *map(title, metrics)], lines))
    return "\n".join(parts)


def as_csv(outcome: Outcome) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["section", "arm", "metric", "mean", "low", "high", "count"])
    for row in outcome.rows:
        value = row.value
        bounds = (value.low, value.high) if value.bounded else ("", "")
        writer.writerow([row.section, row.arm, row.metric, value.mean, *bounds, value.count])
    return stream.getvalue()
