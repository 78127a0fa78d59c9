"""Typst at work: words measured, comics compiled. The only module that knows Typst."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import typst

from inkcast.errors import OutputError, PageError
from inkcast.page.setting import SetComic, SetOutline, SetPicture, SetText

FONTS = Path(str(resources.files("inkcast.page") / "fonts"))
CJK_FONTS = Path(str(resources.files("noto_cjk_sans_jp_bold")))
_TEMPLATES = Path(str(resources.files("inkcast.page") / "templates"))
_PLACE = re.compile(r"┌─ ([^\s:]+):(\d+):(\d+)")

Word = tuple[str, str, str]  # role, language, text


@cache
def _fonts(system: bool) -> typst.Fonts:
    return typst.Fonts(include_system_fonts=system, include_embedded_fonts=False, font_paths=[FONTS, CJK_FONTS])


def font_files() -> list[Path]:
    """The fonts of this package and the ones installed with it, by name."""
    return sorted((path for folder in (FONTS, CJK_FONTS) for path in folder.glob("*.[ot]tf")), key=lambda p: p.name)


class Typesetter:
    """Compiles with the shipped style, or with a user's template over it.

    `system_fonts` admits this machine's fonts too.
    """

    def __init__(self, template: Path | None = None, system_fonts: bool = False) -> None:
        self._template = template
        self._fonts = _fonts(system_fonts)
        self._widths: dict[Word, float] = {}
        self._theme: dict[str, Any] | None = None

    @property
    def theme(self) -> Mapping[str, Any]:
        """The style in force: the shipped one with the user's values over it."""
        if self._theme is None:
            self.widths(())
        assert self._theme is not None
        return self._theme

    def width(self, word: Word) -> float:
        """The width of one word in em of its role."""
        known = self._widths.get(word)
        return self.widths((word,))[word] if known is None else known

    def widths(self, words: Iterable[Word]) -> Mapping[Word, float]:
        """The width of each word in em of its role, as Typst shapes it.

        Words measured before are not measured again.
        """
        fresh = [word for word in dict.fromkeys(words) if word not in self._widths]
        if fresh or self._theme is None:
            with self._project({"words.json": fresh}) as root, self._explained():
                compiler = typst.Compiler(root / "measure.typ", root=root, font_paths=self._fonts)
                compiler.compile(format="pdf")  # a failing query would not say where
                measured = json.loads(compiler.query("<widths>", field="value", one=True))
                self._theme = json.loads(compiler.query("<theme>", field="value", one=True))
            self._widths.update(zip(fresh, measured, strict=True))
        return self._widths

    def compile(
        self, comic: SetComic, pictures: Sequence[bytes], form: Literal["pdf", "png"], dpi: float = 150
    ) -> list[bytes]:
        """One PDF, or one PNG a page.

        `pictures` are PNG or JPEG files, one for each SetPicture in order of appearance.
        """
        plain, suffix = _plain(comic), [".jpg" if data[:2] == b"\xff\xd8" else ".png" for data in pictures]
        count = 0
        for page in plain["pages"]:
            for item in page["items"]:
                if item["kind"] == "picture":
                    item["file"] = f"picture-{count}{suffix[count]}"
                    count += 1
        with self._project({"comic.json": plain}) as root, self._explained():
            for index, data in enumerate(pictures):
                (root / f"picture-{index}{suffix[index]}").write_bytes(data)
            compiler = typst.Compiler(root / "comic.typ", root=root, font_paths=self._fonts)
            made = compiler.compile(format=form, ppi=dpi, timestamp=0)
        return made if isinstance(made, list) else [made or b""]

    @contextmanager
    def _project(self, data: Mapping[str, Any]) -> Iterator[Path]:
        """A folder with the templates and the data as JSON, gone afterwards."""
        template = _read(self._template) if self._template is not None else None
        try:
            with tempfile.TemporaryDirectory(prefix="inkcast-") as folder:
                root = Path(folder).resolve()
                for shipped in _TEMPLATES.glob("*.typ"):
                    (root / shipped.name).write_bytes(shipped.read_bytes())
                if template is not None:
                    (root / "user.typ").write_bytes(template)
                for name, value in data.items():
                    (root / name).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
                yield root
        except OSError as error:
            where, why = tempfile.gettempdir(), error.strerror or error
            raise OutputError(f"pages cannot be set in '{where}': {why}; make room there or set TMPDIR") from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except typst.TypstError as error:
            raise PageError(self._explain(error)) from error

    def _explain(self, error: typst.TypstError) -> str:
        places = _PLACE.findall(error.diagnostic)
        line = next((line for file, line, _ in places if file.endswith("user.typ")), None)
        cause = " ".join(error.message.split())
        if self._template is None:
            return f"the page could not be set: {cause}"
        where = f", line {line}" if line else ""
        return f"template '{self._template}'{where}: {cause}; mend the template or leave it out"


def _read(template: Path) -> bytes:
    try:
        return template.read_bytes()
    except OSError as error:
        raise PageError(f"template '{template}' cannot be read: {error.strerror or error}") from error


def _plain(comic: SetComic) -> dict[str, Any]:
    pages = [
        {
            "number": number,
            "width": page.width,
            "height": page.height,
            "bleed": page.bleed,
            "marks": page.marks,
            "items": [_plain_item(item) for item in page.items],
        }
        for number, page in enumerate(comic.pages, start=1)
    ]
    return {"title": comic.title, "author": comic.author, "language": comic.language, "pages": pages}


def _plain_item(item: SetPicture | SetOutline | SetText) -> dict[str, Any]:
    if isinstance(item, SetPicture):
        return {"kind": "picture", "box": item.box, "alt": item.alt, "frame": item.frame, "backdrop": item.backdrop}
    if isinstance(item, SetOutline):
        return {"kind": "outline", "paths": item.paths, "role": item.role, "clip": item.clip}
    return {
        "kind": "text",
        "lines": item.lines,
        "role": item.role,
        "box": item.box,
        "size": item.size,
        "language": item.language,
        "rtl": item.right_to_left,
        "align": item.align,
        "turn": item.turn,
    }
