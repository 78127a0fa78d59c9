"""What an author does in the browser, by the names that they see."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

Made = TypeVar("Made")

PATIENCE = 120_000  # milliseconds for what the studio has to load or draw
SOON = 30_000


class Author:
    """A page of a browser, and what it asked for."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.hosts: set[str] = set()
        self.faults: list[str] = []
        page.set_default_timeout(SOON)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: self.faults.append(error.stack or str(error)))

    @classmethod
    @contextmanager
    def at(
        cls, browser: Any, address: str, *, width: int = 1280, height: int = 900, scheme: str = "light"
    ) -> Iterator[Author]:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            accept_downloads=True,
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        try:
            yield cls(context.new_page(), address)
        finally:
            context.close()

    def assert_local(self) -> None:
        assert self.hosts - {""} == {urlsplit(self.address).netloc}, f"asked {self.hosts}"
        assert not self.faults, f"the page threw {self.faults}"

    def enter(self, path: str = "") -> None:
        """Opens the studio and waits until a project is open."""
        self.page.goto(self.address + path)
        self.page.wait_for_url("**/?project=*", timeout=PATIENCE)
        self.page.wait_for_selector("#projects-cards .ink-card", state="attached", timeout=PATIENCE)

    @property
    def project(self) -> str:
        return str(urlsplit(self.page.url).query.removeprefix("project="))

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def new_project(self, title: str) -> None:
        """Begins a project and names it."""
        before = self.page.url
        self.tab("Projects")
        self.page.click("#projects-new")
        self.page.wait_for_url(lambda url: url != before and "project=" in url)
        self.page.get_by_label("Title of the open project").fill(title)
        self.page.get_by_label("Title of the open project").press("Tab")
        self.page.locator(".ink-where", has_text=title).wait_for()

    def add_character(self, name: str, pronoun: str, noun: str, pictures: Sequence[Path]) -> None:
        """A new character of the library, from pictures."""
        self.tab("Cast")
        self.page.click("#cast-new")
        self.page.locator("#cast-heading", has_text="New character").wait_for()
        self.page.set_input_files("#cast-drop input[type=file]", [str(path) for path in pictures])
        self.page.locator("#cast-pictures .ink-card").nth(len(pictures) - 1).wait_for(timeout=PATIENCE)
        self.page.locator("#cast-name input, #cast-name textarea").fill(name)
        self.choose("#cast-pronouns", pronoun)
        self.page.get_by_label("What they are").fill(noun)
        self.page.click("#cast-save")
        self.page.locator("#cast-library .ink-card", has_text=name).wait_for(timeout=PATIENCE)

    def choose(self, where: str, option: str) -> None:
        """An option of a list, by keys."""
        field = self.page.locator(f"{where} input")
        field.click()
        field.press("ControlOrMeta+a")
        field.type(option)
        self.page.get_by_role("option", name=option, exact=True).first.click()

    def write(self, story: str, names: Sequence[str]) -> None:
        """Pastes a story and has its script written."""
        self.tab("Story")
        for name in names:
            self.page.get_by_label(name, exact=True).check()
        self.page.locator("#story-text textarea").fill(story)
        self.page.click("#story-write")

    def steps(self, count: int) -> None:
        """How many sampling steps a picture takes."""
        self.tab("Story")
        field = self.page.locator("#story-steps input[type=number]")
        if not field.is_visible():
            self.page.get_by_role("button", name="More about drawing").click()
        field.fill(str(count))
        field.press("Tab")

    def edit_cell(self, row: int, column: int, text: str) -> None:
        """A cell of the script's table, from 0."""
        cell = self.page.locator(f"#story-table [data-row='{row}'][data-col='{column}']").first
        cell.dblclick()
        editor = self.page.locator("#story-table textarea:visible").last
        editor.fill(text)
        editor.press("Enter")

    def shows_drawn(self, panels: int) -> None:
        """That the strip comes to show so many panels with a picture: it follows what is said of the drawing."""
        from playwright.sync_api import expect

        expect(self.page.locator("#comic-panels .ink-card img")).to_have_count(panels, timeout=PATIENCE)

    def until(self, happened: Callable[[], Made]) -> Made:
        """What `happened` answers once that is true: of what the studio keeps, not of what the page shows."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not (found := happened()):
            assert time.monotonic() < deadline, "it did not come to be"
            self.page.wait_for_timeout(100)
        return found

    def drag(self, name: str, share: float) -> None:
        """Moves somebody's box to the right by a share of the picture's width."""
        found = self.page.wait_for_function(
            """(name) => {
              const box = document.querySelector(`[data-box="${CSS.escape(name)}"]`);
              if (!box) return null;
              const [at, stage] = [box.getBoundingClientRect(), box.parentElement.getBoundingClientRect()];
              const [x, y] = [at.x + at.width / 2, at.y + at.height / 2];
              if (y > 0 && y < innerHeight) return { x, y, wide: stage.width };
              box.scrollIntoView({ block: 'center' });
              return null;
            }""",
            arg=name,
        ).json_value()
        self.page.mouse.move(found["x"], found["y"])
        self.page.mouse.down()
        self.page.mouse.move(found["x"] + share * found["wide"], found["y"], steps=4)
        self.page.mouse.up()

    def again(self) -> None:
        """Loads the page anew and goes back to the comic."""
        self.page.reload()
        self.tab("Comic")
        self.page.locator("#panel-heading", has_text="Panel").wait_for()

    def draw(self) -> None:
        """Draws the comic and waits until it is ready."""
        self.tab("Comic")
        self.page.click("#comic-draw")
        self.ready()

    def ready(self) -> None:
        self.page.locator("#comic-state", has_text="is ready").wait_for(timeout=PATIENCE)

    def export(self, form: str, folder: Path) -> Path:
        """Downloads the comic in a format."""
        self.tab("Pages and export")
        self.page.click(f"#export-{form}")
        link = self.page.locator(f"#pages-file a[href*='.{form}']").first
        link.wait_for(timeout=PATIENCE)
        with self.page.expect_download() as waiting:
            link.click()
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path
