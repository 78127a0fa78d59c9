"""Pages as they will be read: lettered from the words as they are now, whatever is drawn so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from html import escape

from PIL import Image

from inkcast.app.project import Project
from inkcast.app.web.pictures import empty, small
from inkcast.page.export import Comic
from inkcast.page.layout import arrange
from inkcast.page.panel import DrawnPanel
from inkcast.page.transcript import transcript
from inkcast.story.script import Script

DPI = 96
BLANK = "#efe9dc"
BLANK_SIDE = 256


def pages_html(script: Script, drawn: Sequence[DrawnPanel | None], project: Project, only: int | None = None) -> str:
    """The pages as pictures with their words as alternative text; `only` keeps the page that holds that panel."""
    if not script.panels:
        return empty("No pages yet", "Write the script in the tab Story; its pages appear here before they are drawn.")
    options = replace(project.options, dpi=DPI)
    pages = arrange(script, options)
    frames = {frame.panel: frame for page in pages for frame in page.frames}
    panels = [one or blank(frames[index].aspect) for index, one in enumerate(drawn)]
    if only is not None:
        pages = tuple(page for page in pages if any(frame.panel == only for frame in page.frames))
    comic = Comic(script, panels, pages, options)
    shown = [
        f'<img src="{small(data, 1100)}" alt="Page {page.number}. {escape(transcript(script, page, options), True)}">'
        for page, data in zip(pages, comic.pngs, strict=True)
    ]
    return f'<div class="ink-pages">{"".join(shown)}</div>'


@lru_cache(maxsize=32)
def blank(aspect: float) -> DrawnPanel:
    """Stands where nothing is drawn yet."""
    width, height = round(BLANK_SIDE * max(aspect, 1)), round(BLANK_SIDE * max(1 / aspect, 1))
    return DrawnPanel(Image.new("RGB", (width, height), BLANK))
