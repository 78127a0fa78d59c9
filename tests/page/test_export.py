"""Finished files: what is in them, that they are the same every time, and that nothing half-written is left."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pypdf
import pytest
from PIL import Image

from inkcast.errors import OutputError, PageError
from inkcast.page.export import FORMATS, write_comic, write_panels
from inkcast.page.layout import PageOptions, arrange
from inkcast.page.panel import DrawnPanel, Figure
from inkcast.story.script import Line, Panel, Script

_OPTIONS = PageOptions(size="a5", dpi=72, author="A. Writer")
_SVG = "{http://www.w3.org/2000/svg}"


def _panel(text: str, **more: object) -> Panel:
    line = Line(speaker="Ann", text=text, translations={"de": "Guten Abend, Herr Müller!"})
    return Panel(description="Ann stands <here> & waits", dialogue=(line,), **more)  # type: ignore[arg-type]


@pytest.fixture
def script() -> Script:
    return Script(
        title="Fish & *Chips*", panels=(_panel("Hello there, #emph[world]!"), _panel("Bye.", effects=("BANG!",)))
    )


def _drawn(script: Script, colour: str = "#7aa") -> list[DrawnPanel]:
    figure = Figure("Ann", (90, 60, 160, 200), (100, 80, 150, 130))
    return [DrawnPanel(Image.new("RGB", (256, 200), colour), (figure,)) for _ in script.panels]


def _write(script: Script, out: Path, options: PageOptions = _OPTIONS) -> tuple[Path, ...]:
    return write_comic(script, _drawn(script), arrange(script, options), out, options)


def _pdf_text(path: Path) -> str:
    return " ".join("".join(page.extract_text() for page in pypdf.PdfReader(path).pages).split())


def test_the_title_and_the_effects_are_lettered_in_the_language_asked_for(tmp_path: Path) -> None:
    panel = Panel(description="p", effects=("CRASH",), effect_translations={"de": ("KRACH",)})
    script = Script(title="The Storm", translations={"de": "Der Sturm"}, panels=(panel,))
    words = {}
    for language in ("", "de-AT", "fr"):
        options = PageOptions(language=language, dpi=50)
        drawn = [DrawnPanel(Image.new("RGB", (64, 64), "#abc"))]
        (pdf,) = write_comic(script, drawn, arrange(script, options), tmp_path / f"{language or 'own'}.pdf", options)
        reader = pypdf.PdfReader(pdf)
        words[language] = reader.pages[0].extract_text() + str(reader.metadata and reader.metadata.title)
    assert words["de-AT"].count("Der Sturm") == words[""].count("The Storm") == 2
    assert "KRACH" in words["de-AT"]
    assert "CRASH" not in words["de-AT"]
    assert "CRASH" in words[""]
    assert words["fr"] == words[""]


def test_a_folder_gets_a_pdf_and_its_pages(script: Script, tmp_path: Path) -> None:
    written = _write(script, tmp_path / "out")
    assert [path.name for path in written] == ["comic.pdf", "page-01.png"]
    assert sorted(os.listdir(tmp_path / "out")) == ["comic.pdf", "page-01.png"]
    with Image.open(written[1]) as page:
        assert page.size == (round(148 / 25.4 * 72), round(210 / 25.4 * 72))


def test_markup_in_dialogue_and_title_prints_as_text(script: Script, tmp_path: Path) -> None:
    text = _pdf_text(_write(script, tmp_path / "c.pdf")[0])
    assert "#emph[world]!" in text
    assert "Fish & *Chips*" in text


@pytest.mark.parametrize(
    "text", ["$x$ @ref <label> `raw` \\", "/* no */ // no", '"#let x = 1"', "= Head", "- item", "__ ** ~ -- '"]
)
def test_no_markup_breaks_a_page(text: str, tmp_path: Path) -> None:
    script = Script(panels=(Panel(description=text, caption=text, dialogue=(Line(text=text),), effects=(text,)),))
    printed = _pdf_text(_write(script, tmp_path / "c.pdf")[0])
    assert printed.replace(" ", "").count(text.replace(" ", "")) >= 2


def test_texts_of_control_characters_alone_are_no_texts(tmp_path: Path) -> None:
    nothing = "\x07\x00"
    panel = Panel(description="p", caption="Hush", translations={"de": nothing})
    for script, language in (
        (Script(title=nothing, panels=(Panel(description="p", caption=nothing),)), ""),
        (Script(title="Storm", translations={"de": nothing}, panels=(panel,)), "de"),
    ):
        options = PageOptions(layout="storybook" if language else "auto", language=language, dpi=50)
        drawn = [DrawnPanel(Image.new("RGB", (64, 64)))]
        (pdf,) = write_comic(script, drawn, arrange(script, options), tmp_path / f"{language or 'own'}.pdf", options)
        assert ("Hush" in _pdf_text(pdf)) == ("Storm" in _pdf_text(pdf).title()) == bool(language)


def test_the_pdf_has_bookmarks_and_metadata(script: Script, tmp_path: Path) -> None:
    pdf = pypdf.PdfReader(_write(script, tmp_path / "c.pdf")[0])
    assert pdf.metadata is not None
    assert (pdf.metadata.title, pdf.metadata.author) == ("Fish & *Chips*", "A. Writer")
    assert [str(entry["/Title"]) for entry in pdf.outline if not isinstance(entry, list)] == ["Page 1"]
    inner = next(entry for entry in pdf.outline if isinstance(entry, list))
    assert [str(entry["/Title"]) for entry in inner] == [f"{i}. Ann stands <here> & waits" for i in (1, 2)]
    assert str(pdf.trailer["/Root"]["/Lang"]).startswith("en")


def test_bleed_reaches_around_the_trimmed_page(script: Script, tmp_path: Path) -> None:
    options = PageOptions(layout="splash", size="a5", bleed=3.0, dpi=72)
    page = pypdf.PdfReader(_write(script, tmp_path / "c.pdf", options)[0]).pages[0]
    points = 72 / 25.4
    assert float(page.mediabox.width) == pytest.approx(154 * points, abs=0.1)
    assert float(page.trimbox.width) == pytest.approx(148 * points, abs=0.1)


def test_a_translation_is_lettered_without_drawing(script: Script, tmp_path: Path) -> None:
    options = PageOptions(size="a5", dpi=72, language="de-AT")
    text = _pdf_text(_write(script, tmp_path / "c.pdf", options)[0])
    assert "Müller!" in text
    assert "Hello" not in text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "もう、おそいよ！"),
        ("zh", "我们走吧。"),
        ("ko", "이제 가자."),
        ("ja", "𠮷野家の髙橋さんと鷗。"),  # rare characters of names
        ("zh", "龘靐齉爨。"),
        ("ko", "똠방각하 쀍."),
        ("ru", "Где ты была?"),
        ("ar", "أين كنت؟"),
        ("he", "איפה היית?"),
        ("el", "Πού ήσουν;"),
        ("vi", "Chúng ta đi thôi, kẻo muộn."),
        ("tr", "Yağmur dindi, İrem."),
        ("en", "★ ♪ 🙂"),
    ],
)
def test_many_scripts_are_printed_with_the_shipped_fonts(language: str, text: str, tmp_path: Path) -> None:
    line = Line(speaker="Ann", text="x", translations={language: text})
    script = Script(panels=(Panel(description="p", dialogue=(line,)),))
    path = _write(script, tmp_path / "c.pdf", PageOptions(size="a5", language=language))[0]
    letters = {char for char in text if not char.isspace()}
    assert letters <= set(_pdf_text(path)) | set("\u0621أ")


@pytest.mark.parametrize("letter", ["\U00012000", "\U0010abcd"])
def test_a_letter_no_font_has_is_named_with_its_place(letter: str, tmp_path: Path) -> None:
    script = Script(panels=(Panel(description="p"), Panel(description="p", dialogue=(Line(text=f"a {letter} b"),))))
    message = f"panel 2, balloon 1: no font has '{letter}' \\(U\\+{ord(letter):X}\\) of 'a {letter} b'"
    with pytest.raises(PageError, match=message):
        _write(script, tmp_path / "c.pdf")


@pytest.mark.parametrize("suffix", FORMATS)
def test_same_input_same_bytes(script: Script, suffix: str, tmp_path: Path) -> None:
    one = [path.read_bytes() for path in _write(script, tmp_path / f"one{suffix}")]
    two = [path.read_bytes() for path in _write(script, tmp_path / f"two{suffix}")]
    assert one == two


def test_cbz_holds_pages_and_comic_info(script: Script, tmp_path: Path) -> None:
    options = PageOptions(size="a5", dpi=72, layout="manga", author="A & B")
    with zipfile.ZipFile(_write(script, tmp_path / "c.cbz", options)[0]) as archive:
        assert archive.namelist() == ["ComicInfo.xml", "page-001.png"]
        info = ElementTree.fromstring(archive.read("ComicInfo.xml"))
    found = {child.tag: child.text for child in info}
    assert (found["Title"], found["Writer"], found["PageCount"]) == ("Fish & *Chips*", "A & B", "1")
    assert (found["Manga"], found["LanguageISO"]) == ("YesAndRightToLeft", "en")


def test_epub_passes_epubcheck(script: Script, tmp_path: Path) -> None:
    path = _write(script, tmp_path / "c.epub", PageOptions(size="a5", dpi=72, right_to_left=True))[0]
    with zipfile.ZipFile(path) as archive:
        assert archive.infolist()[0].filename == "mimetype"
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
        package = archive.read("OEBPS/content.opf").decode()
        sheet = archive.read("OEBPS/page-001.xhtml").decode()
    assert "pre-paginated" in package
    assert 'page-progression-direction="rtl"' in package
    assert "Ann: “Hello there, #emph[world]!”" in sheet
    checker = shutil.which("epubcheck")
    if checker is None:
        pytest.skip("epubcheck is not installed (Debian package epubcheck)")
    packed = Path(checker).read_bytes()[:2] == b"PK"  # Debian's is a bare jar
    command = [*(["java", "-jar"] if packed else []), checker, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 errors / 0 warnings" in done.stdout


def test_svg_lettering_is_text_in_its_place(script: Script, tmp_path: Path) -> None:
    root = ElementTree.parse(_write(script, tmp_path / "c.svg")[0]).getroot()
    texts = root.findall(f"{_SVG}text")
    lines = [[span.text for span in text] for text in texts]
    assert ["Bye."] in lines
    assert any("world" in str(line) for line in lines)
    assert len(root.findall(f"{_SVG}image")) == 2
    style = root.findtext(f"{_SVG}style") or ""
    assert set(re.findall(r"font-family: '([^']+)'", style)) == {"Comic Neue", "Bangers"}
    assert "font-synthesis: none" in style  # a browser would slant Arabic, which has no italics
    for span in (span for text in texts for span in text):
        assert 0 < float(span.attrib["x"]) < 148
        assert 0 < float(span.attrib["y"]) < 210


def test_html_reads_alone(script: Script, tmp_path: Path) -> None:
    text = _write(script, tmp_path / "c.html")[0].read_text(encoding="utf-8")
    assert "<title>Fish &amp; *Chips*</title>" in text
    assert "data:image/webp;base64," in text
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", text)
    assert "http" not in text
    assert "Ann stands &lt;here&gt; &amp; waits" in text


def test_a_name_cannot_leave_the_script_element(tmp_path: Path) -> None:
    script = Script(title="</script><script>alert(1)</script>", panels=(Panel(description="</script>\u202e💥" * 30),))
    text = _write(script, tmp_path / "c.html")[0].read_text(encoding="utf-8")
    assert text.count("<script>") == 1


def test_several_pages_are_numbered(script: Script, tmp_path: Path) -> None:
    written = _write(script, tmp_path / "c.webp", PageOptions(layout="splash", size="a5", dpi=72))
    assert [path.name for path in written] == ["c-01.webp", "c-02.webp"]
    with Image.open(written[0]) as page:
        assert page.format == "WEBP"


def test_an_unknown_suffix_is_refused(script: Script, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'c.docx' has no known format: end it in .pdf"):
        _write(script, tmp_path / "c.docx")


def test_panels_are_kept_as_drawn(script: Script, tmp_path: Path) -> None:
    paths = write_panels(_drawn(script), tmp_path, "webp")
    assert [path.name for path in paths] == ["panel-01.webp", "panel-02.webp"]
    with Image.open(paths[0]) as image:
        assert image.convert("RGB").getpixel((5, 5)) == (0x77, 0xAA, 0xAA)


def test_a_failed_write_leaves_the_old_file_and_no_scraps(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "c.pdf"
    old.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=r"cannot write '.*c.pdf': the disk is full"):
        _write(script, old)
    assert old.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["c.pdf"]


def test_a_temporary_folder_without_room_is_one_message(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inkcast.page.typeset.json.dumps", full)
    with pytest.raises(OutputError, match=r"pages cannot be set in .*: No space left on device; make room"):
        _write(script, tmp_path / "c.pdf")


def test_panels_that_do_not_belong_to_the_script_are_refused(script: Script, tmp_path: Path) -> None:
    with pytest.raises(PageError, match="1 drawn panels for a script of 2"):
        write_comic(script, _drawn(script)[:1], arrange(script, _OPTIONS), tmp_path / "c.pdf", _OPTIONS)


def test_small_pictures_are_enlarged_smoothly(tmp_path: Path) -> None:
    script = Script(panels=(Panel(description="p"),))
    picture = Image.new("RGB", (128, 128), "white")
    picture.paste("black", (64, 0, 128, 128))
    options = PageOptions(layout="storybook", size="100x100", dpi=150, page_numbers=False)
    path = write_comic(script, [DrawnPanel(picture)], arrange(script, options), tmp_path / "c.png", options)[0]
    page = Image.open(io.BytesIO(path.read_bytes())).convert("L")
    row = [page.getpixel((x, page.height // 2)) for x in range(page.width // 2 - 12, page.width // 2 + 12)]
    assert len({value for value in row if isinstance(value, int) and 20 < value < 235}) >= 2
