"""Where a drawn panel's figures stand on the page, and how much of its frame the picture takes."""

from __future__ import annotations

from collections.abc import Iterator

from inkcast.page.crop import fit
from inkcast.page.geometry import grown
from inkcast.page.layout import Frame, PageLayout
from inkcast.page.panel import DrawnPanel, PixelBox
from inkcast.page.patterns import Box
from inkcast.page.voices import Body

_INSET = 1.2  # millimetres between balloons and a panel's border
_SAFE = 4.0  # millimetres between balloons and the edge of a page that its pictures reach
_HEAD = 0.3  # of a figure, where its face was not found
_ENOUGH = 0.15  # of a figure without a face must be left by the crop for it to count as there

# Share of the frame given to a band above the picture, and the sizes of text tried in it: text shrinks a little, then
# the picture makes a little room, then text shrinks by a third; before it goes on, the picture loses half its frame.
_WAYS: tuple[tuple[float, tuple[float, ...]], ...] = (
    (0.0, (1.0, 0.93, 0.86, 0.8)),
    (0.22, (1.0, 0.9, 0.8)),
    (0.0, (0.74, 0.68)),
    (0.22, (0.74, 0.68)),
    (0.36, (1.0, 0.9, 0.8, 0.72)),
    (0.5, (0.95, 0.85, 0.76, 0.68)),
    (0.6, (0.68, 0.6, 0.52, 0.45, 0.38, 0.3, 0.22, 0.15)),
)


def ways(frame: Frame) -> Iterator[tuple[Box, tuple[float, ...]]]:
    """Boxes (mm) that the picture may take in its frame, each with the sizes of text to try beside it."""
    x0, y0, x1, y1 = frame.box
    for band, scales in _WAYS:
        yield (x0, y0 + (y1 - y0) * band, x1, y1), scales


def room(frame: Frame, page: PageLayout) -> Box:
    """Where a panel's balloons may stand (mm)."""
    x0, y0, x1, y1 = grown(frame.box, -_INSET)
    return max(x0, _SAFE), max(y0, _SAFE), min(x1, page.width - _SAFE), min(y1, page.height - _SAFE)


def stage(drawn: DrawnPanel, box: Box) -> tuple[PixelBox, Box, list[Body]]:
    """The picture's crop, its box on the page, and the figures it shows."""
    crop, shown = fit(drawn.picture.size, drawn.figures, box)
    scale_x, scale_y = (shown[2] - shown[0]) / (crop[2] - crop[0]), (shown[3] - shown[1]) / (crop[3] - crop[1])

    def on_page(pixels: PixelBox) -> Box:
        x0, y0 = max(pixels[0], crop[0]), max(pixels[1], crop[1])
        x1, y1 = min(pixels[2], crop[2]), min(pixels[3], crop[3])
        return (
            shown[0] + (x0 - crop[0]) * scale_x,
            shown[1] + (y0 - crop[1]) * scale_y,
            shown[0] + (x1 - crop[0]) * scale_x,
            shown[1] + (y1 - crop[1]) * scale_y,
        )

    bodies = []
    for figure in drawn.figures:
        body = on_page(figure.box)
        if figure.face is None and _shown(figure.box, crop) < _ENOUGH:
            continue
        head = (body[0], body[1], body[2], body[1] + (body[3] - body[1]) * _HEAD)
        face = on_page(figure.face) if figure.face is not None else head
        seen = figure.face is not None and face[0] < face[2] and face[1] < face[3]
        bodies.append(Body(figure.name, body, face if seen else head, seen))
    return crop, shown, bodies


def _shown(figure: PixelBox, crop: PixelBox) -> float:
    """The share of a figure's box that the crop leaves."""
    width = min(figure[2], crop[2]) - max(figure[0], crop[0])
    height = min(figure[3], crop[3]) - max(figure[1], crop[1])
    area = (figure[2] - figure[0]) * (figure[3] - figure[1])
    return max(width, 0) * max(height, 0) / area if area else 0.0
