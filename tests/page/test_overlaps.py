"""No balloon over a face or over another, tails at their speakers, on generated pages.

30 pages here, 500 by `make soak`; INKCAST_SOAK says another number.
"""

from __future__ import annotations

import os

import pytest
from tests.page.generated import generated
from tests.page.measuring import Findings, measure

from inkcast.page.composing import compose
from inkcast.page.layout import PageOptions
from inkcast.page.typeset import Typesetter

_LAYOUTS = ("auto", "manga", "classic-6", "auto", "mosaic", "splash", "webtoon", "strip", "classic-9", "storybook")


def measured(count: int) -> Findings:
    """What is found on at least `count` pages in all kinds of layout."""
    found, typesetter, pages, seed = Findings(), Typesetter(), 0, 0
    while pages < count:
        options = PageOptions(layout=_LAYOUTS[seed % len(_LAYOUTS)], captions="inside")
        script, layout, drawn = generated(seed, options)
        measure(script, layout, drawn, compose(script, drawn, layout, options, typesetter), found)
        pages, seed = pages + len(layout), seed + 1
    assert found.balloons > count * 3
    return found


@pytest.fixture(scope="module")
def findings() -> Findings:
    return measured(30)


@pytest.mark.soak
def test_hundreds_of_pages_keep_every_promise() -> None:
    found = measured(int(os.environ.get("INKCAST_SOAK", "500")))
    assert (found.over_faces, found.over_balloons, found.stray_tails) == ([], [], [])
    assert (found.out_of_order, found.spilt_text, found.off_page) == ([], [], [])
    assert len(found.tails_over_other_faces) <= 0.03 * found.balloons


def test_no_balloon_covers_a_face(findings: Findings) -> None:
    assert findings.over_faces == []


def test_no_balloon_covers_another(findings: Findings) -> None:
    assert findings.over_balloons == []


def test_tails_end_within_their_speakers_box(findings: Findings) -> None:
    assert findings.stray_tails == []


def test_balloons_are_read_in_order(findings: Findings) -> None:
    assert findings.out_of_order == []


def test_text_stays_in_its_balloon(findings: Findings) -> None:
    assert findings.spilt_text == []


def test_balloons_stay_on_the_page(findings: Findings) -> None:
    assert findings.off_page == []


def test_tails_seldom_cross_a_stranger_s_face(findings: Findings) -> None:
    assert len(findings.tails_over_other_faces) <= 0.03 * findings.balloons


def test_text_is_seldom_tiny(findings: Findings) -> None:
    tiny = [size for size in findings.sizes if size < 4.0]
    assert len(tiny) <= 0.03 * len(findings.sizes)
