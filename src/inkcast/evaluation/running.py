"""Runs a suite: draws with every painter, scores, and writes JSON, CSV, the HTML report and the blind pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from inkcast.errors import OutputError
from inkcast.evaluation.pairs import write_study
from inkcast.evaluation.report import charts, html_report
from inkcast.evaluation.results import Extra, Results, Shown, members_of, results_json, rows_of, summary
from inkcast.evaluation.suites import Painter, Scorer, Suite, painted, scored
from inkcast.events import Progress, Report, unheard
from inkcast.files import reporting, shown, write_text

RESULTS, ROWS, MEMBERS, REPORT = "evaluation.json", "evaluation.csv", "members.csv", "report.html"
PICTURES, FIGURES = "pictures", "figures"


def run_suite(
    suite: Suite,
    painters: Iterable[Painter],
    scorer: Scorer,
    out: Path,
    facts: Mapping[str, Any],
    *,
    pairs: int = 0,
    overwrite: bool = False,
    report: Report = unheard,
    extra: Extra | None = None,
) -> Results:
    """Draws, scores and writes everything into the folder `out`; a run that was stopped goes on with what is there.

    Args:
        painters: made one after the other, so that engines need not fit into memory together.
        facts: the choices that decide the figures; they go into the results, and must be the same to go on.
        pairs: how many blind pairs to put before people.
        overwrite: replace the results of other choices (pictures are kept under keys, and never mixed up).

    Raises:
        OutputError: `out` holds something else, results of other choices, or cannot be written.
        BaseModelError, WeightsError: a judge cannot be loaded; nothing is drawn then.
    """
    scorer.load()
    claim(out, {"suite": suite.name, **facts}, overwrite=overwrite)
    total = len(suite.commissions)
    gallery = []
    for painter in painters:
        paths = painted(suite, painter, out / PICTURES, counting(report, painter.name, total))
        seen = scored(suite, scorer, paths, counting(report, f"{painter.name}: judged", total))
        gallery.append(Shown(painter.name, painter.digest, tuple(paths), tuple(seen)))
    results = summary(suite, facts, gallery, extra)
    write_text(out / ROWS, rows_of(results, out))
    write_text(out / MEMBERS, members_of(results, out))
    write_text(out / REPORT, html_report(results))
    figures = write_figures(out, results)
    if pairs:
        write_study(out, results, pairs)
    write_text(out / RESULTS, results_json(results, figures))
    return results


def write_figures(out: Path, results: Results) -> dict[str, dict[str, str]]:
    """The report's figures as files, those of other choices taken away: section -> what it shows -> file."""
    drawn = charts(results)
    places: dict[str, dict[str, str]] = {}
    with reporting(out / FIGURES):
        for old in (out / FIGURES).glob("*.svg"):
            if old.name not in {chart.file for chart in drawn}:
                old.unlink()
    for chart in drawn:
        write_text(out / FIGURES / chart.file, chart.svg + "\n")
        places.setdefault(chart.section, {})[chart.name] = f"{FIGURES}/{chart.file}"
    return places


def counting(report: Report, stage: str, total: int) -> Callable[[int], None]:
    """Tells `report` how many of a stage are done."""
    return lambda done: report(Progress(stage, done, total))


def claim(out: Path, facts: Mapping[str, Any], *, overwrite: bool) -> None:
    """Makes `out` this evaluation's folder, or goes on in one that is already."""
    marker = out / RESULTS
    with reporting(out):
        if out.is_dir() and any(out.iterdir()) and not marker.is_file():
            raise OutputError(f"{shown(out)} holds no {RESULTS}, so it is not ours to fill; choose another place")
        out.mkdir(parents=True, exist_ok=True)
        if marker.is_file() and not overwrite and known_facts(marker) != json.loads(json.dumps(facts)):
            raise OutputError(
                f"{shown(out)} holds an evaluation with other choices; choose another place or give --overwrite"
            )
    if not marker.is_file() or overwrite:
        write_text(marker, json.dumps({"facts": facts, "finished": False}, indent=2) + "\n")


def known_facts(marker: Path) -> object:
    """The choices of the evaluation that the file is of."""
    try:
        return json.loads(marker.read_text(encoding="utf-8"))["facts"]
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{shown(marker)} is damaged: choose another place or give --overwrite") from error
