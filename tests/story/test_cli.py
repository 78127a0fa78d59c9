"""`inkcast script` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inkcast.cli.story import app
from inkcast.errors import StoryError, UsageError
from inkcast.story.script_file import parse_script

run = CliRunner().invoke


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.txt"
    path.write_text("Ann Lee meets Bo. Ann Lee meets Eva. She laughs.", encoding="utf-8")
    return path


def test_the_script_goes_to_standard_output_and_notes_to_standard_error(story: Path) -> None:
    result = run(
        app,
        [
            "script",
            str(story),
            "--cast",
            "Ann Lee (she)=ann.png",
            "--cast",
            "Bo (he)",
            "--cast",
            "Eva (she)",
            "--title",
            "T",
        ],
    )
    assert result.exit_code == 0, result.output
    script = parse_script(result.stdout)
    assert (script.title, len(script.panels)) == ("T", 3)
    assert [presence.name for presence in script.panels[0].characters] == ["Ann Lee", "Bo"]
    assert "'She' could be Ann Lee or Eva" in result.stderr


def test_standard_input_is_a_story() -> None:
    result = run(app, ["script", "-", "--cast", "Bo"], input="Bo sleeps.")
    assert parse_script(result.stdout).panels[0].description == "Bo sleeps."


def test_a_script_is_read_and_written_again(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("panels: [A park]\n")
    result = run(app, ["script", str(tmp_path / "old.yaml")])
    assert result.stdout == "version: 1\npanels:\n  - description: A park\n"


def test_a_script_s_settings_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text("panels:\n  - description: A park\n    engine: {subject_scale: 20}\n")
    result = run(app, ["script", str(path)])
    assert isinstance(result.exception, StoryError)
    assert "line 3: panel 1 sets 'subject_scale' to 20: use a number from 0 (off) to 10" in str(result.exception)


def test_the_schema_is_json() -> None:
    assert json.loads(run(app, ["script", "--schema"]).stdout)["$defs"]["Panel"]["required"] == ["description"]


def test_styles_are_listed_by_group() -> None:
    assert "toon: flat, line-art" in run(app, ["styles"]).stdout
    assert {"name", "group", "prompt", "negative"} == set(json.loads(run(app, ["styles", "--json"]).stdout)[0])


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.txt", b"", StoryError),
        ("a.txt", b"\x00\x01PNG", StoryError),
        ("a.txt", b"\xff\xfe\x00", StoryError),
        ("a.json", b"{", StoryError),
    ],
)
def test_bad_files_are_story_errors(tmp_path: Path, name: str, data: bytes, error: type[Exception]) -> None:
    (tmp_path / name).write_bytes(data)
    assert isinstance(run(app, ["script", str(tmp_path / name), "--cast", "Bo"]).exception, error)


def test_no_story_is_a_usage_error() -> None:
    assert isinstance(run(app, ["script"]).exception, UsageError)
