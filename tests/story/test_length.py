"""A novel is refused in one line before anything is drawn; its script can still be written out."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from inkcast.cli import app
from inkcast.errors import StoryError
from inkcast.story.length import MOST_PANELS, check_length
from inkcast.story.parser import CastName, ParsedStory, parse_story

ANN = (CastName("Ann Lee", "she"),)


def test_the_message_names_the_line_where_a_comic_is_full() -> None:
    parsed = parse_story("Ann Lee walks.\n\n" * (MOST_PANELS + 1), ANN)
    with pytest.raises(StoryError, match=rf"makes {MOST_PANELS + 1} panels.*before line {2 * MOST_PANELS + 1} \('Ann"):
        check_length(parsed, "novel.txt")


def test_a_story_that_just_fits_and_a_long_script_pass() -> None:
    check_length(parse_story("Ann Lee walks. " * MOST_PANELS, ANN), "story.txt")
    long = parse_story("Ann Lee walks. " * (MOST_PANELS + 1), ANN)
    check_length(ParsedStory(long.script), "script.yaml")


def test_making_a_novel_is_one_line_and_writes_nothing(tmp_path: Path, ann: Path) -> None:
    novel = tmp_path / "novel.txt"
    novel.write_text('"Who is there?" asked the guard. Ann Lee laughed.\n' * 2000)
    result = CliRunner().invoke(app, ["make", str(novel), "--cast", f"Ann Lee={ann}", "--out", str(tmp_path / "out")])
    assert result.exit_code != 0
    assert len(result.stderr.strip().splitlines()) == 1
    assert "cut it before line 501" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def ann(tmp_path: Path) -> Path:
    from PIL import Image

    path = tmp_path / "ann.png"
    Image.new("RGB", (64, 64), "red").save(path)
    return path
