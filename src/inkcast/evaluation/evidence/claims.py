"""What the papers claim, and how each claim is put to the test on unseen drawn characters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from inkcast.engines.any_story.options import RouterMode
from inkcast.engines.engine import Engine
from inkcast.engines.stable_identity.learn import Learning
from inkcast.errors import UsageError
from inkcast.evaluation.evidence import lab as labs
from inkcast.evaluation.evidence.casts import (
    action_cases,
    face_cases,
    kind_cases,
    look_alikes,
    pair_cases,
    single_cases,
    usual_cases,
)
from inkcast.evaluation.evidence.lab import Lab
from inkcast.evaluation.suites import PLAIN
from inkcast.evaluation.toon_looks import LookCase

SD_LIKE = "like SD 2.1"

FACES = ("face_looks", "looks", "place", "action")

Cases = Callable[[Lab], Mapping[str, LookCase]]


@dataclass(frozen=True)
class Arm:
    """One side of a comparison. `make` builds the engine from `run`'s weights (None: the run needs none, or the lab is
    untrained); `training` is what makes the run, after `inkcast train`."""

    name: str
    make: Callable[[Lab, Path | None], Engine]
    engine: str = ""
    run: str = ""
    training: str = ""

    def weights(self, lab: Lab) -> Path | None:
        return None if lab.untrained or not self.run else lab.weights(self.engine, self.run)

    def lacks(self, lab: Lab) -> str:
        """What to do before this arm can be measured; empty where nothing is missing."""
        if self.name == SD_LIKE and lab.other_base is None:
            return "a toon base of family sd: give --sd-base"
        if lab.untrained or not self.run or self.weights(lab) is not None:
            return ""
        return f"inkcast train {self.training}"


@dataclass(frozen=True)
class Claim:
    """`says` is what the paper shows; `chief` the metrics that decide, in the order of the table.

    Pictures are compared one by one with those of the last arm, or of `against`. `count` is how many are drawn where
    nothing is asked. `truth` shows the oracle also the drawn world's own pictures: what could be reached.
    `blocks`: its cases come in blocks of equal words and seeds, as `kind_cases`.
    """

    name: str
    paper: str
    says: str
    arms: tuple[Arm, ...] = ()
    cases: Cases = usual_cases
    chief: tuple[str, ...] = ("looks", "swap_rate", "place", "action")
    kind: Literal["drawn", "routing", "parameters"] = "drawn"
    count: int = 64
    against: str = ""
    truth: bool = False
    blocks: bool = False

    def sized(self, lab: Lab) -> Lab:
        """The lab with as many pictures as this claim asks for, where it leaves that open."""
        return lab if lab.count else replace(lab, count=self.count)


def _any_story(name: str, **changes: float | str | bool) -> Arm:
    return Arm(
        name,
        lambda lab, folder: labs.any_story(lab, folder, **changes),
        "any-story",
        "any-story-stage2-toon",
        "recipes/any-story-stage1-toon.toml, then recipes/any-story-stage2-toon.toml",
    )


def _router(name: str, mode: RouterMode) -> Arm:
    return _any_story(name, router=mode)


def _story_maker(
    name: str, run: str = "", *changes: str, poses: bool = False, lora: float = 1.0, background: bool = True
) -> Arm:
    """Trained as the one that ships, 500 updates without poses, but for `changes`; never in its place."""
    run = f"story-maker-toon{run}"
    told = () if poses else ("parameters.poses=false",)
    settings = (f"name={run}", *told, "steps=500", "max_minutes=0", *changes, f"export=runs/{run}/delivered")
    return Arm(
        name,
        lambda lab, folder: labs.story_maker(lab, folder, lora=lora, background=background),
        "story-maker",
        run,
        " --set ".join(("recipes/story-maker-toon.toml", *settings)),
    )


def _stable_identity(name: str, **changes: float | bool) -> Arm:
    def make(lab: Lab, _: Path | None) -> Engine:
        return labs.stable_identity(lab, replace(lab.learning, **changes))  # type: ignore[arg-type]

    return Arm(name, make, "stable-identity")


def _longer(factor: float) -> Arm:
    def make(lab: Lab, _: Path | None) -> Engine:
        learning: Learning = replace(lab.learning, steps=max(1, round(lab.learning.steps * factor)))
        return labs.stable_identity(lab, learning)

    return Arm(f"{factor:g} x the steps", make, "stable-identity")


def _other_base() -> Arm:
    def make(lab: Lab, _: Path | None) -> Engine:
        return labs.stable_identity(lab, lab.learning, lab.other_base)

    return Arm(SD_LIKE, make, "stable-identity")


USUAL = _story_maker("StoryMaker")
OWN = "parameters.own_references=1"  # references cut out of the training pictures: their poses are the pictures'
IP_ADAPTER = Arm("ip-adapter", labs.ip_adapter, "ip-adapter", "ip-adapter-toon", "recipes/ip-adapter-toon.toml")
USUAL_ENGINES = (_router("any-story", "refined"), replace(USUAL, name="story-maker"), IP_ADAPTER)
ANY_STORY = "AnyStory, arXiv 2501.09503"
STORY_MAKER = "StoryMaker, arXiv 2409.12576"
STABLE = "StableIdentity, arXiv 2401.15975"
COMIC = "the comic generator"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "any-story-encoders",
        f"{ANY_STORY}, Fig. 3",
        "CLIP tokens alone keep a subject roughly, ReferenceNet adds the details: both together keep most.",
        (
            _any_story("CLIP alone", subject_scale=1.0, reference_strength=0.0),
            _any_story("ReferenceNet alone", subject_scale=0.0),
            _any_story("both"),
        ),
    ),
    Claim(
        "any-story-router",
        f"{ANY_STORY}, Fig. 4",
        "Without the router look-alikes blend, and a single subject's pictures lose their background.",
        (
            _router("router off", "off"),
            _any_story("router on", one_figure=False),
            _any_story("router on, one figure"),
        ),
        look_alikes,
        against="router on",
    ),
    Claim(
        "any-story-routes",
        f"{ANY_STORY}, Fig. 5",
        "Routing maps find each subject in every layer, from the first steps on.",
        (_router("refined", "refined"),),
        kind="routing",
    ),
    Claim(
        "any-story-refining",
        f"{ANY_STORY}, Fig. 6",
        "Maps refined by masked cross-attention fit the subjects better than coarse ones.",
        (_router("coarse", "coarse"), _router("refined", "refined")),
        kind="routing",
    ),
    Claim(
        "any-story-parameters",
        f"{ANY_STORY}, Table 1",
        "Without cross-attention ReferenceNet has 2.02 instead of 2.57 billion parameters.",
        kind="parameters",
    ),
    Claim(
        "story-maker-attention-loss",
        f"{STORY_MAKER}, section 4.7",
        "Attention maps held to masks keep people from blending into each other and into the background.",
        (_story_maker("without the loss", "-no-attention-loss", "parameters.attention_weight=0"), USUAL),
        chief=("looks", "swap_rate", "swap_score", "place", "action"),
    ),
    Claim(
        "story-maker-background",
        f"{STORY_MAKER}, section 4.3",
        "Learned background tokens keep characters out of the background.",
        (_story_maker("without", "-no-background", "parameters.background=false", background=False), USUAL),
    ),
    Claim(
        "story-maker-pose",
        f"{STORY_MAKER}, section 4.5",
        "Trained with a pose ControlNet, characters take the pose that the words ask for, not the reference's.",
        (
            _story_maker("without poses in training", "-own-no-pose", OWN),
            _story_maker("with poses in training", "-own", OWN, poses=True),
            USUAL,
        ),
        action_cases,
        ("action", "pose_copied", "looks"),
    ),
    Claim(
        "story-maker-lora",
        f"{STORY_MAKER}, section 4.6",
        "LoRA on every attention raises fidelity and quality.",
        (
            _story_maker("trained without", "-no-lora", "parameters.lora=false"),
            _story_maker("taken out", lora=0.0),
            USUAL,
        ),
    ),
    Claim(
        "stable-identity-loss",
        f"{STABLE}, section 3.4; {COMIC}, section 3",
        "Judging little noised steps by the picture keeps a face better than judging all by the noise (alpha 0).",
        (
            _stable_identity("plain", alpha=0.0),
            _stable_identity("alpha 0.4", alpha=0.4),
            _stable_identity("alpha 0.5", alpha=0.5),
            _stable_identity("alpha 0.6", alpha=0.6),
        ),
        cases=face_cases,
        chief=FACES,
    ),
    Claim(
        "stable-identity-prior",
        f"{STABLE}, section 3.3",
        "Words laid into the space of famous names (AdaIN) can be used in any prompt; without it they overrule it.",
        (_stable_identity("without AdaIN", prior=False), _stable_identity("with AdaIN")),
        cases=face_cases,
        chief=FACES,
    ),
    Claim(
        "stable-identity-editability",
        f"{STABLE}, section 4.3; {COMIC}",
        "Learning longer trades obedience to the prompt for identity.",
        tuple(_longer(factor) for factor in (0.2, 0.5, 1.0, 2.0)),
        cases=face_cases,
        chief=FACES,
    ),
    Claim(
        "bases",
        f"{COMIC}, Fig. 9 and 10",
        "A base like SDXL (two text encoders) follows prompts and keeps faces better than one like SD 2.1.",
        (_other_base(), _stable_identity("like SDXL")),
        cases=face_cases,
        chief=FACES,
    ),
    Claim(
        "bias",
        f"{COMIC}, limits",
        "No kind and no skin tone is kept less well than another; the comic generator says that its model fails here.",
        USUAL_ENGINES,
        kind_cases,
        ("looks", "found"),
        count=24,
        truth=True,
        blocks=True,
    ),
    Claim(
        "obedience",
        f"{ANY_STORY}, section 1; {STORY_MAKER}, Table 1",
        "A cast costs little of what the words ask for: place and action are drawn as by words alone.",
        USUAL_ENGINES,
        single_cases,
        ("place", "action"),
        count=500,
        against=PLAIN,
    ),
    Claim(
        "obedience-two",
        f"{ANY_STORY}, section 1",
        "Two of a cast in one picture cost little of what the words ask for: place and action are as by words alone.",
        USUAL_ENGINES[:1],
        pair_cases,
        ("place", "action"),
        count=500,
        against=PLAIN,
    ),
)


def claim_named(name: str) -> Claim:
    """Raises `UsageError` listing the claims."""
    for claim in CLAIMS:
        if claim.name == name:
            return claim
    raise UsageError(f"unknown claim {name!r}: use one of {', '.join(claim.name for claim in CLAIMS)}")
