"""Bars with intervals as plain SVG, and pictures as data addresses: a report is one file that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from inkcast.evaluation.intervals import Estimate
from inkcast.images import open_picture

COLOURS = ("#8a8f98", "#2f6fb0", "#c8553d", "#3f8f5f", "#8a5fb0", "#b08a2f")
_LABEL, _BAR, _ROW, _NUMBER, _LETTER = 130, 240, 22, 220, 8


def bars(estimates: Mapping[str, Estimate], caption: str, chance: float | None = None) -> str:
    """`bars_svg` with its caption below, as HTML."""
    return framed(bars_svg(estimates, caption, chance), caption)


def framed(svg: str, caption: str) -> str:
    """The figure with its caption, as HTML; "" for none."""
    return f"<figure>{svg}<figcaption>{html.escape(caption)}</figcaption></figure>" if svg else ""


def bars_svg(estimates: Mapping[str, Estimate], caption: str, chance: float | None = None) -> str:
    """A bar per name from 0 to its mean, a line across its interval, the numbers beside; a broken line at what
    chance gives. "" where nothing was asked. A file of its own, or part of a page."""
    known = {name: one for name, one in estimates.items() if one.count}
    if not known:
        return ""
    ends = [end for one in known.values() for end in ((one.low, one.high) if one.bounded else (one.mean,))]
    low, high = min(0.0, *ends), max(1e-9, *ends)
    high = 1.0 if 0.3 < high <= 1 else high
    label = max(_LABEL, _LETTER * max(map(len, known)) + 8)
    width, height = label + _BAR + _NUMBER, _ROW * len(known) + 8

    def x(value: float) -> float:
        return label + (value - low) / (high - low) * _BAR

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="13"><title>{html.escape(caption)}</title>'
    ]
    for row, (name, one) in enumerate(known.items()):
        y, colour = _ROW * row + 4, COLOURS[row % len(COLOURS)]
        start, end = sorted((x(0.0), x(one.mean)))
        middle = y + _ROW / 2 - 2
        parts += [
            f'<text x="{label - 8}" y="{middle + 4:.1f}" text-anchor="end">{html.escape(name)}</text>',
            f'<rect x="{start:.1f}" y="{y}" width="{max(end - start, 0.5):.1f}" height="{_ROW - 6}" fill="{colour}"/>',
            f'<path d="M{x(one.low):.1f} {middle:.1f}H{x(one.high):.1f}" stroke="#111" stroke-width="1.5"/>'
            if one.bounded
            else "",
            f'<text x="{label + _BAR + 10}" y="{middle + 4:.1f}">{html.escape(str(one))}</text>',
        ]
    parts.append(f'<path d="M{x(0.0):.1f} 0V{height}" stroke="#111"/>')
    if chance is not None and low <= chance <= high:
        line = f'd="M{x(chance):.1f} 0V{height}" stroke="#111" stroke-dasharray="3 3"'
        parts.append(f"<path {line}><title>by chance: {chance:.3f}</title></path>")
    return "".join(parts) + "</svg>"


def picture_address(picture: Path | Image.Image, side: int) -> str:
    """The picture as a data address, no side longer than `side`; small ones without loss."""
    image = (open_picture(picture) if isinstance(picture, Path) else picture).convert("RGB")
    small = max(image.size) <= side
    if not small:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "PNG") if small else image.save(stream, "JPEG", quality=88)
    kind = "png" if small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
