"""The report of a suite: one HTML file with tables, figures and grids of pictures, and nothing outside it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from inkcast.evaluation.figures import bars_svg, framed, picture_address
from inkcast.evaluation.groups import sections
from inkcast.evaluation.intervals import Estimate
from inkcast.evaluation.legend import METRICS, arrow, title
from inkcast.evaluation.results import Results

SHOWN, SIDE, REFERENCE_SIDE, MOST_FIGURES = 8, 256, 96, 4
LOOK = "look."

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #1a1c20 }
table { border-collapse: collapse; margin: .6rem 0 1.2rem; font-variant-numeric: tabular-nums }
th, td { border-bottom: 1px solid #d5d8dd; padding: .25rem .7rem; text-align: left; vertical-align: top }
td small { color: #666a72 } figure { display: inline-block; margin: .3rem 1rem .8rem 0 }
figcaption { font-size: 13px; color: #555a62 }
.grid { overflow-x: auto } .grid img { display: block; image-rendering: auto } .grid td { font-size: 13px }
"""


@dataclass(frozen=True)
class Chart:
    """A figure of the report: in which section, of what, and what is written below it."""

    section: str
    name: str
    caption: str
    svg: str

    @property
    def file(self) -> str:
        words = re.findall(r"[a-z0-9]+", f"{self.section or 'all'} {self.name}".lower())
        return f"{'-'.join(words)}.svg"


def charts(results: Results) -> list[Chart]:
    """Of every section's first metrics painters against each other; of every group, such as kinds, its values."""
    found = []
    for section, rows in results.tables.items():
        chance = results.chance.get(section, {})
        for name in chief_metrics(rows)[:MOST_FIGURES]:
            caption = title(name) + arrow(name) + (f", by chance {chance[name]:.2f}" if name in chance else "")
            means = {painter: row[name] for painter, row in rows.items() if name in row}
            found.append(Chart(section, name, caption, bars_svg(means, caption, chance.get(name))))
    for painter, groups in results.extras.items():
        for group, values in groups.items():
            caption = f"{painter}, by {group}"
            found.append(Chart(f"by {group}", painter, caption, bars_svg(values, caption)))
    return [chart for chart in found if chart.svg]


def chief_metrics(rows: Mapping[str, Mapping[str, Estimate]]) -> list[str]:
    """Those of a section's metrics that are not of single attributes."""
    return [name for name in dict.fromkeys(name for row in rows.values() for name in row) if not name.startswith(LOOK)]


def html_report(results: Results) -> str:
    """Deterministic: the same results give the same bytes."""
    suite, drawn = results.suite, charts(results)
    body = [
        f"<h1>{html.escape(suite.name)}</h1><p>{html.escape(suite.about)}</p>",
        facts_table(results.facts),
        legend(results),
        *(section_part(results, section, drawn) for section in results.tables),
        extras_part(results, drawn),
        "<p>Intervals hold 95 % (percentile bootstrap over casts, or blocks of equal words and seeds; 2000 draws).</p>",
    ]
    head = f'<meta charset="utf-8"><title>{html.escape(suite.name)}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{chr(10).join(body)}</body></html>\n'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Of cells that are HTML already."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"


def facts_table(facts: Mapping[str, object]) -> str:
    return table(["setting", "value"], [[html.escape(str(name)), html.escape(str(v))] for name, v in facts.items()])


def legend(results: Results) -> str:
    used = {name for painters in results.tables.values() for row in painters.values() for name in row}
    rows = [[METRICS[name].title, html.escape(METRICS[name].about)] for name in METRICS if name in used]
    return f"<details><summary>What the metrics mean</summary>{table(['metric', 'meaning'], rows)}</details>"


def section_part(results: Results, section: str, drawn: Sequence[Chart]) -> str:
    rows = results.tables[section]
    chance, chief = results.chance.get(section, {}), chief_metrics(rows)
    looks = [name for name in dict.fromkeys(name for row in rows.values() for name in row) if name not in chief]
    parts = [f"<h2>{html.escape(section or 'all')}</h2>", figures_of(drawn, section)]
    parts.append(estimates_table(rows, chief, chance))
    if looks:
        parts.append(f"<h3>Looks by attribute</h3>{estimates_table(rows, looks, chance)}")
    gains = results.gains.get(section, {})
    if gains:
        parts.append("<h3>Less words alone, on the same prompts and seeds</h3>" + estimates_table(gains, chief))
    return "".join(parts) + grid(results, section)


def figures_of(drawn: Sequence[Chart], section: str) -> str:
    return "".join(framed(chart.svg, chart.caption) for chart in drawn if chart.section == section)


def estimates_table(
    rows: Mapping[str, Mapping[str, Estimate]], names: Sequence[str], chance: Mapping[str, float] = {}
) -> str:
    """Painters downwards, metrics across; each mean with its interval and the number of pictures, chance below."""
    used = [name for name in names if any(name in row for row in rows.values())]
    lines = [[html.escape(painter), *(cell(row.get(name)) for name in used)] for painter, row in rows.items()]
    if any(name in chance for name in used):
        lines.append(["by chance", *(f"{chance[name]:.3f}" if name in chance else "" for name in used)])
    return table(["", *(html.escape(title(name) + arrow(name)) for name in used)], lines)


def cell(estimate: Estimate | None) -> str:
    if estimate is None or not estimate.count:
        return "–"
    bounds = f"{estimate.low:.3f} to {estimate.high:.3f}<br>" if estimate.bounded else ""
    return f"{estimate.mean:.3f}<br><small>{bounds}n = {estimate.count}</small>"


def extras_part(results: Results, drawn: Sequence[Chart]) -> str:
    """Such as looks by kind: a table per group, painters across."""
    groups = list(dict.fromkeys(group for found in results.extras.values() for group in found))
    parts = []
    for group in groups:
        by_value = {painter: found.get(group, {}) for painter, found in results.extras.items()}
        values = list(dict.fromkeys(value for found in by_value.values() for value in found))
        rows = [[html.escape(value), *(cell(found.get(value)) for found in by_value.values())] for value in values]
        parts.append(f"<h2>By {html.escape(group)}</h2>" + figures_of(drawn, f"by {group}"))
        parts.append(table(["", *map(html.escape, by_value)], rows))
    return "".join(parts)


def grid(results: Results, section: str) -> str:
    """The section's first commissions: references, then what each painter drew."""
    commissions = results.suite.commissions
    places = sections(commissions).get(section, [])[:SHOWN]
    rows = []
    for place in places:
        references = "".join(
            image(picture_address(one.references[0].image, REFERENCE_SIDE), one.name) for one in commissions[place].cast
        )
        drawn = [image(picture_address(one.paths[place], SIDE), one.name) for one in results.shown]
        rows.append([html.escape(commissions[place].words), references, *drawn])
    if not rows:
        return ""
    head = ["words", "references", *(html.escape(one.name) for one in results.shown)]
    return f'<div class="grid">{table(head, rows)}</div>'


def image(address: str, name: str) -> str:
    return f'<img src="{address}" alt="{html.escape(name, quote=True)}">'
