"""What a studio answers, as data. Fields that a newer studio adds are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

Made = TypeVar("Made")

FINAL = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Reference:
    """A picture of a character; `id` is the SHA-256 of its file."""

    id: str
    view: str
    state: str
    source: str
    consent: str
    masked: bool


@dataclass(frozen=True)
class Character:
    """`states` are outfits and ages by name, with their words; `identities` the engines that have learned it."""

    id: str
    name: str
    aliases: tuple[str, ...]
    pronouns: str
    description: str
    states: Mapping[str, str]
    references: tuple[Reference, ...]
    identities: tuple[str, ...]


@dataclass(frozen=True)
class Parsed:
    """A story's script (as in script.yaml), and what the parser had to choose, a sentence each."""

    script: Mapping[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Candidate:
    """A drawn picture of a panel. `picture` and `routes` (the picture, then where each of `characters` acted, the
    background last; None where the engine does not say) are names for `Studio.picture`.
    """

    id: str
    seed: int
    prompt: str
    engine: str
    picture: str
    routes: str | None
    characters: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    """`script` is its part of the script; `chosen` the id of the candidate that the comic shows."""

    id: str
    number: int
    script: Mapping[str, Any]
    candidates: tuple[Candidate, ...]
    chosen: str | None
    locked: bool
    pose: str | None


@dataclass(frozen=True)
class ProjectEntry:
    """A project as it is listed."""

    id: str
    title: str
    panels: int
    drawn: int


@dataclass(frozen=True)
class Project:
    id: str
    title: str
    story: str
    script: Mapping[str, Any]
    cast: tuple[str, ...]
    drawing: Mapping[str, Any]
    page: Mapping[str, Any]
    panels: tuple[Panel, ...]
    revision: int


@dataclass(frozen=True)
class Job:
    """Long work: `kind` is draw, redraw, learn or export; `state` queued, running, paused, done, failed, cancelled.

    `fraction` (0..1) is how much is done, `eta` an estimate of the seconds left, `error` why it failed.
    """

    id: str
    project: str | None
    kind: str
    state: str
    position: int | None
    stage: str
    panel: int | None
    panels_done: int
    panels: int
    fraction: float
    eta: float | None
    error: str
    notes: tuple[str, ...]
    version: int

    @property
    def final(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True)
class File:
    """A file that a job made; `size` in bytes."""

    name: str
    size: int
    media_type: str


def made(kind: type[Made], told: Mapping[str, Any], **more: Any) -> Made:
    """`kind` from JSON: its own fields only, lists as tuples, `more` in place of what was told."""
    known = {field.name: told.get(field.name) for field in fields(kind)} | more  # type: ignore[arg-type]
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()})


def character_of(told: Mapping[str, Any]) -> Character:
    states = {state["name"]: state["description"] for state in told["states"]}
    return made(Character, told, states=states, references=[made(Reference, one) for one in told["references"]])


def panel_of(told: Mapping[str, Any]) -> Panel:
    return made(Panel, told, candidates=[made(Candidate, one) for one in told["candidates"]])


def project_of(told: Mapping[str, Any]) -> Project:
    return made(Project, told, panels=[panel_of(one) for one in told["panels"]])
