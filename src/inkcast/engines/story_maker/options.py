"""What may be chosen about StoryMaker: strengths, and the applications of its figures 4 and 5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inkcast.engines.engine import Member, Setting
from inkcast.errors import EngineError

SCHEDULER, STEPS, GUIDANCE = "unipc", 25, 7.5  # section 5.1.2


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


def look_of(member: Member, settings: Mapping[str, Setting]) -> Look:
    """From a panel's settings `face_strength`, `character_strength` (for all, or `….NAME` for one member),
    `clothes.NAME`, `blend.NAME` and `blend_weight.NAME`."""
    return Look(
        state=member.state,
        face=_own(settings, "face_strength", member),
        character=_own(settings, "character_strength", member),
        clothes=_word(settings, f"clothes.{member.name}"),
        blend=_word(settings, f"blend.{member.name}"),
        weight=number(settings, f"blend_weight.{member.name}", 0.5, most=1.0),
    )


def _own(settings: Mapping[str, Setting], name: str, member: Member) -> float:
    return number(settings, f"{name}.{member.name}", number(settings, name, 1.0))


def _word(settings: Mapping[str, Setting], name: str) -> str:
    value = settings.get(name, "")
    if not isinstance(value, str):
        raise EngineError(f"{name} is {value!r}: name a character of the cast, or an outfit of this one")
    return value


def number(settings: Mapping[str, Setting], name: str, otherwise: float, most: float = 10.0) -> float:
    """A setting as a number from 0 to `most`; raises `EngineError` for anything else."""
    value = settings.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        raise EngineError(f"{name} is {value!r}: use a number from 0 (off) to {most:g}")
    return float(value)
