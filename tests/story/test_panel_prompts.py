"""Prompts and styles."""

from __future__ import annotations

from pathlib import Path

import pytest

from inkcast.errors import StoryError
from inkcast.story.prompts import Prompt, panel_prompt
from inkcast.story.script import Panel
from inkcast.story.styles import Style, get_style, load_styles


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        (Panel(description="Bo waves."), "Bo waves"),
        (Panel(description="Bo waves in the park", place="park"), "Bo waves in the park"),
        (Panel(description="Bo waves", place="park"), "Bo waves in the park"),
        (
            Panel(description="Bo waves", place="old castle", time="night, rain"),
            "Bo waves in the old castle at night, in the rain",
        ),
        (Panel(description="Bo waves", place="beach", time="sunset"), "Bo waves on the beach at sunset"),
        (Panel(description="Bo waves", place="home", time="morning"), "Bo waves at home in the morning"),
        (Panel(description="Bo waves", place="Ann's kitchen"), "Bo waves in Ann's kitchen"),
        (Panel(description="Bo waves", place="on the moon"), "Bo waves on the moon"),
        (Panel(description="Bo waves", shot="close-up", view="side view"), "Bo waves, close-up, side view"),
        (Panel(description="阿海坐在船上", place="船上", time="夜晚"), "阿海坐在船上 夜晚"),
    ],
)
def test_place_and_time_are_named_once(panel: Panel, words: str) -> None:
    assert panel_prompt(panel) == Prompt(words, "")


def test_a_style_ends_the_prompt() -> None:
    style = Style(name="x", group="g", prompt="flat style", negative="photo")
    assert panel_prompt(Panel(description="Bo waves"), style) == Prompt("Bo waves, flat style", "photo")


def test_there_are_enough_styles_in_groups() -> None:
    styles = load_styles()
    assert len(styles) >= 24
    assert len({style.group for style in styles.values()}) >= 4
    assert len({style.prompt for style in styles.values()}) == len(styles)
    # the comic generator's list
    assert {"2d-minimalist", "8k", "cartoon", "chiaroscuro", "cinematic", "painting"} <= set(styles)


def test_people_add_and_replace_styles(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "group: mine\nstyles:\n  neon:\n    prompt: neon lines\n  flat:\n    prompt: my flat\n"
    )
    assert get_style("Neon", [tmp_path]) == Style(name="neon", group="mine", prompt="neon lines")
    assert get_style("flat", [tmp_path]).prompt == "my flat"
    assert get_style("flat").prompt == "flat style"


def test_an_unknown_style_names_near_ones() -> None:
    with pytest.raises(StoryError, match="watercolor"):
        get_style("water colour")


@pytest.mark.parametrize(
    ("text", "part"),
    [("group: x\n", "styles"), ("[1]", "group"), ("group: x\nstyles:\n  a: {}\n", "prompt"), ("group: [", "group"),
     ("group: x\nstyles:\n  a: {prompt: p, negativ: n}\n", "negativ")],
)  # fmt: skip
def test_a_bad_style_file_is_named(tmp_path: Path, text: str, part: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(StoryError, match=r"bad\.yaml") as caught:
        load_styles([tmp_path])
    assert part in str(caught.value)


def test_styles_in_the_data_folder_are_known_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path))
    (tmp_path / "styles").mkdir()
    (tmp_path / "styles" / "mine.yaml").write_text("group: mine\nstyles:\n  neon: {prompt: neon lines on black}\n")
    assert get_style("neon").prompt == "neon lines on black"
    (tmp_path / "styles" / "mine.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(StoryError, match=r"mine\.yaml: cannot be read: it is not UTF-8"):
        get_style("neon")
