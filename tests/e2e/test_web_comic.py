"""From an empty studio to a printed comic, in a browser."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pypdf
import pytest
from playwright.sync_api import expect
from tests.e2e.author import PATIENCE, Author

from inkcast.client import Studio

EXAMPLE = Path(__file__).parents[2] / "examples" / "lantern"
STORY = 'Ann Lee is reading in the library.\nRolf waves in his cave: "Come in, little one!"\n'
STEPS = 2
NEAR_30 = re.compile("29|30|31")

pytestmark = pytest.mark.slow


def test_from_an_empty_studio_to_a_printed_comic(author: Author, tmp_path: Path) -> None:
    author.enter()
    author.new_project("Two friends")
    author.add_character("Ann Lee", "she", "a girl", [EXAMPLE / "ann.png"])
    author.add_character("Rolf", "he", "a bear", [EXAMPLE / "rolf.png"])

    author.write(STORY, ("Ann Lee", "Rolf"))
    author.page.locator("#story-table", has_text="Rolf waves in the cave").wait_for()
    author.edit_cell(0, 1, "Ann Lee is dancing in the kitchen.")
    author.steps(STEPS)

    author.draw()
    author.shows_drawn(2)
    author.page.locator("#comic-panels", has_text="dancing in the kitchen").wait_for()

    _redraw_one(author)
    _correct_a_box(author)
    _check_files(author, tmp_path)


def _redraw_one(author: Author) -> None:
    page = author.page
    page.locator("#comic-panels .ink-card").nth(1).click()
    page.locator("#panel-heading", has_text="Panel 2").wait_for()
    page.locator("#panel-dialogue textarea").fill("Rolf: Stay for tea!")
    page.locator("#panel-seed input, #panel-seed textarea").fill("7")
    page.locator("#panel-count input[type=number]").fill("2")
    page.click("#panel-redraw")
    page.locator("#panel-candidates .ink-card", has_text="Seed 7").wait_for(timeout=PATIENCE)
    page.locator("#panel-candidates .ink-card").nth(2).wait_for(timeout=PATIENCE)
    page.locator("#panel-candidates .ink-card", has_text="Seed 7").click()
    page.locator("#panel-heading", has_text="seed 7,").wait_for()


def _correct_a_box(author: Author) -> None:
    """By numbers first, then by dragging; both steer the next drawing, and outlast a reload."""
    page = author.page
    if page.get_by_role("button", name="Add box for Rolf").is_visible():
        page.get_by_role("button", name="Add box for Rolf").click()
    page.get_by_label("Rolf: left in percent").fill("10")
    page.get_by_label("Rolf: left in percent").press("Tab")
    page.get_by_text("Set by you").wait_for()
    page.get_by_label("Rolf: right in percent").fill("50")
    page.get_by_label("Rolf: right in percent").press("Tab")
    expect(page.get_by_label("Rolf: right in percent")).to_have_value("50")
    author.drag("Rolf", 0.2)
    expect(page.get_by_label("Rolf: left in percent")).to_have_value(NEAR_30)
    with Studio(author.address) as studio:
        author.until(lambda: studio.project(author.project).panels[1].script["characters"][0]["box"][0] > 0.28)
    author.again()
    page.locator("#comic-panels .ink-card").nth(1).click()
    page.locator("#panel-heading", has_text="Panel 2").wait_for()
    page.get_by_text("Set by you").wait_for()
    expect(page.get_by_label("Rolf: left in percent")).to_have_value(NEAR_30)


def _check_files(author: Author, folder: Path) -> None:
    pdf = pypdf.PdfReader(author.export("pdf", folder))
    text = " ".join("".join(page.extract_text() for page in pdf.pages).split())
    assert "Stay for tea!" in text
    assert "Come in" not in text
    with zipfile.ZipFile(author.export("cbz", folder)) as archive:
        names = archive.namelist()
        assert "ComicInfo.xml" in names
        assert sum(name.endswith((".png", ".webp", ".jpg")) for name in names) == len(pdf.pages)
        assert b"Two friends" in archive.read("ComicInfo.xml")
