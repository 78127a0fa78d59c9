"""What may be chosen about StoryMaker: strengths, and the applications of its figures 4 and 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inkcast.engines.settings import Number, Setting, Settings, Somebody

if TYPE_CHECKING:
    from inkcast.engines.engine import Member

SCHEDULER, STEPS, GUIDANCE = "unipc", 25, 7.5  # section 5.1.2

SUBJECT_SCALE = Setting("subject_scale", Number())
CHARACTER_STRENGTH = Setting("character_strength", Number(), own=True)
FACE_STRENGTH = Setting("face_strength", Number(), own=True)
CLOTHES = Setting("clothes", Somebody(outfits=True), whole=False, own=True)
BLEND = Setting("blend", Somebody(), whole=False, own=True)
BLEND_WEIGHT = Setting("blend_weight", Number(most=1.0), whole=False, own=True)
SETTINGS = (SUBJECT_SCALE, CHARACTER_STRENGTH, FACE_STRENGTH, CLOTHES, BLEND, BLEND_WEIGHT)


@dataclass(frozen=True)
class Options:
    """`subject_scale` is gamma of eq. 3; `lora_scale` multiplies Delta W of eq. 8 as long as the engine is active."""

    subject_scale: float = 1.0
    lora_scale: float = 1.0


@dataclass(frozen=True)
class Look:
    """How one panel shows one member.

    `face` and `character` multiply E_1 and E_2: `character` 0 keeps the face alone (Fig. 4, stylised). `clothes` names
    who or which state E_2 is taken from (Fig. 5b); `blend` somebody to go towards by `weight` of the way (Fig. 5f).
    """

    state: str = ""
    face: float = 1.0
    character: float = 1.0
    clothes: str = ""
    blend: str = ""
    weight: float = 0.5


def look_of(member: Member, settings: Settings) -> Look:
    """From what a panel sets for all (`face_strength`, `character_strength`) and for this member."""
    return Look(
        state=member.state,
        face=_strength(FACE_STRENGTH, settings, member),
        character=_strength(CHARACTER_STRENGTH, settings, member),
        clothes=str(CLOTHES.of(settings, "", member.name)),
        blend=str(BLEND.of(settings, "", member.name)),
        weight=float(BLEND_WEIGHT.of(settings, 0.5, member.name)),
    )


def _strength(strength: Setting, settings: Settings, member: Member) -> float:
    return float(strength.of(settings, strength.of(settings, 1.0), member.name))
