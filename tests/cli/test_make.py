"""inkcast make, redraw and page on the command line, with a fake easel: what is read, written, said, and refused."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.easel_fake import FakeEasels
from typer.testing import CliRunner, Result

from inkcast.cli import app
from inkcast.cli.inputs import gather_cast
from inkcast.cli.story import read_parsed
from inkcast.drawing.record import read_record
from inkcast.errors import CastError, PictureError, StoryError, UsageError
from inkcast.story.script import load_script

STORY = "Ann Lee waves in the park.\nRolf runs on the beach.\nAnn and Rolf dance.\n"
Make = Callable[..., Result]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a story and two pictures; the library is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "home"))
    Path("story.txt").write_text(STORY)
    Image.new("RGB", (40, 40), "red").save("ann.png")
    Image.new("RGB", (40, 40), "brown").save("rolf.png")
    return tmp_path


@pytest.fixture
def easels(monkeypatch: pytest.MonkeyPatch) -> FakeEasels:
    fake = FakeEasels()
    for function in ("inkcast.comic.draw_comic", "inkcast.redrawing.redraw_panel"):
        module, name = function.rsplit(".", 1)
        __import__(module)
        monkeypatch.setitem(getattr(sys.modules[module], name).__kwdefaults__, "easel", fake)
    return fake


@pytest.fixture
def make(place: Path, easels: FakeEasels) -> Make:
    def run(*arguments: str, story: str = "story.txt", out: str = "out", **more: str) -> Result:
        cast = ("--cast", "Ann Lee (she)=ann.png", "--cast", "Rolf (he, a bear)=rolf.png")
        return CliRunner().invoke(
            app, ["make", story, *cast, "--dpi", "40", "--steps", "2", *arguments, "--out", out], **more
        )

    return run


def test_make_draws_and_says_where(make: Make, place: Path) -> None:
    result = make("--seed", "3", "--style", "noir", "--negative", "fog")
    assert (result.exit_code, result.stdout) == (0, "out\n"), result.stderr
    record = read_record(place / "out")
    assert record.drawing.seed == 3
    assert "a bear" in record.panels[1].prompt
    assert "a girl" in record.panels[0].prompt
    assert record.panels[0].negative.endswith("fog")
    assert [member.name for member in record.cast] == ["Ann Lee", "Rolf"]


def test_make_reads_standard_input_and_scripts(make: Make, place: Path) -> None:
    assert make(story="-", input=STORY).exit_code == 0
    assert make(story="out/script.yaml", out="second").exit_code == 0
    assert (place / "second" / "comic.pdf").read_bytes() == (place / "out" / "comic.pdf").read_bytes()


def test_make_reads_storyboards_and_screenplays(make: Make, place: Path) -> None:
    (place / "play.fountain").write_text("INT. LIBRARY - NIGHT\n\nAnn Lee reads.\n\nANN LEE\nWho is there?\n")
    result = make(story="play.fountain")
    assert result.exit_code == 0, result.stderr
    assert "library" in read_record(place / "out").panels[0].prompt.lower()


def test_make_refuses_an_existing_folder_in_one_line(make: Make, place: Path) -> None:
    assert make().exit_code == 0
    again = make()
    assert again.exit_code == 1
    assert again.stderr.count("\n") == 1
    assert "--overwrite" in again.stderr
    assert make("--overwrite").exit_code == 0


def test_make_takes_characters_from_the_library(make: Make, place: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["cast", "add", "Mona (she)", "ann.png"]).exit_code == 0
    result = runner.invoke(app, ["make", "-", "--cast", "mona", "--out", "out"], input="Mona waves.")
    assert result.exit_code == 0, result.stderr
    assert read_record(place / "out").cast[0].name == "Mona"
    unknown = runner.invoke(app, ["make", "-", "--cast", "Zoe", "--out", "o"], input="Zoe waves.")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layout", "spiral"], "spiral"),
        (["--style", "no-such-style"], "no-such-style"),
        (["--page-size", "huge"], "huge"),
        (["--cast", "Zoe=missing.png"], "missing.png"),
        (["--cast", "Zoe=story.txt"], "story.txt"),
        (["--cast", "Ann Lee=ann.png"], "twice"),
        (["--cast", "Ann Lee (they)=rolf.png"], "'she' and as 'they'"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(make: Make, place: Path, arguments: list[str], message: str) -> None:
    result = make(*arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.stderr
    assert message in result.stderr
    assert not (place / "out").exists()


@pytest.mark.parametrize("arguments", [["--cast", "=x.png"], ["--cast", "Ann="], ["--steps", "0"], ["--seed", "x"]])
def test_a_wrong_command_line_exits_with_2(make: Make, arguments: list[str]) -> None:
    assert make(*arguments).exit_code == 2


def test_one_character_may_have_several_pictures(place: Path) -> None:
    (ann,) = gather_cast(["Ann Lee (she)=ann.png", "ann lee=rolf.png"])
    assert (ann.name, ann.pronouns, len(ann.references)) == ("Ann Lee", "she", 2)


@pytest.mark.parametrize(
    ("entry", "name", "pronouns", "description"),
    [
        ("Rolf (he, a bear)=rolf.png", "Rolf", "he", "a bear"),
        ("Rolf (it,a small robot)=rolf.png", "Rolf", "it", "a small robot"),
        ("Rolf (the Great)=rolf.png", "Rolf (the Great)", "", ""),
        ("O'Neil=rolf.png", "O'Neil", "", ""),
    ],
)
def test_a_name_may_carry_pronouns_and_a_noun(
    place: Path, entry: str, name: str, pronouns: str, description: str
) -> None:
    (one,) = gather_cast([entry])
    assert (one.name, one.pronouns, one.description) == (name, pronouns, description)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "empty"), (b" \n", "empty"), (b"\xff\xfe\x00junk", "not UTF-8"), (b"a\0b", "null characters")],
)
def test_a_story_that_is_no_text_is_refused(place: Path, data: bytes, message: str) -> None:
    Path("bad.txt").write_bytes(data)
    with pytest.raises(StoryError, match=message):
        read_parsed("bad.txt", ())


@pytest.mark.parametrize("source", ["missing.txt", ".", "a\0b", "missing.yaml"])
def test_a_story_that_is_not_there_is_refused(place: Path, source: str) -> None:
    with pytest.raises(StoryError):
        read_parsed(source, ())


def test_a_story_longer_than_a_novel_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"word " * 10**6)))
    with pytest.raises(StoryError, match="longer than 4 MB"):
        read_parsed("-", ())


def test_errors_of_a_cast_have_classes(place: Path) -> None:
    for entry, error in (
        ("A=no.png", PictureError),
        ("=a.png", UsageError),
        ("\t=ann.png", UsageError),
        ("Nobody", CastError),
    ):
        with pytest.raises(error):
            gather_cast([entry])


def test_redraw_changes_one_panel_and_keeps_its_seed(make: Make, place: Path) -> None:
    make()
    before = read_record(place / "out")
    panels = [(place / "out" / panel.picture).read_bytes() for panel in before.panels]
    (place / "ann.png").unlink()  # the comic keeps its own references
    result = CliRunner().invoke(app, ["redraw", "out", "--panel", "2", "--seed", "99"])
    assert result.exit_code == 0, result.stderr
    after = [(place / "out" / panel.picture).read_bytes() for panel in before.panels]
    assert [old == new for old, new in zip(panels, after, strict=True)] == [True, False, True]
    assert read_record(place / "out").panels[1].seed == 99
    assert load_script(place / "out" / "script.yaml").panels[1].seed == 99
    again = CliRunner().invoke(app, ["redraw", "out", "--panel", "2", "--seed", str(before.panels[1].seed)])
    assert again.exit_code == 0
    assert (place / "out" / "panel-02.png").read_bytes() == panels[1]


def test_redraw_without_a_seed_draws_something_new_each_time(make: Make, place: Path) -> None:
    make()
    seen = {(place / "out" / "panel-01.png").read_bytes()}
    for _ in range(3):
        assert CliRunner().invoke(app, ["redraw", "out", "--panel", "1"]).exit_code == 0
        seen.add((place / "out" / "panel-01.png").read_bytes())
    assert len(seen) == 4


def test_redraw_takes_new_words(make: Make, place: Path) -> None:
    make()
    CliRunner().invoke(app, ["redraw", "out", "--panel", "1", "--description", "Ann Lee sits in a cave"])
    assert "cave" in read_record(place / "out").panels[0].prompt


@pytest.mark.parametrize("panel", ["4", "99"])
def test_redraw_refuses_a_panel_that_is_not_there(make: Make, panel: str) -> None:
    make()
    result = CliRunner().invoke(app, ["redraw", "out", "--panel", panel])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "from 1 to 3" in result.stderr


def test_redraw_says_when_the_weights_have_changed(make: Make, easels: FakeEasels) -> None:
    make()
    easels.base = "other"
    result = CliRunner().invoke(app, ["redraw", "out", "--panel", "1"])
    assert "weights have changed" in " ".join(result.stderr.split())


def test_page_lays_out_again_without_drawing(make: Make, place: Path, easels: FakeEasels) -> None:
    make()
    easels.last = None
    panels = {path.name: path.read_bytes() for path in (place / "out").glob("panel-*.png")}
    before = (place / "out" / "comic.pdf").read_bytes()
    result = CliRunner().invoke(app, ["page", "out", "--layout", "splash"])
    assert result.exit_code == 0, result.stderr
    assert easels.last is None
    assert len(list((place / "out").glob("page-*.png"))) == 3
    assert (place / "out" / "comic.pdf").read_bytes() != before
    assert {path.name: path.read_bytes() for path in (place / "out").glob("panel-*.png")} == panels
    assert CliRunner().invoke(app, ["page", "out", "--layout", "auto"]).exit_code == 0
    assert (place / "out" / "comic.pdf").read_bytes() == before
    assert len(list((place / "out").glob("page-*.png"))) == 1


def test_a_template_of_ones_own_stays_with_the_comic(make: Make, place: Path) -> None:
    (place / "mine.typ").write_text('#let theme = (paper: "#102030")')
    make()
    assert CliRunner().invoke(app, ["page", "out", "--template", "mine.typ"]).exit_code == 0
    (place / "mine.typ").unlink()
    assert CliRunner().invoke(app, ["redraw", "out", "--panel", "1"]).exit_code == 0
    with Image.open(place / "out" / "page-01.png") as page:
        assert page.convert("RGB").getpixel((2, 2)) == (0x10, 0x20, 0x30)
    (place / "bad.typ").write_text("#let x = (")
    failed = CliRunner().invoke(app, ["page", "out", "--template", "bad.typ"])
    assert failed.exit_code != 0
    assert (place / "out" / "template.typ").read_text() == '#let theme = (paper: "#102030")'


def test_page_letters_an_edited_script(make: Make, place: Path) -> None:
    make()
    text = (place / "out" / "script.yaml").read_text()
    (place / "edited.yaml").write_text(text.replace("Rolf runs on the beach.", "Rolf is late."))
    before = (place / "out" / "page-01.png").read_bytes()
    assert CliRunner().invoke(app, ["page", "out", "--script", "edited.yaml"]).exit_code == 0
    assert (place / "out" / "page-01.png").read_bytes() != before
    (place / "short.yaml").write_text("panels: [{description: one}]")
    refused = CliRunner().invoke(app, ["page", "out", "--script", "short.yaml"])
    assert refused.exit_code == 1
    assert "1 panels but the comic has 3" in refused.stderr


def test_comments_in_the_script_of_a_comic_stay(make: Make, place: Path) -> None:
    make()
    script = place / "out" / "script.yaml"
    script.write_text(f"# mine\n{script.read_text()}".replace("    caption:", "    caption:  # loud\n     ", 1))
    assert CliRunner().invoke(app, ["redraw", "out", "--panel", "2", "--seed", "5"]).exit_code == 0
    assert CliRunner().invoke(app, ["page", "out", "--layout", "cinema"]).exit_code == 0
    text = script.read_text()
    assert text.startswith("# mine\n")
    assert "# loud" in text
    assert load_script(script).panels[1].seed == 5


def test_a_blank_description_leaves_the_comic_as_it_was(make: Make, place: Path) -> None:
    make()
    before = (place / "out" / "script.yaml").read_bytes()
    result = CliRunner().invoke(app, ["redraw", "out", "--panel", "1", "--description", "  "])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "description is blank" in result.stderr
    assert (place / "out" / "script.yaml").read_bytes() == before


@pytest.mark.parametrize("damage", ["{}", "junk", '{"version": 2}'])
def test_a_damaged_or_absent_record_is_said(make: Make, place: Path, damage: str) -> None:
    make()
    (place / "out" / "comic.json").write_text(damage)
    for folder in ("out", "home"):
        result = CliRunner().invoke(app, ["page", folder])
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "comic.json" in result.stderr


def test_a_record_cannot_name_files_outside_its_folder(make: Make, place: Path) -> None:
    make()
    record = place / "out" / "comic.json"
    record.write_text(record.read_text().replace('"panel-01.png"', '"../ann.png"'))
    result = CliRunner().invoke(app, ["page", "out"])
    assert result.exit_code == 1
    assert "outside the comic" in result.stderr


DRIVER = """
    import signal, sys, time
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[:0] = ["src", "."]
    import inkcast.comic
    from tests.easel_fake import FakeEasels, FakeEasel
    def slow(self, conditioning, panel, step):
        sys.stderr.write("drawing\\n"); sys.stderr.flush()
        time.sleep(60)
    FakeEasel.draw = slow
    inkcast.comic.draw_comic.__kwdefaults__["easel"] = FakeEasels()
    from inkcast.cli import main
    main(["make", sys.argv[1] + "/story.txt", "--cast", f"Ann Lee (she)={sys.argv[1]}/ann.png", "--cast",
          f"Rolf={sys.argv[1]}/rolf.png", "--out", sys.argv[1] + "/out"])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_mid_run_ends_in_one_line_and_leaves_nothing(place: Path, number: int, code: int) -> None:
    root = Path(__file__).parents[2]
    before = set(os.listdir(place))
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(DRIVER), str(place)], cwd=root, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        while process.stderr.readline() != "drawing\n":
            assert process.poll() is None
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == code
    assert "Traceback" not in said
    assert set(os.listdir(place)) == before
