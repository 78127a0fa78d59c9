"""The vocabulary of the drawn world: who can be in it, what they look like, what they do, and where.

Everything is a frozen dataclass of plain words: a look is hashed, captioned, classified and drawn from one source.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Literal

HUMANS = ("girl", "boy")
CREATURES = ("cat", "bear", "rabbit", "robot", "dinosaur", "alien")
KINDS = HUMANS + CREATURES
THINGS = ("bag", "lantern", "car", "balloon")

SKINS = {
    "porcelain": (255, 230, 214),
    "fair": (250, 208, 178),
    "peach": (240, 178, 138),
    "golden": (222, 160, 96),
    "tan": (194, 130, 82),
    "brown": (154, 94, 58),
    "umber": (114, 66, 42),
    "ebony": (76, 44, 32),
}
FURS = {
    "white": (244, 242, 238),
    "gray": (158, 164, 174),
    "brown": (146, 94, 56),
    "orange": (240, 146, 56),
    "yellow": (246, 214, 84),
    "green": (118, 188, 96),
    "blue": (104, 156, 226),
    "pink": (246, 160, 188),
}
COLORS = {
    "red": (214, 52, 52),
    "orange": (242, 140, 40),
    "yellow": (248, 212, 60),
    "green": (66, 158, 84),
    "blue": (54, 104, 206),
    "purple": (136, 78, 178),
    "black": (52, 52, 62),
    "white": (244, 244, 240),
}
HAIR_COLORS = {
    "black": (44, 40, 48),
    "brown": (116, 70, 40),
    "blond": (246, 208, 104),
    "red": (200, 72, 36),
    "silver": (206, 210, 220),
    "blue": (70, 122, 214),
    "green": (74, 164, 98),
    "pink": (240, 118, 172),
}
EYE_COLORS = {
    "black": (30, 28, 36),
    "brown": (112, 62, 28),
    "blue": (44, 112, 220),
    "green": (38, 146, 74),
    "violet": (132, 66, 190),
    "red": (206, 40, 44),
    "amber": (226, 150, 24),
    "gray": (126, 134, 146),
}
FACES = ("round", "long", "wide")
HAIRS = ("short", "long", "bob", "curly", "ponytail", "pigtails", "bun", "mohawk", "spiky", "afro", "braids", "bowl")
EARS = ("upright", "floppy", "round", "tufted")
PATTERNS = ("plain", "striped", "dotted", "checked", "starred", "banded")
BOTTOMS = ("trousers", "shorts", "skirt")
ACCESSORIES = ("none", "glasses", "cap", "scarf", "bow", "crown", "headphones", "flower", "eyepatch")

PLACES = (
    "beach",
    "forest",
    "street",
    "park",
    "desert",
    "mountains",
    "moon",
    "cave",
    "kitchen",
    "bedroom",
    "library",
    "castle",
)
INDOOR = ("cave", "kitchen", "bedroom", "library", "castle")
SKYLESS = (*INDOOR, "moon")
TIMES = ("day", "sunset", "night")
WEATHERS = ("clear", "rain", "snow")
SOLO_ACTIONS = (
    "standing",
    "walking",
    "running",
    "waving",
    "pointing",
    "sitting",
    "reading",
    "jumping",
    "dancing",
    "cheering",
)
JOINT_ACTIONS = ("shaking hands", "hugging", "passing a ball")
ACTIONS = SOLO_ACTIONS + JOINT_ACTIONS
SHOTS = ("wide", "medium", "close-up")
VIEWS = ("front", "side", "back")
STYLES = ("flat", "line art", "pastel", "noir", "pixel", "watercolor")
COLORED_STYLES = ("flat", "pastel", "pixel", "watercolor")
MAX_ACTORS = 4

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Look:
    """A character's fixed appearance. `body` is a skin (humans) or fur (creatures); `hair` a hair or an ear style."""

    kind: str
    body: str
    face: str
    hair: str
    hair_color: str
    eyes: str
    top: str
    pattern: str
    bottom: str
    bottom_color: str
    accessory: str

    @property
    def human(self) -> bool:
        return self.kind in HUMANS


@dataclass(frozen=True)
class Thing:
    """A referenceable object: its main colour and the colour of its trim."""

    kind: str
    color: str
    trim: str


Subject = Look | Thing


@dataclass(frozen=True)
class Actor:
    """A subject in a scene. `x`: its middle as a fraction of the width; `facing` +1 looks right; `depth` 0 is nearest.

    `name` is what captions call the subject; empty means by kind alone.
    """

    subject: Subject
    action: str = "standing"
    x: float = 0.5
    facing: int = 1
    view: str = "front"
    size: float = 1.0
    depth: int = 0
    name: str = ""


@dataclass(frozen=True)
class Scene:
    """One picture in words. A joint action is the `action` of each who takes part; `seed` fixes the decoration."""

    actors: tuple[Actor, ...]
    place: str = "park"
    time: str = "day"
    weather: str = "clear"
    shot: str = "wide"
    style: str = "flat"
    seed: int = 0


def choices(attribute: str, kind: str | None = None) -> tuple[str, ...]:
    """The values `Look.<attribute>` can take, for one kind or for all; `ValueError` for an unknown attribute."""
    human = kind in HUMANS
    table: dict[str, tuple[str, ...]] = {
        "kind": KINDS,
        "face": FACES,
        "hair_color": tuple(HAIR_COLORS),
        "eyes": tuple(EYE_COLORS),
        "top": tuple(COLORS),
        "pattern": PATTERNS,
        "bottom": BOTTOMS,
        "bottom_color": tuple(COLORS),
        "accessory": ACCESSORIES,
    }
    if attribute == "body":
        both = tuple(SKINS) + tuple(fur for fur in FURS if fur not in SKINS)
        return both if kind is None else tuple(SKINS) if human else tuple(FURS)
    if attribute == "hair":
        both = HAIRS + tuple(ear for ear in EARS if ear not in HAIRS)
        return both if kind is None else HAIRS if human else EARS
    if attribute not in table:
        raise ValueError(f"unknown attribute {attribute!r}; known: {', '.join(ATTRIBUTES)}")
    return table[attribute]


ATTRIBUTES = tuple(f.name for f in fields(Look))


def split_of(subject: Subject) -> Split:
    """Train, validation or test, by a hash of the appearance itself: the splits are disjoint by construction."""
    digest = hashlib.sha256(repr(subject).encode()).digest()[0]
    return "test" if digest < 26 else "validation" if digest < 52 else "train"
