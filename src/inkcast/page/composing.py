"""Script, drawn panels and layout put together: a comic ready to be set."""

from __future__ import annotations

from collections.abc import Sequence

from inkcast.errors import PageError
from inkcast.page.breaking import clean
from inkcast.page.inking import outlines
from inkcast.page.layout import Frame, PageLayout, PageOptions
from inkcast.page.lettering import Letterer
from inkcast.page.panel import DrawnPanel
from inkcast.page.patterns import Box
from inkcast.page.pictures import edge_colour
from inkcast.page.setting import Align, Item, SetComic, SetPage, SetPicture, SetText
from inkcast.page.staging import room, stage, ways
from inkcast.page.translation import caption_text, title_text
from inkcast.page.typeface import needs_system_fonts
from inkcast.page.typeset import Typesetter
from inkcast.page.typography import Typographer, is_right_to_left
from inkcast.page.voices import voices
from inkcast.page.weighing import CAPTION_PADDING
from inkcast.story.script import Script


def compose(
    script: Script,
    panels: Sequence[DrawnPanel],
    pages: Sequence[PageLayout],
    options: PageOptions,
    typesetter: Typesetter | None = None,
) -> SetComic:
    """Every picture cropped, every text broken into lines and placed.

    Raises PageError where the parts do not belong together.
    """
    if len(panels) != len(script.panels):
        raise PageError(f"{len(panels)} drawn panels for a script of {len(script.panels)}: draw or drop the difference")
    return _Composer(
        script, panels, options, typesetter or Typesetter(options.template, needs_system_fonts(script, options))
    ).comic(pages)


class _Composer:
    def __init__(
        self, script: Script, panels: Sequence[DrawnPanel], options: PageOptions, typesetter: Typesetter
    ) -> None:
        self._script, self._panels, self._options = script, panels, options
        self._typographer = Typographer(typesetter)
        self._letterer = Letterer(self._typographer, options.points)

    def comic(self, pages: Sequence[PageLayout]) -> SetComic:
        self._typographer.learn(self._texts(len(pages)))
        options = self._options
        made = tuple(self._page(page) for page in pages)
        title = clean(title_text(self._script, options)[0])
        return SetComic(title, options.author, options.lettering_language, options.reads_right_to_left, made)

    def _texts(self, pages: int) -> list[tuple[str, str, str]]:
        title, tag = title_text(self._script, self._options)
        found = [
            ("title", tag, title),
            *(("number", self._options.source_language, str(page + 1)) for page in range(pages)),
        ]
        for panel in self._script.panels:
            text, tag = caption_text(panel, self._options)
            found += [("strip", tag, text)]
            for voice in voices(panel, (), self._options, caption=True):
                kinds = ("speech", "off-panel") if voice.kind == "off-panel" else (voice.kind,)
                found += [(kind, voice.language, voice.text) for kind in kinds]
        return found

    def _page(self, page: PageLayout) -> SetPage:
        items: list[Item] = []
        marks = [(1, f"Page {page.number}", (0.0, 0.0))]
        if page.title is not None:
            title, tag = title_text(self._script, self._options)
            items.append(self._text(title, "title", tag, page.title))
        for frame in page.frames:
            items += self._panel(frame, page)
            marks.append(
                (2, f"{frame.panel + 1}. {_short(self._script.panels[frame.panel].description)}", frame.box[:2])
            )
        if self._options.page_numbers and not self._options.pattern.full_bleed and not self._options.pattern.heights:
            foot = self._options.page_margin
            box = (0.0, page.height - foot, page.width, page.height - foot * 0.3)
            items.append(self._text(str(page.number), "number", self._options.source_language, box))
        return SetPage(page.width, page.height, page.bleed, tuple(items), tuple(marks))

    def _panel(self, frame: Frame, page: PageLayout) -> list[Item]:
        panel, drawn = self._script.panels[frame.panel], self._panels[frame.panel]
        for picture_box, scales in ways(frame):
            crop, box, bodies = stage(drawn, picture_box)
            spoken = voices(panel, bodies, self._options, caption=frame.caption is None)
            inked = self._letterer.letter(
                spoken, bodies, room(frame, page), page.right_to_left, scales, f"{self._script.title}:{frame.panel}"
            )
            if inked is not None:
                break
        else:
            raise PageError(
                f"panel {frame.panel + 1} holds more text than its frame can: shorten it or split the panel"
            )
        border = frame.box if frame.box[0] > 0 or box != frame.box else None
        backdrop = edge_colour(drawn.picture, crop) if box != frame.box else None
        items: list[Item] = [SetPicture(frame.panel, crop, box, border, clean(panel.description), backdrop)]
        items += outlines(inked)
        items += [one.text for one in inked]
        text, language = caption_text(panel, self._options)
        if clean(text) and frame.caption is not None:
            x0, y0, x1, y1 = frame.caption
            items.append(self._text(text, "strip", language, (x0, y0 + CAPTION_PADDING, x1, y1), top=True))
        return items

    def _text(
        self, text: str, role: str, language: str, room: Box, align: Align = "center", top: bool = False
    ) -> SetText:
        """A text as large as `room` allows, centred in it, or at its top."""
        x0, y0, x1, y1 = room
        fitted = self._typographer.fit(text, role, language, self._options.points, (x1 - x0, y1 - y0))
        left = (x0 + x1 - fitted.width) / 2
        upper = y0 if top else (y0 + y1 - fitted.height) / 2
        box = (left, upper, left + fitted.width, upper + fitted.height)
        return SetText(fitted.lines, role, box, fitted.size, language, is_right_to_left(language), align)


def _short(text: str, most: int = 80) -> str:
    words = clean(text)
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"
