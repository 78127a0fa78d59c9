"""The shipped fonts as CSS, cut down to the letters a comic uses."""

from __future__ import annotations

import base64
import io

from fontTools import subset
from fontTools.ttLib import TTFont

from inkcast.page.setting import SetComic, SetText
from inkcast.page.typeset import FONTS


def font_faces(comic: SetComic) -> str:
    """One @font-face with the font inside for each shipped font that has a letter of the comic (WOFF, base64)."""
    texts = [item for page in comic.pages for item in page.items if isinstance(item, SetText)]
    codes = {ord(char) for item in texts for line in item.lines for char in line}
    rules, seen = [], set()
    for path in sorted(FONTS.glob("*.[ot]tf"), key=lambda path: path.stat().st_size):
        with TTFont(path, lazy=True, recalcTimestamp=False) as font:
            have = set(font.getBestCmap())
            wanted = codes & have
            if wanted - (set() if _latin(font) else seen):
                rules.append(_face(font, wanted))
                seen |= wanted
    return "".join(rules)


def _latin(font: TTFont) -> bool:
    """Whether the font letters Latin text in a way of its own (upright, slanted, for effects) and is needed beside others."""
    return ord("n") in font.getBestCmap() and "Relief" not in str(font["name"].getDebugName(1))


def _face(font: TTFont, codes: set[int]) -> str:
    options = subset.Options(flavor="woff", hinting=False, notdef_outline=True, layout_features=["*"])
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=codes)
    cutter.subset(font)
    font.flavor = "woff"
    buffer = io.BytesIO()
    font.save(buffer, reorderTables=False)
    family = str(font["name"].getDebugName(1)).removesuffix(" SemiBold")
    slant = "italic" if "Italic" in str(font["name"].getDebugName(2)) else "normal"
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f"@font-face {{ font-family: '{family}'; font-weight: {font['OS/2'].usWeightClass}; font-style: {slant}; "
        f"src: url(data:font/woff;base64,{data}) format('woff') }}\n"
    )
