"""Where every panel stands on every page: geometry from the script alone, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

from inkcast.errors import PageError
from inkcast.page.breaking import clean
from inkcast.page.options import PageOptions
from inkcast.page.packing import pack
from inkcast.page.patterns import LAYOUTS, Box, Split, capacity, cells
from inkcast.page.typeface import needs_system_fonts
from inkcast.page.weighing import Weight, caption_height, captions_below, check_room, weigh
from inkcast.story.script import Script

__all__ = ["LAYOUTS", "Frame", "PageLayout", "PageOptions", "arrange"]

_LONGEST_STRIP = 1400.0  # millimetres; PDF pages end at 5080


@dataclass(frozen=True)
class Frame:
    """The place of one panel.

    `panel` is its index in the script, `box` (mm) its picture, `caption` (mm) the strip below it.
    """

    panel: int
    box: Box
    caption: Box | None = None

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]

    @property
    def aspect(self) -> float:
        """Width over height of the picture to draw."""
        return self.width / self.height


@dataclass(frozen=True)
class PageLayout:
    """A page: `width` x `height` mm after trimming, `bleed` mm around it, frames in reading order,
    and where the title stands.
    """

    number: int
    width: float
    height: float
    bleed: float
    frames: tuple[Frame, ...]
    right_to_left: bool = False
    title: Box | None = None


def arrange(script: Script, options: PageOptions) -> tuple[PageLayout, ...]:
    """The pages of a script. Raises PageError for text that has no font or no room."""
    if not script.panels:
        raise PageError("the script has no panels: nothing to lay out")
    needs_system_fonts(script, options)  # letters that nobody can print are told before anything is drawn
    weights = [weigh(script, index, options) for index in range(len(script.panels))]
    pages = _strip(script, weights, options) if options.pattern.heights else _sheets(script, weights, options)
    for frame in (frame for page in pages for frame in page.frames):
        strip = frame.caption[3] - frame.caption[1] if frame.caption else 0.0
        check_room(script, frame.panel, frame.width, frame.height + strip, options)
    return pages


def _sheets(script: Script, weights: list[Weight], options: PageOptions) -> tuple[PageLayout, ...]:
    title = _title_height(script, options)
    pages: list[PageLayout] = []
    start = 0
    for node in _patterns(weights, title, options):
        top = 0.0 if pages else title
        boxes = _boxes(node, options, top)
        pages.append(_page(len(pages) + 1, options.page_size[1], _frames(script, start, boxes, options), top, options))
        start += len(boxes)
    return tuple(pages)


def _patterns(weights: list[Weight], title: float, options: PageOptions) -> list[Split]:
    """One pattern a page; panels left over at the end, too few for the layout's own pattern, are packed."""
    found: list[Split] = []
    start = 0
    turns = cycle(options.pattern.pages)
    while options.pattern.pages and start < len(weights):
        node = next(turns)
        if capacity(node) > len(weights) - start:
            break
        found.append(node)
        start += capacity(node)
    first = _inner(options, 0.0 if found else title)
    return found + pack(weights[start:], first, _inner(options, 0.0), options.gutter)


def _inner(options: PageOptions, title: float) -> Box:
    width, height = options.page_size
    margin = options.page_margin
    foot = 2.5 if options.page_numbers else 0.0
    return margin, margin + title, width - margin, height - margin - foot


def _boxes(node: Split, options: PageOptions, title: float) -> list[Box]:
    if options.pattern.full_bleed:
        width, height = options.page_size
        box = (-options.bleed, -options.bleed, width + options.bleed, height + options.bleed)
    else:
        box = _inner(options, title)
    return cells(node, box, options.gutter, options.reads_right_to_left)


def _frames(script: Script, start: int, cells: list[Box], options: PageOptions) -> tuple[Frame, ...]:
    """Cells as frames; captions below the pictures of one row are equally high, so that the pictures line up."""
    if not captions_below(script, options):
        return tuple(Frame(start + i, _rounded(cell)) for i, cell in enumerate(cells))
    strips: dict[tuple[float, float], float] = {}
    for i, (x0, y0, x1, y1) in enumerate(cells):
        strip = min(caption_height(script, start + i, x1 - x0, options), (y1 - y0) * 0.6)
        strips[y0, y1] = max(strip, strips.get((y0, y1), 0.0))
    frames = []
    for i, (x0, y0, x1, y1) in enumerate(cells):
        foot = y1 - strips[y0, y1]
        strip_box = _rounded((x0, foot, x1, y1)) if caption_height(script, start + i, x1 - x0, options) else None
        frames.append(Frame(start + i, _rounded((x0, y0, x1, foot)), strip_box))
    return tuple(frames)


def _page(number: int, height: float, frames: tuple[Frame, ...], title: float, options: PageOptions) -> PageLayout:
    width, margin = options.page_size[0], options.page_margin
    box = (margin, margin * 0.6, width - margin, margin + title - options.gutter) if title else None
    return PageLayout(number, width, round(height, 3), options.bleed, frames, options.reads_right_to_left, box)


def _title_height(script: Script, options: PageOptions) -> float:
    """Room for the title above the first page's panels; a splash keeps its whole page."""
    if not (clean(script.title) and options.title) or options.pattern.full_bleed:
        return 0.0
    return round(min(options.page_size) * 0.085, 2)


def _strip(script: Script, weights: list[Weight], options: PageOptions) -> tuple[PageLayout, ...]:
    """A webtoon: panels one below the other, each higher where it has more to say, on pages as long as they need."""
    width, gap = options.page_size[0], options.gutter * 3
    pages: list[PageLayout] = []
    frames: list[Frame] = []
    title = _title_height(script, options)
    top = title
    y = gap + title
    turns = cycle(options.pattern.heights)
    for index, weight in enumerate(weights):
        height = width * max(next(turns), min(weight.area / 0.12, 1.6))
        strip = caption_height(script, index, width, options) if captions_below(script, options) else 0.0
        if frames and y + height + strip > _LONGEST_STRIP:
            pages.append(_page(len(pages) + 1, y, tuple(frames), top, options))
            frames, top, y = [], 0.0, gap
        box = (0.0, y, width, y + height)
        frames.append(
            Frame(index, _rounded(box), _rounded((0.0, y + height, width, y + height + strip)) if strip else None)
        )
        y += height + strip + gap
    pages.append(_page(len(pages) + 1, y, tuple(frames), top, options))
    return tuple(pages)


def _rounded(box: Box) -> Box:
    x0, y0, x1, y1 = (round(value, 3) for value in box)
    return x0, y0, x1, y1
