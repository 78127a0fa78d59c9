"""The script's table: warnings where they belong, and edits that no other tab undoes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.e2e.author import Author

from inkcast.client import Studio

STORY = 'Ann Lee waves. Rolf sits on a chair. Then he said "I am lost'

pytestmark = pytest.mark.slow


def test_warnings_go_with_their_words_and_no_tab_undoes_another(author: Author) -> None:
    page = author.page
    author.enter()
    author.new_project("Lost")
    author.write(STORY, ("Ann Lee", "Rolf"))
    warnings = page.locator("#story-warnings")
    notes = page.locator("#story-table [data-row='2'][data-col='8']").first
    expect(warnings).to_contain_text("Panel 3")
    expect(notes).to_contain_text("not closed")

    author.edit_cell(0, 2, "Ann Lee; Roolf")
    expect(warnings).to_contain_text("Roolf is not in this story: did you mean Rolf?")
    author.edit_cell(0, 2, "Ann Lee")
    expect(warnings).not_to_contain_text("Roolf")

    author.edit_cell(2, 3, "Rolf: I am lost.")
    expect(warnings).not_to_contain_text("Panel 3")
    expect(notes).not_to_contain_text("not closed")

    with Studio(author.address) as studio:  # somebody else, whom this window has not heard of
        panels = [panel.script for panel in studio.project(author.project).panels]
        panels[2]["description"] = "Rolf looks around"
        studio.change_project(author.project, script={"panels": panels})
    author.edit_cell(1, 6, "night")
    expect(page.locator("#story-table")).to_contain_text("Rolf looks around")

    author.tab("Comic")
    page.locator("#comic-panels .ink-card").nth(0).click()
    page.locator("#panel-shows textarea").fill("Ann Lee waves from a hill")
    page.click("#panel-save")
    page.locator("#comic-panels", has_text="from a hill").wait_for()
    author.tab("Story")
    expect(page.locator("#story-table")).to_contain_text("from a hill")
    author.edit_cell(0, 5, "at the sea")
    author.edit_cell(1, 1, "Rolf sits on a stone")

    author.tab("Comic")
    page.locator("#comic-panels", has_text="on a stone").wait_for()
    page.locator("#panel-caption textarea, #panel-caption input").fill("Once")
    page.click("#panel-save")
    page.locator("#comic-panels .ink-card").nth(1).click()
    expect(page.locator("#panel-shows textarea")).to_have_value("Rolf sits on a stone")
    author.tab("Story")
    author.edit_cell(1, 1, "Rolf sleeps under a tree")
    author.tab("Comic")
    expect(page.locator("#panel-shows textarea")).to_have_value("Rolf sleeps under a tree")

    with Studio(author.address) as studio:
        first, second, third = (panel.script for panel in studio.project(author.project).panels)
    assert (first["description"], first["caption"]) == ("Ann Lee waves from a hill", "Once")
    assert first["place"] == "at the sea"
    assert second["description"] == "Rolf sleeps under a tree"
    assert second["time"] == "night"
    assert (third["description"], third["dialogue"][0]["text"]) == ("Rolf looks around", "I am lost.")

    page.get_by_role("button", name="History").click()
    page.click("#comic-undo")
    expect(page.locator("#panel-shows textarea")).to_have_value("Rolf sits on a stone")
    author.tab("Story")
    expect(page.locator("#story-table")).to_contain_text("on a stone")

    with Studio(author.address) as studio:
        studio.change_project(author.project, script={"panels": [first, second]})
    author.edit_cell(0, 5, "on the moon")
    expect(page.locator(".toast-wrap")).to_contain_text("the script got other panels in another window")
    expect(page.locator("#story-table")).not_to_contain_text("Rolf looks around")
    expect(page.locator("#story-table")).not_to_contain_text("on the moon")
    with Studio(author.address) as studio:
        assert [panel.script["place"] for panel in studio.project(author.project).panels] == [
            "at the sea",
            second["place"],
        ]
