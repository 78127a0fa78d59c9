"""Who a comic is about: a character, the pictures that show them, and what an engine made of those pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

CharacterId = NewType("CharacterId", str)


@dataclass(frozen=True)
class Reference:
    """One picture of a character.

    `image` is RGB or RGBA as `inkcast.images.open_picture` returned it (alpha, where present, cuts the subject out);
    `mask` (mode "L", same size, 255 = subject) overrides what segmentation would find; `digest` is the SHA-256 of the
    file's bytes; `source` says where the picture came from, for messages.
    """

    image: Image.Image
    digest: str
    source: str = ""
    view: str = "front"
    mask: Image.Image | None = None


@dataclass(frozen=True)
class Character:
    """A member of the cast. `pronouns` is a subject pronoun ("she", "he", "they", "it") or empty if unknown."""

    id: CharacterId
    name: str
    references: tuple[Reference, ...]
    pronouns: str = ""
    aliases: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Identity:
    """What an engine's `encode` made of a character: named tensors, and the digest of the weights that made them."""

    engine: str
    weights_digest: str
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
