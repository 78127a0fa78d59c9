"""The script as YAML: both ways, comments kept, older versions, messages with line and value."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from inkcast.errors import StoryError
from inkcast.story.script import (
    SCRIPT_VERSION,
    Line,
    Panel,
    Presence,
    Script,
    dump_script,
    edit_script,
    load_script,
    script_json_schema,
)
from inkcast.story.script_file import parse_script

FULL = Script(
    title="The apple",
    panels=(
        Panel(
            description="Ann Lee meets Bo",
            characters=(
                Presence(name="Ann Lee"),
                Presence(name="Bo", action="waves", state="winter", box=(0, 0, 0.5, 1)),
            ),
            place="park",
            time="night, rain",
            shot="wide",
            view="from above",
            dialogue=(Line(speaker="Bo", text="Hi: #1!", kind="shout", translations={"de": "Hallo!"}), Line(text="…")),
            caption="Two\nlines",
            effects=("BOOM",),
            style="flat",
            seed=7,
            engine={"subject_scale": 0.8, "router": True},
            translations={"de": "Zwei\nZeilen"},
        ),
        Panel(description="- yes: 'no' @ 12:30"),
    ),
)
WRITTEN = """\
# my comic
version: 1
title: The apple  # working title
panels:
  # the first panel
  - description: Ann meets Bo
    characters: [Ann Lee, Bo]  # both
    caption: They meet.
  - description: They eat  # hungry
"""


def test_a_script_survives_yaml(tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(dump_script(FULL), encoding="utf-8")
    assert load_script(path) == FULL


def test_pictures_are_named_from_the_script_s_folder(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "panels: [{description: a, pose: p.png, characters: [B, {name: Ann, mask: m/a.png}, {name: Cy, mask: /c.png}]}]"
    )
    (panel,) = load_script(tmp_path / "s.yaml").panels
    assert panel.pose == str(tmp_path / "p.png")
    assert [one.mask for one in panel.characters] == ["", str(tmp_path / "m" / "a.png"), "/c.png"]


text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)


@settings(max_examples=60, deadline=None)
@given(text.filter(str.strip), text, text)
def test_any_words_survive_yaml(description: str, caption: str, said: str) -> None:
    script = Script(
        title=caption, panels=(Panel(description=description, caption=caption, dialogue=(Line(text=said),)),)
    )
    assert parse_script(dump_script(script)) == script


def test_only_what_differs_from_the_defaults_is_written() -> None:
    written = dump_script(Script(panels=(Panel(description="A park", characters=(Presence(name="Bo"),)),)))
    assert written == "version: 1\npanels:\n  - description: A park\n    characters: [Bo]\n"


def test_an_edit_keeps_comments_and_order() -> None:
    script = parse_script(WRITTEN)
    first = script.panels[0].model_copy(update={"caption": "They meet again.", "seed": 3})
    edited = edit_script(WRITTEN, script.model_copy(update={"panels": (first, *script.panels[1:])}))
    for comment in ("# my comic", "# working title", "# the first panel", "# both", "# hungry"):
        assert comment in edited
    assert edited.replace("\n    seed: 3", "") == WRITTEN.replace("They meet.", "They meet again.")
    assert parse_script(edited).panels[0].seed == 3


def test_an_edit_adds_and_removes_panels() -> None:
    script = parse_script(WRITTEN)
    longer = script.model_copy(update={"panels": (*script.panels, Panel(description="The end"))})
    assert parse_script(edit_script(WRITTEN, longer)) == longer
    shorter = script.model_copy(update={"panels": script.panels[:1]})
    assert parse_script(edit_script(WRITTEN, shorter)) == shorter
    assert "# my comic" in edit_script(WRITTEN, shorter)


def test_a_script_is_frozen() -> None:
    with pytest.raises(ValidationError):
        FULL.panels[0].caption = "other"  # type: ignore[misc]


def test_scripts_without_a_version_are_migrated() -> None:
    old = """\
title: Old
panels:
  - A park
  - picture: Bo waves
    who: [Bo]
    lines: ["Bo: Hello", {Bo: Again}, Bang]
"""
    script = parse_script(old)
    assert script.version == SCRIPT_VERSION
    assert script.panels[0] == Panel(description="A park")
    assert script.panels[1] == Panel(
        description="Bo waves",
        characters=(Presence(name="Bo"),),
        dialogue=(Line(speaker="Bo", text="Hello"), Line(speaker="Bo", text="Again"), Line(text="Bang")),
    )


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("version: 1\npanels:\n  - description: x\n    charcters: [Bo]\n", ("line 4", "charcters", "['Bo']")),
        ("version: 1\npanels:\n  - description: x\n    seed: many\n", ("line 4", "panels.1.seed", "many")),
        ("version: 1\npanels:\n  - description: x\n  - caption: y\n", ("line 4", "panels.2.description")),
        ("version: 1\npanels:\n  - description: '  '\n", ("line 3", "description")),
        (
            "panels:\n  - description: x\n    characters: [{name: Bo, box: [0, 0, 2, 1]}]\n",
            ("line 3", "box", "fractions"),
        ),
        ("panels:\n  - description: x\n    dialogue: [{text: hi, kind: sing}]\n", ("line 3", "kind", "sing")),
        ("version: 99\npanels: []\n", ("version 99", "update inkcast")),
        ("version: new\npanels: []\n", ("version", "'new'")),
        ("panels: [\n", ("line 2", "not valid YAML")),
        ("a: b: c\n", ("line 1", "not valid YAML")),
        ("- one\n- two\n", ("a list", "panels")),
        ("just words", ("just words",)),
        ("", ("empty",)),
        ("title: x\ntitle: y\npanels: []\n", ("line 2", "not valid YAML")),
        (
            "panels:\n  - description: A cat.\n    effects: [BOOM]\n    effect_translations: {de: [A, B]}\n",
            ("effect_translations", "'de' has 2 texts for 1 effects"),
        ),
    ],
)
def test_a_bad_script_is_one_line_naming_line_and_value(tmp_path: Path, written: str, parts: tuple[str, ...]) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(StoryError) as caught:
        load_script(path)
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in (str(path), *parts)), message


def test_missing_binary_and_huge_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoryError, match="cannot read"):
        load_script(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(StoryError, match="not a text file"):
        load_script(tmp_path / "b.yaml")
    monkeypatch.setattr("inkcast.story.script_file.LONGEST_FILE", 5)
    (tmp_path / "h.yaml").write_text("panels: []")
    with pytest.raises(StoryError, match="more than 5"):
        load_script(tmp_path / "h.yaml")


def test_the_schema_allows_what_the_loader_allows() -> None:
    schema = script_json_schema()
    panel = schema["$defs"]["Panel"]
    assert panel["required"] == ["description"]
    assert panel["additionalProperties"] is False
    assert {"type": "string"} in panel["properties"]["characters"]["items"]["anyOf"]
    assert set(schema["$defs"]["Line"]["properties"]["kind"]["enum"]) == {
        "speech",
        "thought",
        "shout",
        "whisper",
        "off-panel",
    }
