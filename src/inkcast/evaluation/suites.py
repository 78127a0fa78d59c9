"""A suite: what every engine is asked to draw, the drawn pictures kept on disk, and how they are scored.

Pictures are kept under a key of all that decides them, so that a run that was stopped goes on where it was, and one
that is repeated draws nothing. They are drawn in fixed groups: a picture does not depend on what was drawn before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.cast.identities import references_digest
from inkcast.engines.engine import Conditioning, Engine, PanelPrompt, Style
from inkcast.evaluation.batches import Batching, draw_all
from inkcast.evaluation.toon_words import plain
from inkcast.images import open_picture, save_png
from inkcast.sdxl.backbone import Backbone

PLAIN = "text-only"
STYLE = Style()  # prompts of suites carry their own words of style
Picture = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Commission:
    """One picture that is asked for. `section` is the table it counts in; `cluster` whom it shares a cast with, `block`
    what it shares all but the cast with."""

    key: str
    cast: tuple[Character, ...]
    panel: PanelPrompt
    seed: int
    section: str = ""
    cluster: str = ""
    block: str = ""

    @property
    def unit(self) -> str:
        """What intervals take whole: pictures of one are not independent."""
        return self.block or self.cluster or self.key

    @property
    def words(self) -> str:
        return self.panel.wording(STYLE)


@dataclass(frozen=True)
class Seen:
    """What judges say of one picture: numbers by metric (NaN: not asked).

    `vectors` are those of the people matched to members, `references` [n, d] those of these members' references,
    `members` each member's own numbers by metric.
    """

    scores: Mapping[str, float]
    vectors: Mapping[CharacterId, np.ndarray] = field(default_factory=dict)
    references: Mapping[CharacterId, np.ndarray] = field(default_factory=dict)
    members: Mapping[CharacterId, Mapping[str, float]] = field(default_factory=dict)


class Scorer(Protocol):
    """`load` makes all that scoring needs ready: what is missing is known before anything is drawn."""

    def load(self) -> None: ...

    def score(self, commissions: Sequence[Commission], pictures: Sequence[Picture]) -> list[Seen]: ...


class Painter(Protocol):
    """Draws commissions. `digest` stands for all beside the commission that decides a picture."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def group(self) -> int:
        """How many are drawn together."""
        ...

    def paint(self, commissions: Sequence[Commission]) -> list[Picture]: ...


@dataclass(frozen=True)
class Suite:
    """`about` says in the report what is measured and on whose characters. `chance`: what a commission's picture would
    have by chance, by its key and metric, where that is known."""

    name: str
    commissions: tuple[Commission, ...]
    about: str = ""
    chance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of everybody's references, all words and seeds."""
        cast = {id(member): member for one in self.commissions for member in one.cast}
        looks = {key: references_digest(member.references) for key, member in cast.items()}
        rows = [[one.key, one.words, one.seed, *(looks[id(member)] for member in one.cast)] for one in self.commissions]
        return _digest({"commissions": rows})


@dataclass
class BasePainter:
    """A base with an engine, or by words alone; identities are encoded once per character."""

    base: Backbone
    engine: Engine | None
    batching: Batching
    identities: dict[str, Identity] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return PLAIN if self.engine is None else self.engine.name

    @property
    def digest(self) -> str:
        engine = "" if self.engine is None else str(getattr(self.engine, "digest", ""))
        facts: dict[str, Any] = {"base": self.base.digest, "dtype": str(self.base.dtype), "engine": engine}
        facts |= changed_options(self.engine) | way_of_learning(self.engine, self.base)
        return _digest({**facts, **asdict(self.batching.of(self.engine, self.base))})

    @property
    def group(self) -> int:
        return self.batching.size

    def paint(self, commissions: Sequence[Commission]) -> list[Picture]:
        with nullcontext() if self.engine is None else self.engine.active():
            made = [self._condition(one) for one in commissions]
            batching = self.batching.of(self.engine, self.base)
            return list(draw_all(self.base, made, [one.seed for one in commissions], batching))

    def _condition(self, commission: Commission) -> Conditioning:
        if self.engine is None:
            return plain(self.base, commission.words)
        return self.engine.condition(commission.panel, {one.id: self._identity(one) for one in commission.cast}, STYLE)

    def _identity(self, character: Character) -> Identity:
        assert self.engine is not None
        key = references_digest(character.references)
        if key not in self.identities:
            self.identities[key] = self.engine.encode(character)
        return self.identities[key]


def changed_options(engine: Engine | None) -> dict[str, Any]:
    """What of an engine's options is not as usual."""
    options = getattr(engine, "options", None)
    if options is None:
        return {}
    return {name: value for name, value in asdict(options).items() if value != asdict(type(options)())[name]}


def way_of_learning(engine: Engine | None, base: Backbone) -> dict[str, Any]:
    """Of an engine that learns faces, all that decides what it learns."""
    learning, fame = getattr(engine, "learning", None), getattr(engine, "fame", None)
    if learning is None:
        return {}
    return {"learning": {"steps": learning.steps, **learning.facts(base.family, fame)}}


def picture_key(painter: Painter, commission: Commission) -> str:
    """All that decides a picture, in 24 hexadecimal digits."""
    return _digest(
        {
            "painter": [painter.name, painter.digest],
            "words": commission.words,
            "parts": list(commission.panel.parts),
            "settings": dict(commission.panel.settings),
            "boxes": [[member.id, member.box] for member in commission.panel.members],
            "cast": [[one.id, references_digest(one.references)] for one in commission.cast],
            "seed": commission.seed,
        }
    )


def picture_path(folder: Path, painter: Painter, commission: Commission) -> Path:
    return folder / painter.name / f"{picture_key(painter, commission)}.png"


def painted(
    suite: Suite, painter: Painter, folder: Path, progress: Callable[[int], None] = lambda done: None
) -> list[Path]:
    """Where each commission's picture lies; what is not there yet is drawn, whole groups at a time.

    `progress` is called with the number of pictures that are there. A group is drawn again if one of it is missing.
    """
    paths = [picture_path(folder, painter, one) for one in suite.commissions]
    for start in range(0, len(paths), painter.group):
        part = slice(start, start + painter.group)
        if not all(path.is_file() for path in paths[part]):
            drawn = painter.paint(suite.commissions[part])
            for path, picture in zip(paths[part], drawn, strict=True):
                save_png(Image.fromarray(picture), path)
        progress(min(start + painter.group, len(paths)))
    return paths


def read(path: Path) -> Picture:
    return np.asarray(open_picture(path).convert("RGB"))


def scored(
    suite: Suite,
    scorer: Scorer,
    paths: Sequence[Path],
    progress: Callable[[int], None] = lambda done: None,
    at: int = 32,
) -> list[Seen]:
    """What the scorer sees in each commission's picture, `at` a time."""
    seen: list[Seen] = []
    for start in range(0, len(paths), at):
        part = slice(start, start + at)
        seen += scorer.score(suite.commissions[part], [read(path) for path in paths[part]])
        progress(len(seen))
    return seen


def _digest(facts: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:24]
