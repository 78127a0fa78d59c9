"""Pages as SVG whose lettering stays text: open them in a vector editor and change the words."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from inkcast.page.patterns import Box
from inkcast.page.setting import Path, SetOutline, SetPage, SetPicture, SetText
from inkcast.page.typography import LEADING, POINT

_CHAIN = ("Comic Neue", "Comic Relief", "Baloo Bhaijaan 2", "Fredoka", "Noto Sans CJK JP", "Noto Emoji", "sans-serif")
_LETTERS = {"move": "M", "line": "L", "cubic": "C", "close": "Z"}
_BASELINE = 0.8  # em from the top of a line


def svg(page: SetPage, pictures: Sequence[bytes], theme: Mapping[str, Any], title: str, faces: str = "") -> str:
    """One page in millimetres. `pictures` are its picture files in order; `faces` is CSS that brings fonts along."""
    x, width, height = -page.bleed, page.width + 2 * page.bleed, page.height + 2 * page.bleed
    files = iter(pictures)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}mm" height="{_n(height)}mm" '
        f'viewBox="{_n(x)} {_n(x)} {_n(width)} {_n(height)}">',
        f"<title>{_xml(title)}</title>",
        f"<style>{faces}text {{ white-space: pre; font-synthesis: none }}</style>",
        _rect((x, x, x + width, x + height), f'fill="{theme["paper"]}"'),
    ]
    for number, item in enumerate(page.items):
        if isinstance(item, SetPicture):
            parts += _picture(item, next(files), theme)
        elif isinstance(item, SetOutline):
            parts.append(_outline(item, theme))
        else:
            parts.append(_text(item, theme, number))
    return "\n".join([*parts, "</svg>", ""])


def _picture(item: SetPicture, data: bytes, theme: Mapping[str, Any]) -> list[str]:
    kind = "jpeg" if data[:2] == b"\xff\xd8" else "png"
    x0, y0, x1, y1 = item.box
    source = base64.b64encode(data).decode()
    border = f'fill="none" stroke="{theme["ink"]}" stroke-width="{_n(theme["border"] * POINT)}"'
    backdrop = [_rect(item.frame, f'fill="{item.backdrop}"')] if item.frame and item.backdrop else []
    return [
        *backdrop,
        f'<image x="{_n(x0)}" y="{_n(y0)}" width="{_n(x1 - x0)}" height="{_n(y1 - y0)}" preserveAspectRatio="none" '
        f'href="data:image/{kind};base64,{source}"><title>{_xml(item.alt)}</title></image>',
        *([_rect(item.frame, border)] if item.frame else []),
    ]


def _outline(item: SetOutline, theme: Mapping[str, Any]) -> str:
    drawn = [f'<path d="{_d(path)}"/>' for path in item.paths]
    dash = f' stroke-dasharray="{_n(2.2 * POINT)} {_n(3.4 * POINT)}"' if item.role == "whisper" else ""
    line = f'fill="none" stroke="{theme["ink"]}" stroke-width="{_n(2 * theme["line"] * POINT)}"{dash}'
    fill = f'fill="{theme["fills"][item.role]}"'
    return (
        f'<g class="{item.role}"><g {line} stroke-linejoin="round" stroke-linecap="round">{"".join(drawn)}</g>'
        f"<g {fill}>{''.join(drawn)}</g></g>"
    )


def _text(item: SetText, theme: Mapping[str, Any], number: int) -> str:
    look = theme["roles"][item.role]
    em = item.size * POINT
    x0, y0, x1, y1 = item.box
    middle = item.align == "center"
    anchor = "middle" if middle else "start"
    x = (x0 + x1) / 2 if middle else (x1 if item.right_to_left else x0)
    families = ", ".join(name if name == "sans-serif" else f"'{name}'" for name in (*look.get("font", ()), *_CHAIN))
    spans = "".join(
        f'<tspan x="{_n(x)}" y="{_n(y0 + em * (_BASELINE + index * (1 + LEADING)))}">{_xml(line)}</tspan>'
        for index, line in enumerate(item.lines)
    )
    about = [
        f'id="t{number}" class="{item.role}" xml:lang="{_xml(item.language)}"',
        f'font-size="{_n(em)}" text-anchor="{anchor}"',
        f'font-family="{families}" font-weight="{look.get("weight", 700)}" fill="{look.get("fill", theme["ink"])}"',
        f'font-style="{look.get("style", "normal")}"',
    ]
    if item.right_to_left:
        about.append('direction="rtl"')
    if "tracking" in look:
        about.append(f'letter-spacing="{_n(look["tracking"] * em)}"')
    if "outline" in look:
        thickness = _n(2 * look["thickness"] * em)
        about.append(
            f'stroke="{look["outline"]}" stroke-width="{thickness}" stroke-linejoin="round" paint-order="stroke"'
        )
    if item.turn:
        about.append(f'transform="rotate({_n(item.turn)} {_n((x0 + x1) / 2)} {_n((y0 + y1) / 2)})"')
    return f"<text {' '.join(about)}>{spans}</text>"


def _d(path: Path) -> str:
    return " ".join(_LETTERS[name] + " ".join(f"{_n(x)},{_n(y)}" for x, y in points) for name, points in path)


def _rect(box: Box, look: str) -> str:
    x0, y0, x1, y1 = box
    return f'<rect x="{_n(x0)}" y="{_n(y0)}" width="{_n(x1 - x0)}" height="{_n(y1 - y0)}" {look}/>'


def _n(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if value else "0"


def _xml(text: str) -> str:
    return escape("".join(char for char in text if char >= " "), quote=True)
