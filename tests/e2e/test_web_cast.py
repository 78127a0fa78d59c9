"""A character's pictures corrected by painting, and a face learned in sight of whoever waits for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect
from tests.e2e.author import PATIENCE, Author

from inkcast.client import Studio

EXAMPLE = Path(__file__).parents[2] / "examples" / "lantern"
SHARE = re.compile(r"(\d+)% of the picture")

pytestmark = pytest.mark.slow


def share(author: Author, how: str) -> int:
    """How much of the picture is cut out, in percent, once that was done in such a way."""
    told = author.page.locator("#cast-cutout figcaption", has_text=how)
    told.wait_for()
    found = SHARE.search(told.inner_text())
    assert found
    return int(found[1])


def stroke(author: Author) -> None:
    """A line across the top of the picture that is painted on."""
    canvas = author.page.locator("#cast-canvas canvas").first
    canvas.scroll_into_view_if_needed()
    at = canvas.bounding_box()
    author.page.mouse.move(at["x"] + 0.4 * at["width"], at["y"] + 0.2 * at["height"])
    author.page.mouse.down()
    author.page.mouse.move(at["x"] + 0.6 * at["width"], at["y"] + 0.2 * at["height"], steps=6)
    author.page.mouse.up()


def test_a_cut_out_is_corrected_by_painting_and_kept(author: Author) -> None:
    page = author.page
    author.enter()
    author.add_character("Nora", "she", "a girl", [EXAMPLE / "ann.png"])
    found = share(author, "by its plain background")
    page.get_by_role("button", name="Correct the cut-out by painting").click()
    page.locator("#cast-canvas canvas").first.wait_for()
    page.get_by_role("button", name="This belongs to the character").click()
    page.get_by_text("nothing is painted yet").wait_for()
    stroke(author)
    page.get_by_role("button", name="This belongs to the character").click()
    more = share(author, "as you painted it")
    assert more > found
    page.click("#cast-save")
    page.locator("#cast-saved", has_text="Saved.").wait_for()
    with Studio(author.address) as studio:
        (nora,) = studio.characters("Nora")
        assert [one.masked for one in nora.references] == [True]
    page.reload()
    author.tab("Cast")
    page.locator("#cast-library .ink-card", has_text="Nora").click()
    assert share(author, "as you painted it") == more
    page.get_by_role("button", name="Correct the cut-out by painting").click()
    page.get_by_role("button", name="Find it again").click()
    assert share(author, "by its plain background") == found


def test_a_face_is_learned_with_progress_over_a_reload(author: Author) -> None:
    page = author.page
    author.enter()
    author.tab("Cast")
    page.locator("#cast-library .ink-card", has_text="Rolf").first.click()
    page.locator("#cast-heading", has_text="Rolf").wait_for()
    page.get_by_role("button", name="Learn the face as words").click()
    page.locator("#cast-learn-steps input[type=number]").fill("10")
    page.locator("#cast-learn-steps input[type=number]").press("Tab")
    page.click("#cast-learn")
    page.locator("#cast-learning-state [role=progressbar]").wait_for()
    page.reload()
    author.tab("Cast")
    page.locator("#cast-library .ink-card", has_text="Rolf").first.click()
    page.locator("#cast-heading", has_text="Rolf").wait_for()
    page.get_by_role("button", name="Learn the face as words").click()
    page.locator("#cast-learning-state", has_text="The face is ready").wait_for(timeout=PATIENCE)
    page.locator("#cast-library .ink-card", has_text="face learned").wait_for()
    expect(page.locator("#cast-learn-stop")).to_be_hidden()
    with Studio(author.address) as studio:
        learned = [one for one in studio.characters() if "stable-identity" in one.identities]
    assert [one.name for one in learned] == ["Rolf"]


def test_a_picture_that_an_engine_takes_is_the_one_that_is_shown(author: Author) -> None:
    """Cropped by keys alone; the cut-out is drawn anew, and what is kept is the part inside."""
    page = author.page
    author.enter()
    author.tab("Cast")
    page.click("#cast-new")
    page.set_input_files("#cast-drop input[type=file]", str(EXAMPLE / "rolf.png"))
    page.get_by_role("button", name="Add box for Crop").press("Enter")
    for side, value in (("left", 0), ("right", 50), ("top", 0), ("bottom", 100)):
        page.get_by_label(f"Crop: {side} in percent").fill(str(value))
        page.get_by_label(f"Crop: {side} in percent").press("Tab")
    with Image.open(EXAMPLE / "rolf.png") as whole:
        wanted = whole.width / 2 / whole.height
    author.until(lambda: abs(shape(author) - wanted) < 0.02)


def shape(author: Author) -> float:
    """Width over height of the picture that shows what is taken."""
    wide, high = author.page.locator("#cast-cutout img").evaluate("(it) => [it.naturalWidth, it.naturalHeight]")
    return float(wide / high)
