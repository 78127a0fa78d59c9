"""Settings come from the environment, say what they are, and are documented."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from inkcast import config
from inkcast.config import PREFIX, Settings, settings
from inkcast.errors import UsageError

DOCUMENT = Path(__file__).parents[1] / "docs" / "cast.md"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)


@pytest.mark.parametrize(
    ("platform", "shared", "folder"),
    [
        ("linux", "", ".local/share/inkcast"),
        ("linux", "/data", "/data/inkcast"),
        ("linux", "relative", ".local/share/inkcast"),
        ("darwin", "", "Library/Application Support/Inkcast"),
    ],
)
def test_the_data_folder_is_where_the_platform_keeps_such_things(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, shared: str, folder: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", shared)
    monkeypatch.setattr(sys, "platform", platform)
    assert settings().home == tmp_path / folder


def test_every_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(PREFIX + name.upper(), "/7" if name in ("home", "database_url") else "7")
    found = settings().model_dump()
    assert found == {name: Path("/7") if name == "home" else "/7" if name == "database_url" else 7 for name in found}


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_PICTURE_MEGABYTES", "")
    assert settings().picture_megabytes == 64


def test_a_home_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("INKCAST_HOME", "~/comics")
    assert settings().home == tmp_path / "comics"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INKCAST_HOME", "here")
    assert settings().home == tmp_path / "here"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PICTURE_MEGABYTES", "many"),
        ("PICTURE_MIN_SIDE", "-1"),
        ("PICTURE_ASPECT", "0.5"),
        ("CHARACTER_MEGABYTES", "0"),
    ],
)
def test_a_wrong_value_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(UsageError) as caught:
        settings()
    assert str(caught.value).startswith(f"setting {PREFIX}{name} is {value!r}: input should be")
    assert "\n" not in str(caught.value)


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_DATABASE_URL", "postgresql://ann:secret@host/db")
    assert "secret" not in repr(settings())


@pytest.mark.parametrize("name", config.Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.description
    row = f"| `{PREFIX}{name.upper()}` | {field.description} |"
    assert row in DOCUMENT.read_text(encoding="utf-8")
