"""The shipped fonts as CSS, cut down to the letters a comic uses."""

from __future__ import annotations

import base64
import io

from fontTools import subset
from fontTools.ttLib import TTFont

from inkcast.page.setting import SetComic, SetText
from inkcast.page.typeset import font_files

_FIRST = (
    "ComicNeue-Bold.otf",
    "ComicNeue-BoldItalic.otf",
    "Bangers-Regular.ttf",
)  # the others stand in where these lack a letter


def font_faces(comic: SetComic) -> str:
    """One @font-face with the font inside for each shipped font that letters something of the comic (WOFF, base64)."""
    texts = [item for page in comic.pages for item in page.items if isinstance(item, SetText)]
    codes = {ord(char) for item in texts for line in item.lines for char in line}
    rules: list[str] = []
    left = set(codes)
    for path in sorted(font_files(), key=lambda path: path.name not in _FIRST):
        with TTFont(path, lazy=True, recalcTimestamp=False) as font:
            have = set(font.getBestCmap())
            wanted = codes & have if path.name in _FIRST else left & have
            if wanted:
                rules.append(_face(font, wanted))
                left -= have
    return "".join(rules)


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
