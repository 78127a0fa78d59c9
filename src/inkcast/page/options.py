"""What a person can choose about pages."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from inkcast.errors import PageError
from inkcast.files import shown
from inkcast.page.patterns import LAYOUTS, CaptionPlace, Layout

SIZES: dict[str, tuple[float, float]] = {
    "comic": (170.0, 260.0),
    "a4": (210.0, 297.0),
    "a5": (148.0, 210.0),
    "b5": (176.0, 250.0),
    "letter": (215.9, 279.4),
    "manga": (128.0, 182.0),
    "square": (210.0, 210.0),
}
RIGHT_TO_LEFT_LANGUAGES = frozenset({"ar", "fa", "he", "iw", "ku", "ps", "sd", "ug", "ur", "yi"})
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*[x×]\s*(\d+(?:\.\d+)?)(?:\s*mm)?", re.IGNORECASE)
_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True)
class PageOptions:
    """Lengths are millimetres, `text_points` is the size of speech in points.

    `size` is a name of `SIZES`, "WIDTHxHEIGHT" in millimetres, or empty for the layout's own. `right_to_left`, `margin`
    and `text_points` are derived from the layout, the language and the page where they are None. `language` is a BCP 47
    tag ("de", "zh-Hant"): the script's translations into it are lettered, or the script's own text where it is empty;
    `source_language` says what the script is written in. `template` is a Typst file whose definitions override the
    shipped style.
    """

    layout: str = "auto"
    size: str = ""
    bleed: float = 0.0
    dpi: int = 150
    gutter: float = 3.5
    margin: float | None = None
    right_to_left: bool | None = None
    language: str = ""
    source_language: str = "en"
    captions: CaptionPlace = "auto"
    text_points: float | None = None
    title: bool = True
    page_numbers: bool = True
    author: str = ""
    template: Path | None = None

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise PageError(f"unknown layout '{self.layout}': choose one of {', '.join(LAYOUTS)}")
        width, height = self.page_size
        for name, value, low, high in (
            ("page width", width, 40, 2000),
            ("page height", height, 40, 2000),
            ("bleed", self.bleed, 0, 50),
            ("dpi", self.dpi, 36, 1200),
            ("gutter", self.gutter, 0, width / 8),
            ("margin", self.page_margin, 0, width / 4),
            ("text size", self.points, 3, 72),
        ):
            if not (math.isfinite(value) and low <= value <= high):
                raise PageError(f"{name} is {value:g}: choose a value from {low:g} to {high:g}")
        for tag in filter(None, (self.language, self.source_language)):
            if not _TAG.fullmatch(tag):
                raise PageError(f"language {shown(tag)} is no language tag: write for example de, pt-BR or zh-Hant")
        if self.captions not in ("auto", "below", "inside"):
            raise PageError(f"captions '{self.captions}' is unknown: choose auto, below or inside")

    @property
    def pattern(self) -> Layout:
        return LAYOUTS[self.layout]

    @property
    def page_size(self) -> tuple[float, float]:
        """Width and height of the trimmed page in millimetres."""
        if not self.size:
            return self.pattern.size or SIZES["comic"]
        if self.size.lower() in SIZES:
            return SIZES[self.size.lower()]
        match = _SIZE.fullmatch(self.size.strip())
        if match is None:
            raise PageError(
                f"page size '{self.size}' is unknown: write WIDTHxHEIGHT in millimetres or one of {', '.join(SIZES)}"
            )
        return float(match[1]), float(match[2])

    @property
    def page_margin(self) -> float:
        return self.margin if self.margin is not None else round(min(self.page_size) * 0.05, 2)

    @property
    def points(self) -> float:
        """Size of speech in points: 8.2 on a comic page, growing with the page's width."""
        if self.text_points is not None:
            return self.text_points
        width = min(self.page_size[0], self.page_size[1] * 1.4)
        return round(min(max(width * 0.048, 6.5), 11.0) * self.pattern.lettering, 2)

    @property
    def reads_right_to_left(self) -> bool:
        if self.right_to_left is not None:
            return self.right_to_left
        return self.pattern.right_to_left or self.lettering_language.split("-")[0].lower() in RIGHT_TO_LEFT_LANGUAGES

    @property
    def lettering_language(self) -> str:
        return self.language or self.source_language
