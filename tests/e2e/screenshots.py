"""Draws every view of the studio into docs/images/studio-*.png, by `scripts/screenshots`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from PIL import Image
from tests.e2e.author import Author
from tests.e2e.serving import browsing, serving

from inkcast.app import sign_in

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "images"
EXAMPLES = ROOT / "examples"
STEPS = 25
COLOURS = 256


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["INKCAST_HOME"] = home
        with browsing() as browser, serving(Path(home)) as address:
            with Author.at(browser, address, width=1180, height=800) as author:
                tour(author)
            with Author.at(browser, address, width=900, height=560) as author:
                author.page.set_content(bytes(sign_in.page("/").body).decode())
                shoot(author, "sign-in", whole=False)
            with Author.at(browser, address, width=390, height=844) as author:
                author.enter()
                author.tab("Comic")
                author.page.locator("#comic-panels img").first.wait_for()
                shoot(author, "phone", whole=False)


def tour(author: Author) -> None:
    """All tabs, with the demo project drawn."""
    author.enter()
    author.add_character("Mona", "she", "a cat", [EXAMPLES / "moon" / "mona.png"])
    shoot(author, "cast")
    author.tab("Design a toon")
    shoot(author, "designer")
    author.steps(STEPS)
    shoot(author, "story")
    author.tab("Comic")
    author.page.click("#comic-draw")
    author.page.locator("#comic-panels img").nth(1).wait_for(timeout=120_000)
    shoot(author, "drawing", whole=False)
    author.ready()
    author.page.locator("#comic-panels .ink-card").nth(3).click()
    author.page.locator("#panel-heading", has_text="Panel 4").wait_for()
    for name in ("Ann Lee", "Rolf"):
        add = author.page.get_by_role("button", name=f"Add box for {name}")
        if add.count():
            add.click()
    author.page.get_by_label("Ann Lee: left in percent").fill("8")
    author.page.get_by_label("Ann Lee: right in percent").fill("36")
    author.page.get_by_label("Rolf: left in percent").fill("40")
    author.page.get_by_label("Rolf: left in percent").press("Tab")
    shoot(author, "comic")
    author.tab("Pages and export")
    author.page.locator("#pages-view img").first.wait_for()
    shoot(author, "pages")
    author.tab("Projects")
    author.page.reload()
    author.page.locator("#projects-cards img").first.wait_for()
    shoot(author, "projects", whole=False)


def shoot(author: Author, name: str, *, whole: bool = True) -> None:
    """The page as it stands, in few colours so that the file is small."""
    author.page.mouse.move(0, 0)
    author.page.wait_for_timeout(800)  # pictures fade in
    path = OUT / f"studio-{name}.png"
    author.page.screenshot(path=path, full_page=whole)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
