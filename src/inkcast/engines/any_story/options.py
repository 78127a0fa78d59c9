"""What may be chosen about AnyStory: strengths, and the ablations of the paper's figures 3, 4 and 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from inkcast.engines.engine import Member, Setting
from inkcast.errors import EngineError

RouterMode = Literal["refined", "coarse", "off"]


@dataclass(frozen=True)
class Options:
    """`subject_scale` is eta of eq. 5; `reference_strength` multiplies the weight of the reference columns (its
    logarithm is gamma of eq. 7). Zero switches the branch off: CLIP or ReferenceNet alone (Fig. 3).

    `router`: "coarse" stops before the masked cross-attention (Fig. 6); "off" lets every subject act everywhere
    (Fig. 4). `negative_reference` keeps the reference columns in the negative guidance row.
    """

    subject_scale: float = 1.0
    reference_strength: float = 1.0
    router: RouterMode = "refined"
    negative_reference: bool = False

    @property
    def reads_tokens(self) -> bool:
        return self.subject_scale > 0

    @property
    def reads_reference(self) -> bool:
        return self.reference_strength > 0

    @property
    def acts(self) -> bool:
        return self.reads_tokens or self.reads_reference


@dataclass(frozen=True)
class Strengths:
    """Each subject's own factor on both strengths, in the panel's order."""

    subjects: tuple[float, ...]
    references: tuple[float, ...]


def panel_options(options: Options, settings: Mapping[str, Setting]) -> Options:
    """The engine's options with a panel's `subject_scale`, `reference_strength` and `router`."""
    changes: dict[str, float | str] = {
        name: _strength(settings, name) for name in ("subject_scale", "reference_strength") if name in settings
    }
    if "router" in settings:
        if settings["router"] not in get_args(RouterMode):
            raise EngineError(f"router is {settings['router']!r}: use one of {', '.join(get_args(RouterMode))}")
        changes["router"] = cast(RouterMode, settings["router"])
    return replace(options, **changes)  # type: ignore[arg-type]


def strengths(settings: Mapping[str, Setting], members: Sequence[Member]) -> Strengths:
    """From settings such as `subject_scale.Ann Lee` and `reference_strength.Ann Lee`; 1 where there is none."""
    columns = (
        tuple(_strength(settings, f"{kind}.{member.name}") for member in members)
        for kind in ("subject_scale", "reference_strength")
    )
    return Strengths(*columns)


def _strength(settings: Mapping[str, Setting], name: str) -> float:
    value = settings.get(name, 1.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 10:
        raise EngineError(f"{name} is {value!r}: use a number from 0 (off) to 10; 1 is usual")
    return float(value)
