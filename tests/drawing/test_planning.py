"""Sizes follow frames, seeds follow the comic's seed and the panel's number."""

from __future__ import annotations

import pytest
from tests.easel_fake import FakeEasel, character

from inkcast.drawing.choices import Drawing
from inkcast.drawing.planning import panel_seed, panel_size, plan_panels
from inkcast.page.layout import PageOptions, arrange
from inkcast.story.script import Panel, Presence, Script


def test_panel_seeds_differ_and_do_not_depend_on_other_panels() -> None:
    seeds = [panel_seed(7, index) for index in range(1000)]
    assert len(set(seeds)) == 1000
    assert panel_seed(8, 0) != panel_seed(7, 0)
    assert all(0 <= seed < 2**32 for seed in seeds)
    # Known answer: sha256("7/1") begins with these bytes; a change would change every comic.
    assert panel_seed(7, 0) == 0xD3D2F579


@pytest.mark.parametrize("side", [64, 128, 256, 1024])
@pytest.mark.parametrize("aspect", [0.1, 0.5, 0.75, 1.0, 1.3, 2.0, 9.0])
def test_sizes_keep_the_area_and_come_near_the_aspect(side: int, aspect: float) -> None:
    width, height = panel_size(aspect, side)
    assert 0.75 * side**2 <= width * height <= side**2
    assert width / height == pytest.approx(min(max(aspect, 0.5), 2.0), rel=0.16)
    assert width % 8 == height % 8 == 0


def test_every_panel_is_planned_in_the_script_s_order() -> None:
    script = Script(panels=tuple(Panel(description=f"scene {number}") for number in range(7)))
    options = PageOptions(layout="manga")  # frames in another order on the page than left to right
    plan = plan_panels(script, arrange(script, options), (), FakeEasel(Drawing(seed=1)))
    assert [panel.index for panel in plan] == list(range(7))
    assert [panel.prompt.parts[0] for panel in plan] == [f"scene {number}" for number in range(7)]


def test_the_toon_base_is_asked_for_whom_it_has_drawn_wherever_it_lies() -> None:
    """A copy of it under another path has drawn no grown-ups either."""
    script, ann = (
        Script(panels=(Panel(description="Ann waves", characters=(Presence(name="Ann"),)),)),
        character("Ann", "red", "she"),
    )
    easel = FakeEasel(Drawing(base="/somewhere/else"))
    nouns = []
    for easel.toon in (True, False):
        (planned,) = plan_panels(script, arrange(script, PageOptions()), (ann,), easel)
        nouns.append(planned.prompt.members[0].noun)
    assert nouns == ["a girl", "a woman"]
