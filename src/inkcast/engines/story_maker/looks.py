"""What a panel makes of identities: outfits, clothes of somebody else, faces alone, somebody in between (Fig. 4-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inkcast.cast.character import CharacterId, Identity
from inkcast.engines.engine import Member
from inkcast.engines.identity import Shape
from inkcast.engines.story_maker.encoder import PerceiverSize
from inkcast.engines.story_maker.options import Look
from inkcast.errors import EngineError
from inkcast.images import Reference

FACE, CHARACTER = "face", "character"
Cast = Mapping[CharacterId, Identity]


@dataclass(frozen=True)
class Embedded:
    """E_1 [1, face tokens, channels] and E_2 [1, queries, channels] of one character in one panel."""

    face: Tensor
    character: Tensor


def by_state(references: Sequence[Reference]) -> Mapping[str, list[Reference]]:
    """The usual look under "" (all references, where none shows it), then each other outfit or age."""
    usual = [reference for reference in references if not reference.state]
    groups: dict[str, list[Reference]] = {"": usual or list(references)}
    for reference in references:
        if reference.state:
            groups.setdefault(reference.state.casefold(), []).append(reference)
    return groups


def key_of(part: str, state: str) -> str:
    """The name of E_1 or E_2 of a state in an `Identity`."""
    return f"{part}/{state.casefold()}" if state else part


def shapes(identity: Identity, size: PerceiverSize) -> Mapping[str, Shape]:
    """Of the usual E_2, which everybody has, and of each further E_1 and E_2 that the identity holds."""
    channels = size.character.out_channels
    parts = {FACE: (1, size.face_tokens, channels), CHARACTER: (1, size.character.queries, channels)}
    others = {name: parts[part] for name in identity.tensors if (part := name.partition("/")[0]) in parts}
    return {CHARACTER: parts[CHARACTER], **others}


def embedded(identity: Identity, state: str, size: PerceiverSize) -> Embedded:
    """E_1 and E_2 of a state, else of the usual one; E_1 is zero where no face was found."""
    channels, pair = size.character.out_channels, []
    for part, tokens in ((FACE, size.face_tokens), (CHARACTER, size.character.queries)):
        stored = identity.tensors.get(key_of(part, state), identity.tensors.get(part))
        pair.append(torch.zeros(1, tokens, channels) if stored is None else stored)
    return Embedded(*pair)


@dataclass(frozen=True)
class Looking:
    """A member in one panel: whose clothes are worn and who is blended in are ids of the cast, if they are anybody."""

    who: CharacterId
    name: str
    look: Look
    donor: CharacterId | None
    other: CharacterId | None

    @property
    def everybody(self) -> tuple[CharacterId, ...]:
        """Whose identities are read."""
        return tuple(who for who in (self.who, self.donor, self.other) if who is not None)

    def embedded(self, cast: Cast, size: PerceiverSize) -> Embedded:
        """Raises `EngineError` if the look names somebody or something that is not there."""
        own = embedded(cast[self.who], self.look.state, size)
        own = Embedded(own.face, self._clothes(own, cast, size))
        if self.look.blend:
            own = self._blended(own, cast, size)
        return Embedded(own.face * self.look.face, own.character * self.look.character)

    def _clothes(self, own: Embedded, cast: Cast, size: PerceiverSize) -> Tensor:
        name, who = self.look.clothes, self.name
        if not name:
            return own.character
        if self.donor is not None:
            return embedded(cast[self.donor], "", size).character
        if key_of(CHARACTER, name) not in cast[self.who].tensors:
            raise EngineError(
                f"clothes.{who} is {name!r}, which is nobody of the cast and no outfit of {who}: add a reference for it"
            )
        return embedded(cast[self.who], name, size).character

    def _blended(self, own: Embedded, cast: Cast, size: PerceiverSize) -> Embedded:
        if self.other is None:
            raise EngineError(
                f"blend.{self.name} is {self.look.blend!r}, who is not in the cast: add them, or leave it out"
            )
        there, weight = embedded(cast[self.other], "", size), self.look.weight
        return Embedded(torch.lerp(own.face, there.face, weight), torch.lerp(own.character, there.character, weight))


def looking(member: Member, look: Look, names: Mapping[str, CharacterId], cast: Cast) -> Looking:
    """`names` (casefolded) are of whoever the engine has met; an id of the cast will do too."""

    def find(name: str) -> CharacterId | None:
        who = names.get(name.casefold(), CharacterId(name)) if name else None
        return who if who in cast else None

    return Looking(member.id, member.name, look, find(look.clothes), find(look.blend))
