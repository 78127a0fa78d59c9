"""Ways of coming to the studio: again in mid-drawing, as another user, on a phone, without a mouse."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.author import PATIENCE, Author
from tests.e2e.serving import serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "lantern"
PASSWORD = "correct horse battery"

pytestmark = pytest.mark.slow


def test_a_reload_in_mid_drawing_shows_it_going_on(author: Author) -> None:
    author.enter()
    author.tab("Projects")
    author.page.locator("#projects-cards .ink-card", has_text="demo").click()
    author.page.locator(".ink-where", has_text="demo").wait_for()
    author.steps(24)
    author.tab("Comic")
    author.page.click("#comic-draw")
    author.page.locator("#comic-state", has_text=re.compile("Loading|Drawing")).wait_for(timeout=PATIENCE)
    author.page.reload()
    author.tab("Comic")
    author.page.locator("#comic-state [role=progressbar]").wait_for()
    author.page.locator("#comic-cancel").wait_for()
    author.ready()
    author.shows_drawn(4)
    assert author.page.locator("#comic-panels .ink-card").count() == 4


def test_two_users_are_apart(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inkcast.app.accounts import Accounts
    from inkcast.app.accounts_tables import AccountsDatabase

    monkeypatch.setenv("INKCAST_HOME", str(tmp_path))
    database = AccountsDatabase("", tmp_path)
    for name in ("ada", "bob"):
        Accounts(database).add(name, PASSWORD)
    database.close()
    with (
        serving(tmp_path, auth=True, worker=False) as address,
        Author.at(browser, address) as ada,
        Author.at(browser, address) as bob,
    ):
        for author, name in ((ada, "ada"), (bob, "bob")):
            author.page.goto(address)
            author.page.get_by_label("Name").fill(name)
            author.page.get_by_label("Password").fill(PASSWORD)
            author.page.get_by_role("button", name="Sign in").click()
            author.page.wait_for_url("**/?project=*", timeout=PATIENCE)
        ada.new_project("Ada's secret")
        bob.enter(f"?project={ada.project}")
        bob.page.get_by_text("not here, or is not yours").wait_for()
        assert bob.project != ada.project
        bob.tab("Projects")
        assert "secret" not in bob.page.locator("body").inner_text()
        ada.page.get_by_role("button", name="Sign out ada").click()
        ada.page.get_by_label("Password").wait_for()
        ada.assert_local()


def test_panels_are_chosen_and_boxes_moved_by_keys_alone(author: Author) -> None:
    author.enter()
    author.tab("Projects")
    author.page.locator("#projects-cards .ink-card", has_text="demo").press("Enter")
    author.page.locator(".ink-where", has_text="demo").wait_for()
    author.page.get_by_role("tab", name="Comic", exact=True).press("Enter")
    author.page.locator("#comic-panels .ink-card").nth(3).press("Enter")
    author.page.locator("#panel-heading", has_text="Panel 4").wait_for()
    add = author.page.get_by_role("button", name="Add box for Rolf")
    if add.count():
        add.press("Enter")
    left = author.page.get_by_label("Rolf: left in percent")
    left.fill("40")
    left.press("Tab")
    for _ in range(5):
        author.page.locator("[data-box='Rolf']").press("ArrowLeft")
    author.page.get_by_text("Set by you").first.wait_for()
    assert int(left.input_value()) == 30, "a late answer of the server undid a later move"
    author.page.get_by_role("button", name="History").press("Enter")
    author.page.locator("#comic-undo").press("Enter")
    author.page.wait_for_function("document.querySelector('[aria-label=\"Rolf: left in percent\"]')?.value != '30'")


def test_an_error_says_what_to_do(author: Author, tmp_path: Path) -> None:
    author.enter()
    author.tab("Cast")
    author.page.click("#cast-new")
    author.page.locator("#cast-name input, #cast-name textarea").fill("")
    author.page.click("#cast-save")
    author.page.get_by_text("write one in the field Name").wait_for()
    assert author.page.get_by_text("Error", exact=True).locator("visible=true").count() <= 1  # the notice's title
    (tmp_path / "notes.png").write_text("no picture")
    drop = "#cast-drop input[type=file]"
    author.page.set_input_files(drop, [str(tmp_path / "notes.png"), str(EXAMPLE / "ann.png")])
    author.page.get_by_text("'notes.png' is not a picture of a known format").first.wait_for(timeout=PATIENCE)
    author.page.locator("#cast-pictures .ink-card").wait_for(timeout=PATIENCE)
    author.page.set_input_files(drop, [str(EXAMPLE / "rolf.png")])
    author.page.locator("#cast-pictures .ink-card").nth(1).wait_for(timeout=PATIENCE)
    assert "Traceback" not in author.page.locator("body").inner_text()


LATE_ENDS = """() => {
  const plain = window.fetch;
  const waits = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const late = (chunk, out) => {
    const ends = new TextDecoder().decode(chunk).includes('close_stream');
    return (ends ? waits(1000) : Promise.resolve()).then(() => out.enqueue(chunk));
  };
  window.fetch = async (...asked) => {
    const answer = await plain(...asked);
    if (!answer.url.includes('/queue/data')) return answer;
    return new Response(answer.body.pipeThrough(new TransformStream({ transform: late })), answer);
  };
}"""


def test_what_is_asked_while_the_stream_of_answers_ends_is_answered(browser: Any, studio: str) -> None:
    """As on a slow line: the word that the stream ends comes a second late, and a title is given meanwhile."""
    with Author.at(browser, studio) as somebody:
        somebody.page.add_init_script(f"({LATE_ENDS})()")
        somebody.enter()
        somebody.new_project("Given in between")
        somebody.new_project("And once more")
        somebody.assert_local()
