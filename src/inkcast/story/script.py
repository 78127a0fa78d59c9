"""The script: what each panel shows and who says what. The one document between a story and its pictures.

A script is YAML on disk. `load_script` and `dump_script` are its two ways; `edit_script` changes a file a person
wrote without losing their comments.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SCRIPT_VERSION = 1

LineKind = Literal["speech", "thought", "shout", "whisper", "off-panel"]
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 as fractions of the panel, origin top left


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(_Frozen):
    """One balloon. `translations` maps a language tag to the text in that language."""

    speaker: str | None = None
    text: str
    kind: LineKind = "speech"
    translations: Mapping[str, str] = Field(default_factory=dict)


class Presence(_Frozen):
    """A cast member in a panel. `box` and `mask` ask for a place; `state` names an outfit or age of the character."""

    name: str
    action: str = ""
    state: str = ""
    box: Box | None = None
    mask: str = ""  # a picture's path, from the script's folder: bright or opaque where they may stand

    @field_validator("box")
    @classmethod
    def _box_in_panel(cls, box: Box | None) -> Box | None:
        if box is not None and not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
            raise ValueError(
                "a box is x0, y0, x1, y1 as fractions of the panel with 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1"
            )
        return box


class Panel(_Frozen):
    """One picture. Only `description` is required; characters may be written as bare names in YAML."""

    description: str
    characters: tuple[Presence, ...] = ()
    place: str = ""
    time: str = ""
    shot: str = ""
    view: str = ""
    dialogue: tuple[Line, ...] = ()
    caption: str = ""
    effects: tuple[str, ...] = ()
    style: str = ""
    seed: int | None = None
    engine: Mapping[str, str | int | float | bool] = Field(default_factory=dict)
    pose: str = ""  # a picture's path, from the script's folder
    translations: Mapping[str, str] = Field(default_factory=dict)  # of the caption
    effect_translations: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)  # one for each effect

    @field_validator("characters", mode="before")
    @classmethod
    def _bare_names(cls, characters: Any) -> Any:
        if not isinstance(characters, list | tuple):
            return characters
        return [{"name": entry} if isinstance(entry, str) else entry for entry in characters]

    @field_validator("engine", mode="before")
    @classmethod
    def _one_value_each(cls, engine: Any) -> Any:
        for key, value in engine.items() if isinstance(engine, Mapping) else ():
            if not isinstance(value, str | int | float | bool):
                raise ValueError(f"'{key}' wants one word or number, true or false (of one character: {key}.NAME)")
        return engine

    @field_validator("description")
    @classmethod
    def _shows_something(cls, description: str) -> str:
        if not description.strip():
            raise ValueError("a panel needs a description of its picture")
        return description

    @model_validator(mode="after")
    def _every_effect_translated(self) -> Panel:
        for tag, texts in self.effect_translations.items():
            if len(texts) != len(self.effects):
                raise ValueError(f"effect_translations: '{tag}' has {len(texts)} texts for {len(self.effects)} effects")
        return self


class Script(_Frozen):
    """A comic in words. `translations` maps a language tag to the title in that language."""

    version: int = SCRIPT_VERSION
    title: str = ""
    translations: Mapping[str, str] = Field(default_factory=dict)
    panels: tuple[Panel, ...] = ()


def load_script(path: Path | str) -> Script:
    """Reads a `script.yaml`, migrating older versions. Raises StoryError naming the line and value that do not fit."""
    from inkcast.story.script_file import read_script

    return read_script(Path(path))


def dump_script(script: Script) -> str:
    """The YAML of `script`: only what differs from the defaults, bare names where a character has only a name."""
    from inkcast.story.script_file import write_script

    return write_script(script)


def edit_script(text: str, script: Script) -> str:
    """`text` (the YAML of a script) changed to say what `script` says, keeping the comments and order in it."""
    from inkcast.story.script_file import merge_script

    return merge_script(text, script)


def script_json_schema() -> dict[str, Any]:
    """The JSON schema of `script.yaml`, for editors and other programs."""
    schema = Script.model_json_schema()
    presence = {"$ref": "#/$defs/Presence"}
    schema["$defs"]["Panel"]["properties"]["characters"]["items"] = {"anyOf": [{"type": "string"}, presence]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
