"""Random characters and scenes: deterministic from a generator, splits disjoint by construction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from inkcast.toon.world import (
    ATTRIBUTES,
    COLORS,
    INDOOR,
    KINDS,
    PLACES,
    SHOTS,
    SOLO_ACTIONS,
    STYLES,
    THINGS,
    TIMES,
    VIEWS,
    WEATHERS,
    Actor,
    Look,
    Scene,
    Split,
    Subject,
    Thing,
    choices,
    split_of,
)

_SHOT_ODDS = (0.62, 0.23, 0.15)
_VIEW_ODDS = (0.74, 0.16, 0.10)
_STYLE_ODDS = (0.60, 0.08, 0.08, 0.08, 0.08, 0.08)
_COUNT_ODDS = (0.42, 0.42, 0.11, 0.05)
_POOLS = {
    "wide": SOLO_ACTIONS,
    "medium": ("standing", "waving", "pointing", "cheering", "reading"),
    "close-up": ("standing", "waving", "cheering"),
}
_JOINT = {"shaking hands": 0.215, "hugging": 0.125, "passing a ball": 0.20}  # half the distance, in picture widths
_ADORNED = 0.75
_STAR_COUNT = 320
_STAR_SEED = 20_240_601


def _one(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def sample_look(rng: np.random.Generator, split: Split = "train", kind: str | None = None) -> Look:
    """A random look whose hash lies in `split`."""
    while True:
        chosen = kind or _one(rng, KINDS)
        accessory = _one(rng, choices("accessory")) if rng.random() < _ADORNED else "none"
        values = [_one(rng, choices(a, chosen)) for a in ATTRIBUTES[1:-1]]
        look = Look(**dict(zip(ATTRIBUTES, (chosen, *values, accessory), strict=True)))
        if split_of(look) == split:
            return look


def value_odds(attribute: str, kind: str) -> Mapping[str, float]:
    """How likely each value of an attribute is in a `sample_look` of this kind."""
    values = choices(attribute, kind)
    share = 1 / len(values)
    if attribute != "accessory":
        return dict.fromkeys(values, share)
    return {value: _ADORNED * share + (1 - _ADORNED) * (value == "none") for value in values}


def sample_thing(rng: np.random.Generator, split: Split = "train", kind: str | None = None) -> Thing:
    while True:
        color, trim = (_one(rng, tuple(COLORS)) for _ in range(2))
        thing = Thing(kind or _one(rng, THINGS), color, trim)
        if color != trim and split_of(thing) == split:
            return thing


@cache
def _stars() -> Mapping[str, Look]:
    rng = np.random.default_rng(_STAR_SEED)
    onsets = ("b", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z")
    firsts = [f"{a}{v}{b}{e}" for a in onsets for v in "aeiou" for b in ("l", "m", "n", "r", "v") for e in ("a", "o")]
    lasts = [
        f"{a}{v}{e}"
        for a in (*onsets, "br", "st", "gr", "th")
        for v in ("a", "e", "o", "ee")
        for e in ("ck", "rn", "ll", "st", "nd", "mm")
    ]
    rng.shuffle(firsts)
    rng.shuffle(lasts)
    names = [f"{first} {last}" for first, last in zip(firsts, lasts, strict=False)][:_STAR_COUNT]
    kinds = ("girl", "boy")
    return {name: sample_look(rng, "train", kinds[i % 2]) for i, name in enumerate(names)}


def stars() -> Mapping[str, Look]:
    """The named stars: 320 two-word lower-case names, no word used twice, each with one fixed human look."""
    return _stars()


def sample_scene(
    rng: np.random.Generator,
    split: Split = "train",
    *,
    count: int | None = None,
    actors: Sequence[Subject] | None = None,
    names: Sequence[str] = (),
    style: str | None = None,
    place: str | None = None,
    shot: str | None = None,
    action: str | None = None,
    star_share: float = 0.0,
) -> Scene:
    """A random scene of `split`: 1-4 actors, or exactly the given `actors` (with `names`), the rest at random."""
    subjects, called = _cast(rng, split, count, actors, names, star_share)
    people = [i for i, s in enumerate(subjects) if isinstance(s, Look)]
    shot = shot or str(rng.choice(SHOTS, p=_SHOT_ODDS))
    if len(subjects) > 2 and shot == "close-up":
        shot = "medium"
    actions = _actions(rng, len(people), shot, action)
    if actions and actions[0] in _JOINT and shot == "close-up":
        shot = "medium"
    elif action in SOLO_ACTIONS and action not in _POOLS[shot]:
        shot = "wide"
    style = style or str(rng.choice(STYLES, p=_STYLE_ODDS))
    place = place or _one(rng, PLACES)
    indoors = place in INDOOR
    weather = "clear" if indoors or place == "moon" or rng.random() < 0.7 else _one(rng, WEATHERS[1:])
    time = "day" if place == "moon" else str(rng.choice(TIMES, p=(0.55, 0.15, 0.30)))
    placed = _place(rng, subjects, called, people, actions, shot)
    return Scene(tuple(placed), place, time, weather, shot, style, int(rng.integers(2**31)))


def _cast(
    rng: np.random.Generator,
    split: Split,
    count: int | None,
    actors: Sequence[Subject] | None,
    names: Sequence[str],
    star_share: float,
) -> tuple[list[Subject], list[str]]:
    if actors is not None:
        return list(actors), list(names) + [""] * (len(actors) - len(names))
    count = count or 1 + int(rng.choice(4, p=_COUNT_ODDS))
    subjects: list[Subject] = []
    called: list[str] = []
    for index in range(count):
        if rng.random() < star_share:
            name = _one(rng, tuple(stars()))
            subjects.append(stars()[name])
            called.append(name)
        elif rng.random() < (0.06 if index == 0 else 0.14):
            subjects.append(sample_thing(rng, split))
            called.append("")
        else:
            subjects.append(sample_look(rng, split))
            called.append("")
    return subjects, called


def _actions(rng: np.random.Generator, people: int, shot: str, wanted: str | None) -> list[str]:
    """An action for each person; a joint action takes exactly the first two of two."""
    if people == 0:
        return []
    if wanted in _JOINT or (wanted is None and people == 2 and rng.random() < 0.42):
        return [wanted or _one(rng, tuple(_JOINT))] * people
    pool = _POOLS[shot]
    if wanted is not None:
        return [wanted] * people
    if rng.random() < 0.4:
        return [_one(rng, pool)] * people
    return [_one(rng, pool) for _ in range(people)]


def _slots(rng: np.random.Generator, n: int, shot: str) -> np.ndarray:
    """Middles of `n` subjects from left to right, as fractions of the width, in random order."""
    reach = {1: 0.0, 2: 0.23, 3: 0.32, 4: 0.36}[n] * (1.0 if shot == "wide" else 1.06)
    xs = np.linspace(0.5 - reach, 0.5 + reach, n) + rng.uniform(-0.035, 0.035, n) * (2.2 if n == 1 else 1)
    return rng.permutation(xs)


def _place(
    rng: np.random.Generator,
    subjects: list[Subject],
    names: list[str],
    people: list[int],
    actions: list[str],
    shot: str,
) -> list[Actor]:
    n = len(subjects)
    xs = _slots(rng, n, shot)
    joint = bool(actions) and actions[0] in _JOINT
    size = float(rng.uniform(0.92, 1.06)) * {1: 1.0, 2: 1.0, 3: 0.86, 4: 0.76}[n]
    if joint:
        middle, half = float(rng.uniform(0.47, 0.53)), _JOINT[actions[0]] * (1.0 if shot == "wide" else 1.25)
        swap = 1 if rng.random() < 0.5 else -1
        for k, i in enumerate(people[:2]):
            xs[i] = middle + (half if k else -half) * swap
    placed = []
    for i, subject in enumerate(subjects):
        x = float(xs[i])
        if i not in people:
            placed.append(Actor(subject, "standing", x, 1 if rng.random() < 0.5 else -1, "front", size, -1, names[i]))
            continue
        act = actions[people.index(i)]
        view = "front" if act in _JOINT else str(rng.choice(VIEWS, p=_VIEW_ODDS))
        if act in ("running", "walking"):
            view = "side" if rng.random() < 0.7 else "front"
        if view == "back" and (act == "reading" or shot == "close-up"):
            view = "front"
        inward = 1 if x < 0.5 else -1
        facing = inward if act in _JOINT or rng.random() < 0.7 else -inward
        own = size * float(rng.uniform(0.95, 1.05))
        placed.append(Actor(subject, act, x, facing, view, own, int(rng.integers(0, 3)), names[i]))
    return placed
