"""What may be chosen about AnyStory: strengths, and the ablations of the paper's figures 3, 4 and 6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast, get_args

from inkcast.engines.settings import Choice, Number, Setting, Settings, Switch

if TYPE_CHECKING:
    from inkcast.engines.engine import Member

RouterMode = Literal["refined", "coarse", "off"]

SUBJECT_SCALE = Setting("subject_scale", Number(), own=True)
REFERENCE_STRENGTH = Setting("reference_strength", Number(), own=True)
ROUTER = Setting("router", Choice(get_args(RouterMode)))
NEGATIVE_REFERENCE = Setting("negative_reference", Switch())
ONE_FIGURE = Setting("one_figure", Switch())
SETTINGS = (SUBJECT_SCALE, REFERENCE_STRENGTH, ROUTER, ONE_FIGURE, NEGATIVE_REFERENCE)


@dataclass(frozen=True)
class Options:
    """`subject_scale` is eta of eq. 5; `reference_strength` multiplies the weight of the reference columns (its
    logarithm is gamma of eq. 7). Zero switches the branch off: CLIP or ReferenceNet alone (Fig. 3).

    `router`: "coarse" stops before the masked cross-attention (Fig. 6); "off" lets every subject act everywhere
    (Fig. 4). `one_figure` holds each subject to one figure (figures.py); without it the router is the paper's alone.
    `negative_reference` keeps the reference columns in the negative guidance row.
    """

    subject_scale: float = 1.0
    reference_strength: float = 1.0
    router: RouterMode = "refined"
    one_figure: bool = True
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


def panel_options(options: Options, settings: Settings) -> Options:
    """The engine's options with those that a panel sets for all its members."""
    return replace(
        options,
        subject_scale=float(SUBJECT_SCALE.of(settings, options.subject_scale)),
        reference_strength=float(REFERENCE_STRENGTH.of(settings, options.reference_strength)),
        router=cast(RouterMode, ROUTER.of(settings, options.router)),
        one_figure=bool(ONE_FIGURE.of(settings, options.one_figure)),
        negative_reference=bool(NEGATIVE_REFERENCE.of(settings, options.negative_reference)),
    )


def strengths(settings: Settings, members: Sequence[Member]) -> Strengths:
    """From settings such as `subject_scale.Ann Lee` and `reference_strength.Ann Lee`; 1 where there is none."""
    columns = (
        tuple(float(strength.of(settings, 1.0, member.name)) for member in members)
        for strength in (SUBJECT_SCALE, REFERENCE_STRENGTH)
    )
    return Strengths(*columns)
