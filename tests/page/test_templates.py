"""A person's own Typst template over the shipped style."""

from __future__ import annotations

from pathlib import Path

import pypdf
import pytest
from PIL import Image

from inkcast.errors import PageError
from inkcast.page.export import write_comic
from inkcast.page.layout import PageOptions, arrange
from inkcast.page.panel import DrawnPanel
from inkcast.story.script import Panel, Script

_SCRIPT = Script(title="T", panels=(Panel(description="p", caption="A caption."),))


def _write(template: Path, out: Path) -> Path:
    options = PageOptions(size="a5", dpi=50, template=template)
    drawn = [DrawnPanel(Image.new("RGB", (64, 64), "#abc"))]
    return write_comic(_SCRIPT, drawn, arrange(_SCRIPT, options), out, options)[0]


def test_values_of_a_theme_replace_the_shipped_ones(tmp_path: Path) -> None:
    template = tmp_path / "mine.typ"
    template.write_text('#let theme = (paper: "#102030")')
    with Image.open(_write(template, tmp_path / "c.png")) as page:
        assert page.convert("RGB").getpixel((2, 2)) == (0x10, 0x20, 0x30)


def test_hooks_draw_on_every_page(tmp_path: Path) -> None:
    template = tmp_path / "mine.typ"
    template.write_text("#let foreground(page) = place(bottom + right)[Draft #page.number]")
    assert "Draft 1" in pypdf.PdfReader(_write(template, tmp_path / "c.pdf")).pages[0].extract_text()


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("#let a = 1\n#let b = (\n", 2),
        ("// fine\n\n#let c = 1 + true", 3),
        ("#let background(page) = {\n  page.nothing\n}", 2),
    ],
)
def test_a_template_that_does_not_compile_is_named_with_its_line(source: str, line: int, tmp_path: Path) -> None:
    template = tmp_path / "mine.typ"
    template.write_text(source)
    with pytest.raises(PageError) as caught:
        _write(template, tmp_path / "c.pdf")
    message = str(caught.value)
    assert message.startswith(f"template '{template}', line {line}: ")
    assert "\n" not in message
    assert not (tmp_path / "c.pdf").exists()


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PageError, match=r"none\.typ' cannot be read: No such file"):
        _write(tmp_path / "none.typ", tmp_path / "c.pdf")


def test_a_template_that_is_not_text_is_one_message(tmp_path: Path) -> None:
    template = tmp_path / "junk.typ"
    template.write_bytes(bytes(range(256)))
    with pytest.raises(PageError, match=r"junk\.typ'"):
        _write(template, tmp_path / "c.pdf")
