"""Pages from the script alone: every panel once, in order, apart from its neighbours, in a shape that can be drawn."""

from __future__ import annotations

import pytest
from tests.page.generated import generated_script

from inkcast.errors import PageError
from inkcast.page.layout import LAYOUTS, Frame, PageLayout, PageOptions, arrange
from inkcast.story.script import Line, Panel, Script


def _apart(one: Frame, other: Frame, gutter: float) -> bool:
    a, b = one.box, other.box
    return (
        a[2] + gutter <= b[0] + 0.01
        or b[2] + gutter <= a[0] + 0.01
        or a[3] + gutter <= b[1] + 0.01
        or b[3] + gutter <= a[1] + 0.01
    )


def _captions(count: int, text: str = "Ann walks to the barn.") -> Script:
    return Script(title="A Title", panels=tuple(Panel(description=f"p{i}", caption=text) for i in range(count)))


def test_there_are_at_least_ten_layouts() -> None:
    assert len(LAYOUTS) >= 10
    assert {"auto", "splash", "manga", "webtoon", "four-panel", "classic-6"} <= set(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("count", [1, 2, 7, 13])
def test_every_layout_shows_every_panel_once_in_order_and_apart(name: str, count: int) -> None:
    options = PageOptions(layout=name)
    for script in (_captions(count), generated_script(count, count)):
        pages = arrange(script, options)
        assert [frame.panel for page in pages for frame in page.frames] == list(range(count))
        assert [page.number for page in pages] == list(range(1, len(pages) + 1))
        for page in pages:
            for frame in page.frames:
                assert 0.25 <= frame.aspect <= 4.0
                x0, y0, x1, y1 = frame.box
                assert 0 <= x0 < x1 <= page.width
                assert 0 <= y0 < y1 <= page.height
                if frame.caption is not None:
                    assert frame.caption[1] >= y1
                    assert frame.caption[3] <= page.height
            for index, frame in enumerate(page.frames):
                assert all(_apart(frame, other, options.gutter) for other in page.frames[index + 1 :])


def _rows(page: PageLayout) -> list[list[Frame]]:
    rows: dict[float, list[Frame]] = {}
    for frame in page.frames:
        rows.setdefault(frame.box[1], []).append(frame)
    return list(rows.values())


@pytest.mark.parametrize(("layout", "rightward"), [("classic-6", True), ("manga", False), ("auto", True)])
def test_panels_of_a_row_stand_in_reading_direction(layout: str, rightward: bool) -> None:
    pages = arrange(_captions(12), PageOptions(layout=layout))
    assert all(page.right_to_left is not rightward for page in pages)
    several = [row for page in pages for row in _rows(page) if len(row) > 1]
    assert several
    for row in several:
        lefts = [frame.box[0] for frame in row]
        assert lefts == sorted(lefts, reverse=not rightward)


def test_a_language_read_from_the_right_turns_the_page_round() -> None:
    assert arrange(_captions(4), PageOptions(language="he"))[0].right_to_left
    assert not arrange(_captions(4), PageOptions(language="he", right_to_left=False))[0].right_to_left


def test_more_text_gets_more_room() -> None:
    talk = tuple(Line(speaker="Ann", text="We must go on, over the hills and far away. " * 3) for _ in range(3))
    panels = [Panel(description=f"p{i}", dialogue=(Line(speaker="Ann", text="No."),)) for i in range(6)]
    panels[2] = Panel(description="p2", dialogue=talk)
    frames = [frame for page in arrange(Script(panels=tuple(panels)), PageOptions()) for frame in page.frames]
    areas = [frame.width * frame.height for frame in frames]
    assert areas[2] > 1.3 * max(areas[1], areas[3])


def test_wide_shots_get_wider_frames_than_close_ups() -> None:
    def aspect(shot: str) -> float:
        panels = tuple(Panel(description=f"p{i}", shot=shot if i == 1 else "") for i in range(6))
        return next(
            frame for page in arrange(Script(panels=panels), PageOptions()) for frame in page.frames[1:2]
        ).aspect

    assert aspect("wide shot") > 1.15 * aspect("close-up")


def test_geometry_is_the_same_for_every_translation() -> None:
    panel = Panel(
        description="p",
        caption="Ja.",
        translations={"de": "Ein sehr viel längerer Satz, der mehrere Zeilen braucht. " * 2},
    )
    script = Script(panels=(panel,) * 4)
    assert arrange(script, PageOptions()) == arrange(script, PageOptions(language="de"))


def test_captions_stand_below_only_where_there_are_no_balloons() -> None:
    assert all(frame.caption for frame in arrange(_captions(3), PageOptions())[0].frames)
    talking = Script(panels=(Panel(description="p", caption="c", dialogue=(Line(text="Hi."),)),))
    assert arrange(talking, PageOptions())[0].frames[0].caption is None
    assert arrange(talking, PageOptions(captions="below"))[0].frames[0].caption is not None


def test_pictures_of_one_row_end_at_one_height_whatever_their_captions() -> None:
    panels = [Panel(description=f"p{i}", caption="Short." if i % 2 else "A long one. " * 12) for i in range(4)]
    page = arrange(Script(panels=tuple(panels)), PageOptions(layout="classic-4"))[0]
    for row in _rows(page):
        assert len({frame.box[3] for frame in row}) == 1


def test_a_splash_reaches_into_the_bleed() -> None:
    page = arrange(_captions(1), PageOptions(layout="splash", bleed=3.0, size="a5"))[0]
    assert page.frames[0].box == (-3.0, -3.0, 151.0, 213.0)
    assert (page.width, page.height, page.bleed) == (148.0, 210.0, 3.0)


@pytest.mark.parametrize(
    ("options", "panel", "letters"),
    [
        (PageOptions(), Panel(description="p", dialogue=(Line(text="word " * 9000),)), 45000),
        (PageOptions(), Panel(description="p", caption="word " * 90000), 450000),
        (PageOptions(layout="classic-9"), Panel(description="p", caption="word " * 1000), 5000),
    ],
)
def test_too_much_text_is_refused_before_anything_is_drawn(options: PageOptions, panel: Panel, letters: int) -> None:
    panels = (Panel(description="p", caption="c"), panel, *(Panel(description="p"),) * 7)
    with pytest.raises(
        PageError, match=rf"panel 2 holds {letters} letters, more than its \d+ x \d+ mm can show.*split"
    ):
        arrange(Script(panels=panels), options)


def test_letters_without_a_font_are_told_before_anything_is_drawn() -> None:
    with pytest.raises(PageError, match=r"panel 1, caption: no font has"):
        arrange(Script(panels=(Panel(description="p", caption="\U00012000"),)), PageOptions())


def test_an_empty_script_is_refused() -> None:
    with pytest.raises(PageError, match="no panels"):
        arrange(Script(), PageOptions())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layout": "nonsense"}, "unknown layout 'nonsense': choose one of auto"),
        ({"size": "huge"}, "page size 'huge' is unknown"),
        ({"size": "5000x100"}, "page width is 5000"),
        ({"dpi": 5}, "dpi is 5"),
        ({"bleed": -1.0}, "bleed is -1"),
        ({"gutter": float("nan")}, "gutter is nan"),
        ({"text_points": 0.0}, "text size is 0"),
        ({"captions": "above"}, "captions 'above' is unknown"),
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(PageError, match=message):
        PageOptions(**wrong)  # type: ignore[arg-type]


def test_sizes_by_name_and_by_measure() -> None:
    assert PageOptions(size="A4").page_size == (210.0, 297.0)
    assert PageOptions(size="120 x 80.5 mm").page_size == (120.0, 80.5)
    assert PageOptions(layout="strip").page_size == (297.0, 105.0)


def test_a_thousand_panels_take_no_time_to_speak_of() -> None:
    pages = arrange(generated_script(1, 1000), PageOptions())
    assert sum(len(page.frames) for page in pages) == 1000
