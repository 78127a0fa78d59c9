"""Pages and plain bar charts of experiments that draw nothing."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from inkcast.evaluation.evidence.claims import Claim
from inkcast.evaluation.evidence.outcome import Row
from inkcast.evaluation.report import STYLE, cell, table
from inkcast.images import save_png

_LINE, _LABEL, _BAR, _NUMBER = 28, 300, 320, 90


def page(claim: Claim, body: str, rows: Sequence[Row]) -> str:
    """One HTML file that needs nothing else: the claim, `body` (HTML), and the numbers."""
    lines = [[html.escape(row.section), html.escape(row.arm), html.escape(row.metric), cell(row.value)] for row in rows]
    title = html.escape(f"{claim.name}: {claim.paper}")
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    numbers = table(["where", "arm", "what", "value"], lines)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><h1>{title}</h1><p>{html.escape(claim.says)}</p>'
        f"{body}{numbers}</body></html>\n"
    )


def write_figure(path: Path, values: Mapping[str, float], unit: str) -> None:
    """Bars with their numbers, as a picture."""
    size = _LABEL + _BAR + _NUMBER, _LINE * (len(values) + 1)
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    most = max(values.values(), default=1.0) or 1.0
    for k, (name, value) in enumerate(values.items()):
        y = k * _LINE + 6
        pen.text((_LABEL - 10, y), name, fill="black", font=font, anchor="ra")
        pen.rectangle((_LABEL, y, _LABEL + max(1.0, value / most * _BAR), y + _LINE - 12), fill="#2f6fb0")
        pen.text((_LABEL + _BAR + 8, y), f"{value:.3g}", fill="black", font=font)
    pen.text((_LABEL, size[1] - _LINE + 6), unit, fill="#555a62", font=font)
    save_png(image, path)
