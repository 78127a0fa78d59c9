"""What a job can be asked to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from inkcast.errors import StudioError

Format = Literal["pdf", "cbz", "epub", "html", "png", "svg", "webp", "comic"]
MOST_CANDIDATES = 16
MOST_STEPS = 20_000


@dataclass(frozen=True)
class DrawComic:
    """Every panel that is not locked; with `missing_only`, those without a picture."""

    missing_only: bool = False


@dataclass(frozen=True)
class RedrawPanels:
    """Panels by id, again, with other seeds: one candidate becomes the panel's picture, of several the author chooses.

    `seed` is the first candidate's; by default one that follows from the seeds that were used.
    """

    panels: tuple[str, ...]
    candidates: int = 1
    seed: int | None = None


@dataclass(frozen=True)
class LearnIdentity:
    """A face as words, for stable-identity; `character` is a name in the owner's cast library."""

    character: str
    base: str = "toon"
    steps: int = 500


@dataclass(frozen=True)
class Export:
    """The comic as it stands, as a file; "comic" is the whole folder as  inkcast make  writes it."""

    format: Format = "pdf"


Task = DrawComic | RedrawPanels | LearnIdentity | Export
KINDS: dict[str, Callable[..., Task]] = {
    "draw": DrawComic,
    "redraw": RedrawPanels,
    "learn": LearnIdentity,
    "export": Export,
}


def kind_of(task: Task) -> str:
    return next(kind for kind, made in KINDS.items() if made is type(task))


def dump_task(task: Task) -> str:
    return json.dumps(asdict(task))


def load_task(kind: str, text: str) -> Task:
    facts: dict[str, Any] = json.loads(text)
    if "panels" in facts:
        facts["panels"] = tuple(facts["panels"])
    return KINDS[kind](**facts)


def check_task(task: Task) -> None:
    """Raises StudioError for what no job can do."""
    match task:
        case RedrawPanels(panels, candidates, seed):
            if not panels or len(set(panels)) != len(panels):
                raise StudioError("name the panels to draw again, each once")
            if not 1 <= candidates <= MOST_CANDIDATES:
                raise StudioError(f"{candidates} candidates: ask for 1 to {MOST_CANDIDATES}")
            if seed is not None and not 0 <= seed < 2**32 - MOST_CANDIDATES:
                raise StudioError(f"seed {seed}: give one from 0 to {2**32 - MOST_CANDIDATES - 1}")
        case LearnIdentity(steps=steps):
            if not 1 <= steps <= MOST_STEPS:
                raise StudioError(f"{steps} steps of learning: take 1 to {MOST_STEPS}")
        case Export(form):
            if form not in get_args(Format):
                raise StudioError(f"unknown format {form!r}: use one of {', '.join(get_args(Format))}")
