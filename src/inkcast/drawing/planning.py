"""Before anything is drawn: each panel's words, size and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from inkcast.cast.character import Character
from inkcast.drawing.choices import Size
from inkcast.drawing.wording import prompt_of, style_of, toon_prompt_of
from inkcast.engines.engine import PanelPrompt, Style
from inkcast.page.layout import PageLayout
from inkcast.sampling.sizes import nearest_bucket
from inkcast.story.lexicon import detect_language
from inkcast.story.script import Script

if TYPE_CHECKING:
    from inkcast.drawing.easel import Easel

LONGEST = 2.0  # long side over short side; pages crop what is longer


@dataclass(frozen=True)
class PlannedPanel:
    """All that decides one picture beside what an engine made of the cast. `index` counts from 0 in the script.

    `cast` are the members of `prompt`, in their order, as they can be looked for in the picture. `pose` is a picture
    whose pose it takes; whoever plans sets it, since a script from elsewhere must not name files of this machine.
    """

    index: int
    prompt: PanelPrompt
    style: Style
    size: Size
    seed: int
    cast: tuple[Character, ...] = ()
    pose: Path | None = None


def plan_panels(
    script: Script, pages: Sequence[PageLayout], cast: Sequence[Character], easel: Easel
) -> tuple[PlannedPanel, ...]:
    """One plan per panel, in the script's order, each of its frame's aspect, by the easel's choices and base."""
    drawing = easel.drawing
    aspects = {frame.panel: frame.aspect for page in pages for frame in page.frames}
    if easel.toon:
        language = detect_language(" ".join(panel.description for panel in script.panels))
        prompts = [toon_prompt_of(panel, cast, language) for panel in script.panels]
    else:
        prompts = [prompt_of(panel, cast) for panel in script.panels]
    characters = {character.id: character for character in cast}
    return tuple(
        PlannedPanel(
            index=index,
            prompt=prompts[index],
            style=style_of(panel, drawing.style, drawing.negative),
            size=panel_size(aspects[index], easel.side),
            seed=panel.seed if panel.seed is not None else panel_seed(drawing.seed, index),
            cast=tuple(characters[member.id] for member in prompts[index].members),
        )
        for index, panel in enumerate(script.panels)
    )


def posing(plan: Sequence[PlannedPanel], script: Script) -> tuple[PlannedPanel, ...]:
    """The plan with the poses that its script names."""
    return tuple(replace(one, pose=Path(pose) if (pose := script.panels[one.index].pose) else None) for one in plan)


def panel_seed(seed: int, index: int) -> int:
    """A panel's own seed, so that adding a panel changes no other: 32 bits of the SHA-256 of "seed/number"."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{index + 1}".encode()).digest()[:4], "big")


def panel_size(aspect: float, side: int) -> Size:
    """Width and height of the base's bucket nearest to the frame's aspect."""
    height, width = nearest_bucket(side, min(max(aspect, 1 / LONGEST), LONGEST))
    return width, height
