"""Who a comic is about: a character, the pictures that show them, and what an engine made of those pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NewType

from inkcast.images import Reference

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Character", "CharacterId", "Identity", "Pronoun", "Reference", "State", "View"]

CharacterId = NewType("CharacterId", str)
Pronoun = Literal["she", "he", "they", "it"]
View = Literal["front", "side", "back", "close-up"]


@dataclass(frozen=True)
class State:
    """An outfit or age state that a script may ask for: "armour", "as a child". `description` goes into the prompt."""

    name: str
    description: str = ""


@dataclass(frozen=True)
class Character:
    """A member of the cast. `pronouns` is a subject pronoun ("she", "he", "they", "it") or empty if unknown."""

    id: CharacterId
    name: str
    references: tuple[Reference, ...]
    pronouns: str = ""
    aliases: tuple[str, ...] = ()
    description: str = ""
    states: tuple[State, ...] = ()

    @property
    def usual_references(self) -> tuple[Reference, ...]:
        """Those that show no particular outfit or age; all, where every one does."""
        return tuple(reference for reference in self.references if not reference.state) or self.references


@dataclass(frozen=True)
class Identity:
    """What an engine's `encode` made of a character: named tensors, and the digest of the weights that made them."""

    engine: str
    weights_digest: str
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
