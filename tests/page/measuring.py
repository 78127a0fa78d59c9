"""Overlaps measured on finished pages from the outlines that are printed, apart from the code that placed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inkcast.page.layout import PageLayout
from inkcast.page.panel import DrawnPanel, PixelBox
from inkcast.page.setting import Path, Point, SetComic, SetOutline, SetPicture, SetText
from inkcast.story.script import Panel, Script

Box = tuple[float, float, float, float]
Polygon = list[Point]


@dataclass
class Findings:
    balloons: int = 0
    over_faces: list[str] = field(default_factory=list)
    over_balloons: list[str] = field(default_factory=list)
    stray_tails: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    spilt_text: list[str] = field(default_factory=list)
    off_page: list[str] = field(default_factory=list)
    tails_over_other_faces: list[str] = field(default_factory=list)  # wished, not promised
    sizes: list[float] = field(default_factory=list)


def measure(
    script: Script, pages: Sequence[PageLayout], drawn: Sequence[DrawnPanel], comic: SetComic, found: Findings
) -> None:
    for page, set_page in zip(pages, comic.pages, strict=True):
        pictures = [item for item in set_page.items if isinstance(item, SetPicture)]
        starts = [index for index, item in enumerate(set_page.items) if isinstance(item, SetPicture)]
        for picture, start, end in zip(pictures, starts, [*starts[1:], len(set_page.items)], strict=True):
            items = set_page.items[start + 1 : end]
            outlines = [item for item in items if isinstance(item, SetOutline)]
            texts = [
                item for item in items if isinstance(item, SetText) and item.role not in ("number", "strip", "title")
            ]
            where = f"{script.title}, panel {picture.source + 1}"
            _measure_panel(
                where, script.panels[picture.source], drawn[picture.source], picture, outlines, texts, page, found
            )


def _measure_panel(
    where: str,
    panel: Panel,
    drawn: DrawnPanel,
    picture: SetPicture,
    outlines: list[SetOutline],
    texts: list[SetText],
    page: PageLayout,
    found: Findings,
) -> None:
    faces = {figure.name: on_page(figure.face, picture) for figure in drawn.figures if figure.face is not None}
    bodies = {figure.name: on_page(figure.box, picture) for figure in drawn.figures if _visible(figure.box, picture)}
    balloons = [_balloon_polygons(outline) for outline in outlines]
    found.balloons += len(balloons)
    found.sizes += [text.size for text in texts]
    for polygons in balloons:
        for polygon in polygons:
            for name, face in faces.items():
                if polygon_meets_box(polygon, face):
                    found.over_faces.append(f"{where}: on {name}")
            if any(not (0 <= x <= page.width and 0 <= y <= page.height) for x, y in polygon):
                found.off_page.append(where)
    for first, one in enumerate(balloons):
        for other in balloons[first + 1 :]:
            if any(polygons_meet(a, b) for a in one for b in other):
                found.over_balloons.append(where)
            if not _in_order(one, other, page.right_to_left):
                found.out_of_order.append(where)
    _measure_tails(where, panel, outlines, faces, bodies, found)
    for text in texts:
        if text.role == "effect":
            continue
        if not any(_holds(polygon, text) for polygons in balloons for polygon in polygons):
            found.spilt_text.append(f"{where}: {text.lines}")


def _measure_tails(
    where: str, panel: Panel, outlines: list[SetOutline], faces: dict[str, Box], bodies: dict[str, Box], found: Findings
) -> None:
    spoken = [outline for outline in outlines if outline.role != "caption"]
    for line, outline in zip(panel.dialogue, spoken, strict=True):
        if line.speaker not in bodies or line.kind == "off-panel":
            continue
        tail = flatten(outline.paths[-1])
        if outline.role == "thought":
            left, top, right, bottom = _bounds([tail])
            tip = (left + right) / 2, (top + bottom) / 2
        else:
            tip = outline.paths[-1][1][1][2]
        x0, y0, x1, y1 = bodies[line.speaker]
        if not (x0 - 0.02 <= tip[0] <= x1 + 0.02 and y0 - 0.02 <= tip[1] <= y1 + 0.02):
            found.stray_tails.append(f"{where}: {line.speaker} at {tip}, box {bodies[line.speaker]}")
        for name, face in faces.items():
            if name != line.speaker and polygon_meets_box(tail, face):
                found.tails_over_other_faces.append(f"{where}: {line.speaker}'s over {name}")


def _balloon_polygons(outline: SetOutline) -> list[Polygon]:
    """The balloons of an outline, without its tail (few curves), necks (few curves) and bubbles (eight curves)."""
    bubble = 10 if outline.role == "thought" else 0
    return [
        flatten(path) for path in outline.paths if outline.role == "caption" or (len(path) > 7 and len(path) != bubble)
    ]


def flatten(path: Path, steps: int = 5) -> Polygon:
    points: Polygon = []
    for name, given in path:
        if name in ("move", "line"):
            points.append(given[0])
        elif name == "cubic":
            points += [_cubic(points[-1], *given, t=(i + 1) / steps) for i, _ in enumerate(range(steps))]
    return points


def _cubic(a: Point, b: Point, c: Point, d: Point, t: float) -> Point:
    s = 1 - t
    weights = (s**3, 3 * s * s * t, 3 * s * t * t, t**3)
    return (
        sum(w * p[0] for w, p in zip(weights, (a, b, c, d), strict=True)),
        sum(w * p[1] for w, p in zip(weights, (a, b, c, d), strict=True)),
    )


def inside(points: Sequence[Point], polygon: Polygon) -> NDArray[np.bool_]:
    """Which points lie in the polygon, by the even-odd rule."""
    x, y = np.array(points)[:, :1], np.array(points)[:, 1:]
    start, end = np.array(polygon), np.roll(polygon, -1, axis=0)
    (x0, y0), (x1, y1) = start.T, end.T
    rise = np.where(y1 == y0, 1.0, y1 - y0)
    crossing = ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / rise + x0)
    return crossing.sum(axis=1) % 2 == 1


def polygon_meets_box(polygon: Polygon, box: Box) -> bool:
    x0, y0, x1, y1 = box
    if any(x0 < x < x1 and y0 < y < y1 for x, y in polygon):
        return True
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), ((x0 + x1) / 2, (y0 + y1) / 2)]
    return bool(inside(corners, polygon).any())


def polygons_meet(one: Polygon, other: Polygon) -> bool:
    return bool(inside(one, other).any() or inside(other, one).any())


def on_page(box: PixelBox, picture: SetPicture) -> Box:
    cx0, cy0, cx1, cy1 = picture.crop
    bx0, by0, bx1, by1 = picture.box
    across, down = (bx1 - bx0) / (cx1 - cx0), (by1 - by0) / (cy1 - cy0)
    return (
        bx0 + (max(box[0], cx0) - cx0) * across,
        by0 + (max(box[1], cy0) - cy0) * down,
        bx0 + (min(box[2], cx1) - cx0) * across,
        by0 + (min(box[3], cy1) - cy0) * down,
    )


def _visible(box: PixelBox, picture: SetPicture) -> bool:
    """Whether the crop leaves at least a quarter of a figure; of less, a tail may or may not make something."""
    crop = picture.crop
    width, height = min(box[2], crop[2]) - max(box[0], crop[0]), min(box[3], crop[3]) - max(box[1], crop[1])
    return max(width, 0) * max(height, 0) >= 0.25 * (box[2] - box[0]) * (box[3] - box[1])


def _bounds(polygons: list[Polygon]) -> Box:
    xs, ys = [x for polygon in polygons for x, _ in polygon], [y for polygon in polygons for _, y in polygon]
    return min(xs), min(ys), max(xs), max(ys)


def _in_order(one: list[Polygon], other: list[Polygon], right_to_left: bool) -> bool:
    """The later balloon neither ends above the earlier one nor stands beside it on the side that is read first."""
    for a in one:
        for b in other:
            first, second = _bounds([a]), _bounds([b])
            if second[3] <= first[1] + 0.2:
                return False
            beside = second[1] < first[3] - 0.3 and first[1] < second[3] - 0.3
            wrong = second[0] > first[0] if right_to_left else second[0] < first[0]
            if beside and wrong:
                return False
    return True


def _holds(polygon: Polygon, text: SetText) -> bool:
    """Whether the block's middle lies in the polygon and so do the ends of its letters' middle line."""
    x0, y0, x1, y1 = text.box
    middle = (y0 + y1) / 2
    ends = [(x0, middle), (x1, middle), ((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1)]
    return bool(inside(ends, polygon).all())
