"""Scripts, names, texts and templates that will not do: one line with the value, before anything is drawn."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest
from PIL import Image
from tests.easel_fake import FakeEasels
from typer.testing import CliRunner, Result

from inkcast.cli import app

HEAD = "version: 1\npanels:\n  - description: Ann waves.\n    characters: [Ann Lee]\n"
SAID = HEAD + "    dialogue:\n      - {speaker: Ann Lee, text: "
Run = Callable[..., Result]


@pytest.fixture
def easels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEasels:
    """A working folder with a picture; the library is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "home"))
    Image.new("RGB", (40, 40), "red").save("ann.png")
    fake = FakeEasels()
    for function in ("inkcast.comic.draw_comic", "inkcast.redrawing.redraw_panel"):
        module, name = function.rsplit(".", 1)
        __import__(module)
        monkeypatch.setitem(getattr(sys.modules[module], name).__kwdefaults__, "easel", fake)
    return fake


def run(*arguments: str, story: str) -> Result:
    """`inkcast make` of a script."""
    Path("story.yaml").write_text(story, encoding="utf-8")
    options = ["--cast", "Ann Lee (she)=ann.png", "--dpi", "40", "--out", "out", *arguments]
    return CliRunner().invoke(app, ["make", "story.yaml", *options])


@pytest.mark.parametrize(
    ("story", "told"),
    [
        ("", "story.yaml: a script is a mapping with 'panels', this is empty"),
        ("version: 1\npanels: []\n", "no panel: describe at least one"),
        (HEAD + "    weather: rain\n", "line 5: unknown field 'panels.1.weather' with value 'rain'"),
        (HEAD + "    dialogue: [{text: hi, kind: sing}]\n", "line 5: panels.1.dialogue.1.kind: input should be"),
        (HEAD.replace("[Ann Lee]", "[Ann Lee, Zoe]"), "'story.yaml' line 4 shows 'Zoe', who is not in the cast: add"),
        (
            HEAD.replace("Ann Lee", "Anne Lee"),
            "shows 'Anne Lee', who is not in the cast: did you mean 'Ann Lee'?",
        ),
        (SAID + "'hi \U00012000'}\n", "line 6: panel 1, balloon 1: no font has '\U00012000' (U+12000) of 'hi"),
        (HEAD + "    caption: '\U00016f00'\n", "'story.yaml' line 5: panel 1, caption: no font has"),
        (SAID + f"'{'word ' * 3000}'}}\n", "panel 1 holds 15000 letters"),
        (
            HEAD + "    engine:\n      router: off\n      cloths.Ann Lee: Ann Lee\n",
            "'story.yaml' line 7: panel 1 sets 'cloths.Ann Lee', which no engine knows: did you mean 'clothes.Ann Lee'",
        ),
        (
            HEAD + "    engine: {subject_scale.Zoe: 1}\n",
            "line 5: panel 1 sets 'subject_scale.Zoe', but nobody of the cast",
        ),
        (
            HEAD + "    engine: {clothes: {Ann Lee: Rolf}}\n",
            "line 5: panels.1.engine: 'clothes' wants one word or number, true or false (of one character: clothes.N",
        ),
    ],
)
def test_a_script_that_will_not_do_is_told_before_anything_is_drawn(easels: FakeEasels, story: str, told: str) -> None:
    result = run(story=story)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.stderr
    assert told in result.stderr
    assert easels.last is None
    assert not Path("out").exists()


def test_a_speaker_who_is_not_in_the_cast_is_noted_with_the_line(easels: FakeEasels) -> None:
    result = run(story=SAID.replace("speaker: Ann Lee", "speaker: Ann Leo") + "hi}\n")
    assert result.exit_code == 0
    told = " ".join(result.stderr.split())
    assert "'story.yaml' line 6: 'Ann Leo' is not in the cast and speaks from outside the picture" in told
    assert "did you mean 'Ann Lee'?" in told
    assert "not in the cast" not in run("--overwrite", story=SAID + "hi}\n").stderr


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("#let theme = (paper:\n", "'my.typ', line 1: unclosed delimiter"),
        ("\n#let foreground(page) = nope(page)\n", "'my.typ', line 2: unknown variable: nope"),
        ('#let foreground(page) = if page.number == 2 { panic("two") }\n', "line 1: panicked with: two"),
        ("#let theme = (paper: 5)\n", "'my.typ': missing argument"),
        (None, "'my.typ' cannot be read"),
    ],
)
def test_a_template_that_will_not_do_is_told_before_anything_is_drawn(
    easels: FakeEasels, template: str | None, told: str
) -> None:
    if template is not None:
        Path("my.typ").write_text(template)
    second = "  - description: Ann runs.\n    characters: [Ann Lee]\n"
    result = run("--template", "my.typ", "--layout", "splash", story=HEAD + second)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.stderr
    assert told in result.stderr
    assert easels.last is None


@pytest.mark.parametrize("language", ["../x", "german", "d", "de_DE"])
def test_a_language_that_is_none_is_told_with_its_value(easels: FakeEasels, language: str) -> None:
    result = run("--language", language, story=HEAD)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"language '{language}' is no language tag" in result.stderr
    assert easels.last is None


def test_markup_prints_as_it_is_written(easels: FakeEasels) -> None:
    words = '#emph[hi] *bold* _it_ `raw` $1+1$ #image("x") <lbl> @ref // no comment'
    result = run(story=f"title: '{words}'\n{HEAD}    effects: ['#BOOM[x]']\n    caption: '{words}'\n")
    assert result.exit_code == 0, result.stderr
    (page,) = pypdf.PdfReader("out/comic.pdf").pages
    text = " ".join(page.extract_text().split())
    assert text.count(words) == 2
    assert "#BOOM[x]" in text


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd a", "Ann \"the 'Ox'\" Lee", "\U0001f98a Fox", "\u202eevil\u202c", "x" * 300, "CON", "%s {0}"],
)
def test_any_name_goes_all_the_way_and_becomes_no_path(easels: FakeEasels, tmp_path: Path, name: str) -> None:
    (tmp_path / "work").mkdir()
    story = tmp_path / "story.yaml"
    invoke = CliRunner().invoke
    assert invoke(app, ["cast", "add", "--", name, "ann.png"]).exit_code == 0
    quoted = name.replace("'", "''")
    story.write_text(f"panels:\n  - description: Somebody waves.\n    characters: ['{quoted}']\n", encoding="utf-8")
    before = {path for path in tmp_path.rglob("*") if "home" not in path.parts}
    drawn = invoke(app, ["make", str(story), "--cast", name, "--dpi", "40", "--out", "work/out"])
    assert drawn.exit_code == 0, drawn.stderr
    exported = invoke(app, ["cast", "export", name, "work/one.inkcast"])
    assert exported.exit_code == 0
    assert invoke(app, ["cast", "remove", name]).exit_code == 0
    assert invoke(app, ["cast", "import", "work/one.inkcast"]).exit_code == 0
    assert invoke(app, ["cast", "show", name]).exit_code == 0
    after = {path for path in tmp_path.rglob("*") if "home" not in path.parts}
    assert {path.relative_to(tmp_path).parts[0] for path in after - before} == {"work"}
    assert not any("evil" in path.name or "Fox" in path.name for path in tmp_path.rglob("*"))


def test_what_is_no_picture_is_quoted_once(easels: FakeEasels) -> None:
    Path("junk.png").write_bytes(b"junk" * 99)
    result = CliRunner().invoke(app, ["cast", "add", "Mona", "junk.png"])
    assert (result.exit_code, result.stderr) == (
        1,
        "inkcast: 'junk.png' is not a picture of a known format; save it as PNG, JPEG or WebP\n",
    )
