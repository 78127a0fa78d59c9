"""The script: what each panel shows and who says what. The one document between a story and its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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
    """A cast member in a panel. `box` asks for a place; `state` names an outfit or age state of the character."""

    name: str
    action: str = ""
    state: str = ""
    box: Box | None = None


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
    translations: Mapping[str, str] = Field(default_factory=dict)  # of the caption


class Script(_Frozen):
    version: int = SCRIPT_VERSION
    title: str = ""
    panels: tuple[Panel, ...] = ()
