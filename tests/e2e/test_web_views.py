"""Every view for everybody: readable in light and dark, on a phone, by keys alone, with a name for each control."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.author import Author
from tests.e2e.looks import faint, missed_by_tab, nameless, wider_than

from inkcast.app import sign_in

pytestmark = pytest.mark.slow


def views(author: Author) -> Iterator[str]:
    """All views of the demo project one after the other, with everything unfolded."""
    page = author.page
    author.enter()
    author.tab("Projects")
    page.locator("#projects-cards .ink-card", has_text="demo").click()
    page.locator(".ink-where", has_text="demo").wait_for()
    yield "Projects"
    author.tab("Cast")
    page.locator("#cast-library .ink-card", has_text="Rolf").click()
    page.locator("#cast-reference").wait_for()
    page.get_by_role("button", name="Correct the cut-out by painting").click()
    page.get_by_role("button", name="Learn the face as words").click()
    page.locator("#cast-learn").wait_for()
    yield "Cast"
    author.tab("Design a toon")
    page.locator("#design-live img").wait_for()
    yield "Design a toon"
    author.tab("Story")
    page.get_by_role("button", name="Read by a language model").click()
    page.get_by_role("button", name="More about drawing").click()
    page.locator("#story-table", has_text="Rolf waves").wait_for()
    yield "Story"
    author.tab("Comic")
    page.locator("#comic-panels .ink-card").nth(3).click()
    page.locator("#panel-heading", has_text="Panel 4").wait_for()
    for part in ("Its page, lettered", "Other clothes", "Pose after a picture", "History"):
        page.get_by_role("button", name=part).click()
    page.locator("#panel-page img").wait_for()
    yield "the workbench"
    author.tab("Pages and export")
    page.locator("#pages-view img").first.wait_for()
    yield "Pages and export"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_every_view_is_readable_fits_and_names_its_controls(browser: Any, studio: str, scheme: str, width: int) -> None:
    with Author.at(browser, studio, width=width, height=844, scheme=scheme) as author:
        for view in views(author):
            assert not wider_than(author.page, width), f"{view} must be scrolled sideways"
            assert not nameless(author.page), view
            assert not faint(author.page), view
        author.assert_local()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page_is_readable_and_fits_a_phone(browser: Any, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 700}, color_scheme=scheme)
    body = sign_in.page("/", "Ann", "Name and password do not fit.").body
    page.set_content(bytes(body).decode().replace("<main>", "<main><p id=probe>x</p>"))
    assert page.get_by_role("alert").is_visible()
    assert not faint(page)
    assert not nameless(page)
    assert not wider_than(page, 390)
    page.keyboard.press("Tab")
    focused = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert focused == "solid"
    page.add_style_tag(content="#probe { color: #8888; }")
    assert faint(page), "what is too faint would not be found"
    page.close()


def test_every_control_of_every_view_is_reached_by_tab_and_shows_that_it_was(author: Author) -> None:
    """Also, that a picture which nobody touches is not uploaded each time something else happens."""
    uploads: list[str] = []
    author.page.on(
        "request", lambda request: uploads.append(request.url) if "gradio_api/upload" in request.url else None
    )
    for view in views(author):
        unreached, unseen = missed_by_tab(author.page)
        assert not unreached, f"{view}: Tab does not reach {unreached}"
        assert not unseen, f"{view}: nothing shows the focus on {unseen}"
    assert len(uploads) < 30
