"""How much of a page a panel deserves: from its importance in the story and the text it must hold."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from inkcast.errors import PageError
from inkcast.page.options import PageOptions
from inkcast.story.script import Panel, Script

_POINT = 25.4 / 72  # millimetres
LINE_HEIGHT = 1.16  # of the text size
CAPTION_SIZE = 0.95  # caption text relative to speech
CAPTION_PADDING = 1.1  # millimetres above and below a caption
_BALLOON_COVER = 2.6  # area of a balloon over the area of its text
_SHARE = 0.42  # of a picture that balloons may cover
_CAPTION_COVER = 1.4  # area of a caption's box over the area of its text
_SMALLEST, _FULL = 0.5, 0.8  # how far text may shrink, and how full a frame may get, before there is too much of it
_ASPECTS = {"wide": 1.7, "long": 1.7, "establishing": 1.9, "panorama": 2.0, "close": 1.05, "medium": 1.25, "full": 0.9}


@dataclass(frozen=True)
class Weight:
    """`area` is the wished share of a page, `aspect` the wished width over height of the picture."""

    area: float
    aspect: float


def text_width(text: str) -> float:
    """A rough width of `text` in ems, without a font: half an em a letter, one a wide (CJK) character."""
    return sum(1.0 if unicodedata.east_asian_width(char) in "WF" else 0.5 for char in text)


def texts(panel: Panel, script_field: str) -> list[str]:
    """A field's text in every language of the script, so that one geometry serves all of them."""
    if script_field == "caption":
        return [panel.caption, *panel.translations.values()]
    return [max([line.text, *line.translations.values()], key=text_width) for line in panel.dialogue]


def captions_below(script: Script, options: PageOptions) -> bool:
    """Whether captions stand below the pictures: as told, else where no panel has a balloon."""
    place = options.captions if options.captions != "auto" else options.pattern.captions
    return place == "below" if place != "auto" else not any(panel.dialogue for panel in script.panels)


def caption_height(script: Script, index: int, width: float, options: PageOptions) -> float:
    """Millimetres that a panel's caption needs below a picture `width` mm wide, in the longest of its languages."""
    longest = max((text_width(text) for text in texts(script.panels[index], "caption")), default=0.0)
    if longest == 0.0:
        return 0.0
    size = options.points * CAPTION_SIZE * _POINT
    lines = -(-longest * size * 1.08 // max(width - 2, size))
    return round(lines * size * LINE_HEIGHT + 2 * CAPTION_PADDING, 3)


def weigh(script: Script, index: int, options: PageOptions) -> Weight:
    """What a panel asks for: more where it opens or ends the story, shows several people or must hold much text."""
    panel = script.panels[index]
    importance = 1.0 + 0.35 * (index == 0) + 0.2 * (index == len(script.panels) - 1)
    importance += 0.12 * max(0, len(panel.characters) - 1) + 0.25 * bool(panel.effects)
    importance += 0.15 * any(line.kind == "shout" for line in panel.dialogue)
    shot = panel.shot.lower()
    importance += 0.2 * any(word in shot for word in ("wide", "establishing", "splash"))
    importance -= 0.15 * ("close" in shot)
    width, height = options.page_size
    covered = _text_area(panel, options, caption=not captions_below(script, options))
    needed = covered / _SHARE / (width * height * 0.85)
    aspect = next((value for word, value in _ASPECTS.items() if word in shot), 1.2)
    aspect *= 1.0 + 0.12 * max(0, len(panel.characters) + len(panel.dialogue) - 3)
    return Weight(min(max(importance * 0.165, needed), 1.0), min(aspect, 2.0))


def check_room(script: Script, index: int, width: float, height: float, options: PageOptions) -> None:
    """Raises PageError where a panel's text, at the smallest size one can read,
    would hide a frame of `width` x `height` mm.
    """
    panel = script.panels[index]
    if _text_area(panel, options, caption=True) * _SMALLEST**2 > _FULL * width * height:
        letters = sum(map(len, (panel.caption, *(line.text for line in panel.dialogue))))
        raise PageError(
            f"panel {index + 1} holds {letters} letters, more than its {width:.0f} x {height:.0f} mm can show: "
            "split its text over several panels, or choose a layout with larger ones"
        )


def _text_area(panel: Panel, options: PageOptions, caption: bool) -> float:
    """Square millimetres that a panel's balloons, and its caption box where asked, cover at full size."""
    size = options.points * _POINT
    letters = sum(text_width(text) + 4.0 for text in texts(panel, "dialogue")) * _BALLOON_COVER
    if caption:
        letters += max((text_width(text) for text in texts(panel, "caption")), default=0.0) * _CAPTION_COVER
    return letters * size * size * LINE_HEIGHT
