"""A thing exists when it is documented: commands, options, settings, engines, and the files the README names."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inkcast.cli import COMMANDS, load_command
from inkcast.config import PREFIX, Settings
from inkcast.engines.registry import ENGINES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "cli.md").read_text()
README = (ROOT / "README.md").read_text()


def commands(name: str, command: Any) -> list[tuple[str, Any]]:
    """The command and, for a group, all below it."""
    return [(name, command)] + [
        found for sub, inner in getattr(command, "commands", {}).items() for found in commands(f"{name} {sub}", inner)
    ]


ALL = [found for name in COMMANDS for found in commands(name, load_command(name))]


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_and_option_is_documented(name: str, command: Any) -> None:
    section = re.search(rf"^#+ inkcast {re.escape(name)}$(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section, f"docs/cli.md lacks 'inkcast {name}': run  make docs"
    assert (command.help or "").strip(), f"inkcast {name} has no help text"
    for parameter in command.params:
        if parameter.name == "help" or getattr(parameter, "hidden", False):
            continue
        assert all(f"`{option}`" in section[1] for option in parameter.opts if option.startswith("-")), parameter.name
        assert (getattr(parameter, "help", "") or "").strip(), f"inkcast {name}: {parameter.name} has no help text"


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_every_setting_is_documented(setting: str) -> None:
    assert f"`{PREFIX}{setting.upper()}`" in PAGE
    assert Settings.model_fields[setting].description


@pytest.mark.parametrize("engine", [info.name for info in ENGINES])
def test_every_engine_is_documented(engine: str) -> None:
    assert f"`{engine}`" in PAGE
    assert f"`{engine}`" in README


def test_every_setting_of_a_panel_is_documented() -> None:
    rows = re.findall(r"^\| `([^|]+)` \| ([^|]+) \| ([^|]+) \|", (ROOT / "docs" / "story.md").read_text(), re.MULTILINE)
    ours = {info.name for info in ENGINES}
    told = {
        (form, value, engine)
        for forms, value, engines in rows
        for form in forms.split("`, `")
        for engine in engines.split(", ")
        if engine in ours
    }
    known = {
        (form, setting.allowed.told, info.name)
        for info in ENGINES
        for setting in info.settings()
        for form in setting.forms
    }
    assert told == known, f"docs/story.md lacks {known - told} and has {told - known}"


def test_the_page_is_in_step_with_the_help_texts() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "scripts" / "help_pages.py", "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_what_the_documents_link_to_exists() -> None:
    for document in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.relative_to(ROOT)} links to {target}"


def test_what_the_readme_tells_to_run_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", README)) <= targets
    assert {"demo", "test", "check", "bench", "soak"} <= targets
    named = set(re.findall(r"`?inkcast ([a-z]+)", README)) - {"make"}
    assert named <= set(COMMANDS) | {"script"}, named
    for example in re.findall(r"examples/[\w./-]+", README):
        assert (ROOT / example).exists()


def test_changelog_and_citation_tell_the_package_s_version() -> None:
    from inkcast import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
