"""Which letters can be printed: with the fonts this package brings, or with those of the machine."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import typst
from fontTools.ttLib import TTFont, TTLibError

from inkcast.errors import LetterError
from inkcast.page.breaking import clean
from inkcast.page.options import PageOptions
from inkcast.page.translation import caption_text, effect_texts, line_text, title_text
from inkcast.page.typeset import font_files
from inkcast.story.script import Script

_PLAIN = frozenset(
    map(chr, (*range(0x20, 0x7F), *range(0xA1, 0x100), 0x2013, 0x2014, 0x2018, 0x2019, 0x201C, 0x201D, 0x2026))
)


def needs_system_fonts(script: Script, options: PageOptions) -> bool:
    """Whether some letter is in no font of this package but in one of the machine.

    Raises LetterError for letters in none.
    """
    wanted: dict[str, Text] = {}
    for text in _texts(script, options):
        for char in clean(text.words):
            if char not in _PLAIN and not _invisible(char):
                wanted.setdefault(char, text)
    missing = [char for char in wanted if ord(char) not in shipped()] if wanted else []
    for char in missing:
        if ord(char) not in _installed():
            text = wanted[char]
            raise LetterError(
                f"{text.name}: no font has '{char}' (U+{ord(char):04X}) of '{_short(text.words)}': "
                "install one that has it (the Noto fonts cover most scripts) or change the text",
                text.where,
            )
    return bool(missing)


@dataclass(frozen=True)
class Text:
    """Words on a page: what a person calls them, and where they stand in the script."""

    name: str
    words: str
    where: tuple[str | int, ...]


def _texts(script: Script, options: PageOptions) -> Iterator[Text]:
    if options.title:
        yield Text("title", title_text(script, options)[0], ("title",))
    for number, panel in enumerate(script.panels):
        name, where = f"panel {number + 1}", ("panels", number)
        yield Text(f"{name}, caption", caption_text(panel, options)[0], (*where, "caption"))
        for index, line in enumerate(panel.dialogue):
            yield Text(f"{name}, balloon {index + 1}", line_text(line, options)[0], (*where, "dialogue", index))
        for index, (effect, _) in enumerate(effect_texts(panel, options)):
            yield Text(f"{name}, effect", effect, (*where, "effects", index))


def _invisible(char: str) -> bool:
    return unicodedata.category(char) in ("Cf", "Zs") or "\ufe00" <= char <= "\ufe0f"


@cache
def shipped() -> frozenset[int]:
    """Code points that the fonts of this package, or installed with it, have."""
    return frozenset(code for path in font_files() for code in _codes(path, 0))


@cache
def _installed() -> frozenset[int]:
    """Code points that the fonts of this machine have."""
    fonts = typst.Fonts(include_system_fonts=True, include_embedded_fonts=False).fonts()
    places = sorted({(font.path, font.index) for font in fonts if font.path})
    return frozenset(code for path, index in places for code in _codes(Path(path), index))


def _codes(path: Path, index: int) -> list[int]:
    try:
        with TTFont(path, lazy=True, fontNumber=index) as font:
            return list(font.getBestCmap() or {})
    except (TTLibError, OSError):
        return []  # a broken font of the machine covers nothing


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[:most] + "…"
