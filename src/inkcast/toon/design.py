"""A character from words: what is given is kept, the rest follows from the name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from inkcast.errors import CastError
from inkcast.toon.world import ATTRIBUTES, COLORS, KINDS, THINGS, Look, Subject, Thing, choices


def _seeded(name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))


def _known(attribute: str, value: str, allowed: tuple[str, ...], of: str = "") -> str:
    if value not in allowed:
        raise CastError(f"{attribute} {value!r} is not drawn{of}; choose one of: {', '.join(allowed)}")
    return value


def design(name: str, given: Mapping[str, str]) -> Subject:
    """The look (or thing) called `name`: attributes in `given` as asked, all others chosen by the name.

    The same name and words give the same design. Keys are `world.ATTRIBUTES`, or kind, color and trim for a thing.

    Raises:
        CastError: an attribute the kind does not have, or a value that is not in its vocabulary.
    """
    rng = _seeded(name)
    kind = given.get("kind") or KINDS[int(rng.integers(len(KINDS)))]
    _known("kind", kind, KINDS + THINGS)
    attributes: tuple[str, ...] = ("kind", "color", "trim") if kind in THINGS else ATTRIBUTES
    if unknown := [key for key in given if key not in attributes]:
        raise CastError(f"a {kind} has no {unknown[0]!r}; it has: {', '.join(attributes[1:])}")
    values = {"kind": kind}
    for attribute in attributes[1:]:
        allowed = tuple(COLORS) if kind in THINGS else choices(attribute, kind)
        chance = allowed[int(rng.integers(len(allowed)))]
        values[attribute] = _known(attribute, given.get(attribute, chance), allowed, f" for a {kind}")
    return Thing(**values) if kind in THINGS else Look(**values)
