"""Which letters can be printed: with the fonts this package brings, or with those of the machine."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

import typst
from fontTools.ttLib import TTFont, TTLibError

from inkcast.errors import PageError
from inkcast.page.breaking import clean
from inkcast.page.options import PageOptions
from inkcast.page.translation import caption_text, effect_texts, line_text, title_text
from inkcast.page.typeset import FONTS
from inkcast.story.script import Script

_PLAIN = frozenset(
    map(chr, (*range(0x20, 0x7F), *range(0xA1, 0x100), 0x2013, 0x2014, 0x2018, 0x2019, 0x201C, 0x201D, 0x2026))
)


def needs_system_fonts(script: Script, options: PageOptions) -> bool:
    """Whether some letter is in no font of this package but in one of the machine.

    Raises PageError for letters in none.
    """
    wanted: dict[str, tuple[str, str]] = {}
    for where, text in _texts(script, options):
        for char in clean(text):
            if char not in _PLAIN and not _invisible(char):
                wanted.setdefault(char, (where, text))
    missing = [char for char in wanted if ord(char) not in shipped()] if wanted else []
    for char in missing:
        if ord(char) not in _installed():
            where, text = wanted[char]
            raise PageError(
                f"{where}: no font has '{char}' (U+{ord(char):04X}) of '{_short(text)}': "
                "install one that has it (the Noto fonts cover most scripts) or change the text"
            )
    return bool(missing)


def _texts(script: Script, options: PageOptions) -> list[tuple[str, str]]:
    found = [("title", title_text(script, options)[0])] if options.title else []
    for number, panel in enumerate(script.panels, start=1):
        found.append((f"panel {number}, caption", caption_text(panel, options)[0]))
        for index, line in enumerate(panel.dialogue, start=1):
            found.append((f"panel {number}, line {index}", line_text(line, options)[0]))
        found += [(f"panel {number}, effect", text) for text, _ in effect_texts(panel, options)]
    return found


def _invisible(char: str) -> bool:
    return unicodedata.category(char) in ("Cf", "Zs") or "\ufe00" <= char <= "\ufe0f"


@cache
def shipped() -> frozenset[int]:
    """Code points that the fonts of this package have."""
    return frozenset(code for path in sorted(FONTS.glob("*.[ot]tf")) for code in _codes(path, 0))


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
