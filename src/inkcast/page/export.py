"""A finished comic in the formats readers use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inkcast.errors import OutputError
from inkcast.page.composing import compose
from inkcast.page.files import write_whole
from inkcast.page.layout import PageLayout, PageOptions
from inkcast.page.panel import DrawnPanel
from inkcast.page.pictures import encoded, prepare
from inkcast.page.setting import SetComic, SetPicture
from inkcast.page.typeset import Typesetter
from inkcast.story.script import Script


def write_comic(
    script: Script, panels: Sequence[DrawnPanel], pages: Sequence[PageLayout], out: Path, options: PageOptions
) -> tuple[Path, ...]:
    """Letters a comic and writes it; returns the files written.

    A folder (no suffix) gets comic.pdf and page-01.png…; a file gets the format of its suffix.
    """
    typesetter = Typesetter(options.template)
    comic = compose(script, panels, pages, options, typesetter)
    pictures = page_pictures(comic, panels, options)
    if out.suffix == "":
        written = [out / "comic.pdf"]
        write_whole(written[0], typesetter.compile(comic, pictures, "pdf")[0])
        for number, data in enumerate(typesetter.compile(comic, pictures, "png", options.dpi), start=1):
            written.append(out / f"page-{number:02d}.png")
            write_whole(written[-1], data)
        return tuple(written)
    if out.suffix.lower() == ".pdf":
        write_whole(out, typesetter.compile(comic, pictures, "pdf")[0])
        return (out,)
    raise OutputError(f"'{out.name}' has an unknown suffix")


def page_pictures(comic: SetComic, panels: Sequence[DrawnPanel], options: PageOptions) -> list[bytes]:
    """The picture files of a comic in order of appearance."""
    items = [item for page in comic.pages for item in page.items if isinstance(item, SetPicture)]
    return [encoded(prepare(panels[item.source].picture, item, options.dpi)) for item in items]
