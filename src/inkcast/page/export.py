"""A finished comic in the formats readers use."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from PIL import Image

from inkcast.errors import OutputError
from inkcast.filesets import numbered, write_together
from inkcast.page.archives import PageImage, cbz, epub
from inkcast.page.composing import compose
from inkcast.page.layout import PageLayout, PageOptions
from inkcast.page.panel import DrawnPanel
from inkcast.page.pictures import encoded, prepare
from inkcast.page.reader import ReaderPage, reader
from inkcast.page.setting import SetComic, SetPicture
from inkcast.page.svg import svg
from inkcast.page.transcript import transcript
from inkcast.page.typeface import needs_system_fonts
from inkcast.page.typeset import Typesetter
from inkcast.page.webfonts import font_faces
from inkcast.story.script import Script


@dataclass(frozen=True)
class Comic:
    """A lettered comic that can become any format; what several formats need is made once."""

    script: Script
    panels: Sequence[DrawnPanel]
    pages: Sequence[PageLayout]
    options: PageOptions

    @cached_property
    def _typesetter(self) -> Typesetter:
        return Typesetter(self.options.template, needs_system_fonts(self.script, self.options))

    @cached_property
    def set(self) -> SetComic:
        return compose(self.script, self.panels, self.pages, self.options, self._typesetter)

    @cached_property
    def pictures(self) -> list[bytes]:
        """The picture files of the comic, in order of appearance."""
        items = [item for page in self.set.pages for item in page.items if isinstance(item, SetPicture)]
        with ThreadPoolExecutor(2) as pool:
            return list(
                pool.map(lambda item: encoded(prepare(self.panels[item.source].picture, item, self.options.dpi)), items)
            )

    def pdf(self) -> bytes:
        """Text as text, a bookmark for every page and panel, title, author and language."""
        return self._typesetter.compile(self.set, self.pictures, "pdf")[0]

    @cached_property
    def pngs(self) -> list[bytes]:
        """The pages, each as a PNG at the options' resolution."""
        return self._typesetter.compile(self.set, self.pictures, "png", self.options.dpi)

    def webps(self) -> list[bytes]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(_webp, self.pngs))

    def svgs(self) -> list[bytes]:
        """The pages as SVG; their lettering is text that can be edited."""
        faces, theme = font_faces(self.set), self._typesetter.theme
        made, start = [], 0
        for number, page in enumerate(self.set.pages, start=1):
            count = sum(isinstance(item, SetPicture) for item in page.items)
            title = f"{self.set.title or 'Untitled'} – {number}"
            made.append(svg(page, self.pictures[start : start + count], theme, title, faces).encode())
            start += count
        return made

    def cbz(self) -> bytes:
        return cbz(self.set, self._images())

    def epub(self) -> bytes:
        return epub(self.set, self._images())

    def html(self) -> bytes:
        """One self-contained file to read in a browser."""
        pages = []
        for page, image, data in zip(self.pages, self._images(), self.webps(), strict=True):
            panels = tuple(
                (
                    max(frame.box[0] / page.width, 0.0),
                    max(frame.box[1] / page.height, 0.0),
                    min(frame.box[2] / page.width, 1.0),
                    min((frame.caption or frame.box)[3] / page.height, 1.0),
                )
                for frame in page.frames
            )
            pages.append(ReaderPage(data, "image/webp", image.width, image.height, image.transcript, panels))
        return reader(self.set, pages).encode()

    def _images(self) -> list[PageImage]:
        found = []
        for page, data in zip(self.pages, self.pngs, strict=True):
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
            found.append(PageImage(data, width, height, transcript(self.script, page, self.options)))
        return found


_ONE_FILE: Mapping[str, Callable[[Comic], bytes]] = {
    ".pdf": Comic.pdf,
    ".cbz": Comic.cbz,
    ".epub": Comic.epub,
    ".html": Comic.html,
}
_FILE_A_PAGE: Mapping[str, Callable[[Comic], list[bytes]]] = {
    ".png": lambda comic: comic.pngs,
    ".webp": Comic.webps,
    ".svg": Comic.svgs,
}
FORMATS = (*_ONE_FILE, *_FILE_A_PAGE)


def write_comic(
    script: Script, panels: Sequence[DrawnPanel], pages: Sequence[PageLayout], out: Path, options: PageOptions
) -> tuple[Path, ...]:
    """Letters a comic and writes it; returns the files written.

    A folder (no suffix) gets comic.pdf and page-01.png…; a file gets the format of its suffix (`FORMATS`). Formats with
    one file a page write NAME.png for a single page and NAME-01.png… for several. Pages of an earlier comic there go.
    """
    comic = Comic(script, panels, pages, options)
    suffix = out.suffix.lower()
    if suffix in _ONE_FILE:
        return write_together(out, [(out, _ONE_FILE[suffix](comic))])
    if suffix in _FILE_A_PAGE:
        made = _FILE_A_PAGE[suffix](comic)
        names = (
            [out]
            if len(made) == 1
            else [out.with_stem(f"{out.stem}-{number:02d}") for number in range(1, len(made) + 1)]
        )
        return write_together(out, zip(names, made, strict=True), [out, *numbered(out)])
    if suffix:
        raise OutputError(f"'{out.name}' has no known format: end it in {', '.join(FORMATS)}, or name a folder")
    assert comic.pictures is not None  # made before the threads start
    with ThreadPoolExecutor(2) as pool:
        pdf, pngs = pool.submit(comic.pdf), pool.submit(lambda: comic.pngs)
        files = [(out / "comic.pdf", pdf.result())]
        files += [(out / f"page-{number:02d}.png", data) for number, data in enumerate(pngs.result(), start=1)]
    return write_together(out / "page.png", files, numbered(out / "page.png"))


def rehearse(script: Script, pages: Sequence[PageLayout], options: PageOptions) -> None:
    """Sets the pages over empty pictures if a person's template is used, so that one that will not do is told before
    anything is drawn; raises PageError."""
    if options.template is None:
        return
    frames = sorted((frame for page in pages for frame in page.frames), key=lambda frame: frame.panel)
    sizes = [(64, max(1, round(64 / frame.aspect))) for frame in frames]
    empty = [DrawnPanel(Image.new("RGB", size, "white")) for size in sizes]
    Comic(script, empty, pages, replace(options, dpi=36)).pdf()


def write_panels(panels: Sequence[DrawnPanel], out: Path, form: str = "png") -> tuple[Path, ...]:
    """The panels as they were drawn, without lettering: panel-01.png… (or .webp, lossless) in the folder `out`."""
    files = []
    for number, panel in enumerate(panels, start=1):
        buffer = io.BytesIO()
        panel.picture.save(buffer, form.upper(), **({"lossless": True} if form == "webp" else {}))
        files.append((out / f"panel-{number:02d}.{form}", buffer.getvalue()))
    return write_together(out / f"panel.{form}", files, numbered(out / f"panel.{form}"))


def _webp(png: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(buffer, "WEBP", quality=90, method=2)
    return buffer.getvalue()
