"""A comic as one HTML file that needs nothing else: pages to turn, and a guided view from panel to panel."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from inkcast.page.patterns import Box
from inkcast.page.setting import SetComic


@dataclass(frozen=True)
class ReaderPage:
    """A page as WebP, PNG or JPEG, its words, and its panels as fractions of the page in reading order."""

    image: bytes
    media_type: str
    width: int
    height: int
    transcript: str
    panels: tuple[Box, ...]


def reader(comic: SetComic, pages: Sequence[ReaderPage]) -> str:
    """The whole file. Without scripts the pages stand one below the other."""
    figures = "\n".join(
        f'<figure id="page-{number}"><img width="{page.width}" height="{page.height}" alt="{escape(page.transcript)}" '
        f'src="data:{page.media_type};base64,{base64.b64encode(page.image).decode()}"></figure>'
        for number, page in enumerate(pages, start=1)
    )
    panels = json.dumps([[[round(value, 4) for value in box] for box in page.panels] for page in pages])
    title = escape(comic.title or "Untitled")
    direction = "rtl" if comic.right_to_left else "ltr"
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(comic.language)}">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n"
        f'<body data-direction="{direction}">\n<main aria-label="{title}">\n{figures}\n</main>\n'
        f'<nav aria-label="pages"><button id="back">‹</button><output id="where"></output><button id="on">›</button>'
        f'<button id="guide" aria-pressed="false">▣</button></nav>\n'
        f"<script>const panels = {panels};\n{_SCRIPT}</script>\n</body>\n</html>\n"
    )


_STYLE = """
:root { color-scheme: dark; background: #1d1f24; color: #ddd; font: 16px/1.4 system-ui, sans-serif }
body { margin: 0 } figure { margin: 0 auto 1rem; max-width: 1100px } img { display: block; width: 100%; height: auto }
nav { display: none }
.paged { overflow: hidden; height: 100vh; height: 100dvh }
.paged main { position: absolute; inset: 0 0 3rem 0; overflow: hidden }
.paged figure { display: none; position: absolute; inset: 0; max-width: none; margin: 0; transform-origin: 0 0;
  transition: transform .35s ease }
.paged figure.shown { display: block }
.paged img { position: absolute; inset: 0; margin: auto; width: auto; height: auto; max-width: 100%; max-height: 100% }
.paged nav { position: fixed; inset: auto 0 0 0; height: 3rem; display: flex; gap: 1rem; justify-content: center;
  align-items: center; background: #1d1f24; z-index: 1 }
.paged[data-direction=rtl] nav { flex-direction: row-reverse }
[data-direction=rtl] #back, [data-direction=rtl] #on { transform: scaleX(-1) }
button { font: inherit; min-width: 3rem; padding: .3rem .8rem; color: inherit; background: #333844;
  border: 0; border-radius: .4rem }
button[aria-pressed=true] { background: #c98a1b; color: #000 } output { min-width: 6rem; text-align: center }
@media (prefers-reduced-motion: reduce) { .paged figure { transition: none } }
"""

_SCRIPT = """
const body = document.body, figures = [...document.querySelectorAll("figure")], rtl = body.dataset.direction === "rtl";
const $ = id => document.getElementById(id);
let page = Math.min(Math.max((parseInt(location.hash.slice(6)) || 1) - 1, 0), figures.length - 1);
let panel = 0, guided = false;
body.classList.add("paged");
function show() {
  figures.forEach((figure, index) => {
    figure.classList.toggle("shown", index === page);
    figure.style.transform = "";
  });
  $("where").value = guided ? `${page + 1}.${panel + 1} / ${figures.length}` : `${page + 1} / ${figures.length}`;
  history.replaceState(null, "", `#page-${page + 1}`);
  if (!guided || !panels[page].length) return;
  const stage = figures[page].getBoundingClientRect();
  const box = figures[page].querySelector("img").getBoundingClientRect();
  const [x0, y0, x1, y1] = panels[page][panel];
  const scale = Math.min(stage.width / (box.width * (x1 - x0)), stage.height / (box.height * (y1 - y0)), 6) * 0.96;
  const x = stage.width / 2 - (box.left - stage.left + box.width * (x0 + x1) / 2) * scale;
  const y = stage.height / 2 - (box.top - stage.top + box.height * (y0 + y1) / 2) * scale;
  figures[page].style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
}
function step(by) {
  if (guided && panels[page][panel + by]) panel += by;
  else if (figures[page + by]) { page += by; panel = by < 0 ? Math.max(panels[page].length - 1, 0) : 0; }
  show();
}
$("back").onclick = () => step(-1);
$("on").onclick = () => step(1);
$("guide").onclick = () => { guided = !guided; panel = 0; $("guide").setAttribute("aria-pressed", guided); show(); };
document.querySelector("main").onclick = event => step((event.clientX > innerWidth / 2) === rtl ? -1 : 1);
addEventListener("keydown", event => {
  if (event.key === "ArrowRight") step(rtl ? -1 : 1);
  else if (event.key === "ArrowLeft") step(rtl ? 1 : -1);
  else if (event.key === " " || event.key === "PageDown") { event.preventDefault(); step(1); }
  else if (event.key === "PageUp") step(-1);
  else if (event.key === "g") $("guide").click();
});
addEventListener("resize", show);
show();
"""
