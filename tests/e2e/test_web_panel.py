"""One panel on the workbench: who acts where, boxes that steer it, a pose, clothes, a lock, and the way back."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect
from tests.e2e.author import PATIENCE, Author
from tests.e2e.bases import untrained_base

from inkcast.client import Panel, Project, Studio

EXAMPLE = Path(__file__).parents[2] / "examples" / "lantern"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def api(studio: str) -> Iterator[Studio]:
    with Studio(studio) as client:
        yield client


@pytest.fixture(scope="module")
def drawn(api: Studio, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One panel with two characters, drawn by any-story; Ann has an outfit of her own."""
    base = untrained_base(tmp_path_factory.mktemp("base"))
    ann = api.add_character("Ann May", EXAMPLE / "ann.png", pronouns="she", description="a girl", consent="drawn")
    api.add_reference(ann.id, EXAMPLE / "rolf.png", state="armour", consent="drawn")
    api.add_character("Rudi", EXAMPLE / "rolf.png", pronouns="he", description="a bear", consent="drawn")
    made = api.make_project(
        title="Hands",
        story="Ann May and Rudi shake hands in the castle at night.",
        cast=["Ann May", "Rudi"],
        drawing={"base": str(base), "engine": "any-story", "steps": 2},
    )
    api.wait(api.draw(made.id))
    return api.project(made.id)


@pytest.fixture
def panel(author: Author, drawn: Project) -> Author:
    """An author with that panel on the workbench."""
    author.enter(f"?project={drawn.id}")
    author.tab("Comic")
    author.page.locator("#panel-heading", has_text="Panel 1 · any-story").wait_for()
    return author


def only(api: Studio, project: Project) -> Panel:
    (found,) = api.project(project.id).panels
    return found


def picture(api: Studio, project: Project, name: str | None) -> np.ndarray:
    assert name is not None
    return np.asarray(Image.open(io.BytesIO(api.picture(project.id, name))).convert("RGB"), dtype=float)


def shown(author: Author) -> np.ndarray:
    """The picture on the workbench, as the browser has it."""
    data = author.page.locator("#panel-boxes .ink-stage img").evaluate(
        """async (image) => {
          await image.decode();
          const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
          canvas.getContext('2d').drawImage(image, 0, 0);
          const blob = await canvas.convertToBlob();
          return [...new Uint8Array(await blob.arrayBuffer())];
        }"""
    )
    return np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGB"), dtype=float)


def where(api: Studio, project: Project, candidate: Any) -> np.ndarray:
    """The shares of each character and the background, read off the saved maps: [maps, height, width]."""
    plain, *lit = np.split(picture(api, project, candidate.routes), len(candidate.characters) + 2, axis=1)
    lit_to = np.stack([one.mean(2) / np.maximum(plain.mean(2), 1) for one in lit])
    return (lit_to - 0.2) / 0.8


SLOW_ANSWERS = """(() => {
  const straight = window.fetch;
  window.fetch = async (...request) => {
    const body = String(request[1]?.body ?? '');
    const wait = !body.includes('"fn_index"') ? 0 : body.includes('"mine":true') ? 2000 : 1000;
    await new Promise((done) => setTimeout(done, wait));
    return straight(...request);
  };
})()"""


def test_what_is_typed_while_the_studio_still_answers_to_earlier_boxes_is_kept(author: Author, api: Studio) -> None:
    api.add_character("Tom", EXAMPLE / "rolf.png", pronouns="he", description="a bear", consent="drawn")
    made = api.make_project(title="Slow", story="Tom waves in the castle.", cast=["Tom"])
    author.enter(f"?project={made.id}")
    author.tab("Comic")
    page = author.page
    page.evaluate(SLOW_ANSWERS)
    page.get_by_role("button", name="Add box for Tom").click()

    def type_edge(side: str, percent: int) -> None:
        field = page.get_by_label(f"Tom: {side} in percent")
        field.fill(str(percent))
        field.press("Tab")

    type_edge("left", 10)
    author.until(lambda: only(api, made).script["characters"][0].get("box"))
    type_edge("right", 60)  # told while the first answer is still on its way
    author.until(lambda: (only(api, made).script["characters"][0]["box"] or [0])[2] == 0.6)
    expect(page.get_by_label("Tom: right in percent")).to_have_value("60")


def late(words: str) -> str:
    """Holds requests that carry these words back for a second and a half."""
    return f"""(() => {{
      const straight = window.fetch;
      window.fetch = async (...request) => {{
        if (String(request[1]?.body ?? '').includes({words!r})) await new Promise((done) => setTimeout(done, 1500));
        return straight(...request);
      }};
    }})()"""


def test_a_save_that_waits_while_another_panel_is_chosen_reaches_its_own(author: Author, api: Studio) -> None:
    made = api.make_project(title="Late", story="Tom waves in the castle. Tom sits in the park.", cast=[])
    author.enter(f"?project={made.id}")
    author.tab("Comic")
    page, caption = author.page, author.page.locator("#panel-caption textarea, #panel-caption input")
    expect(page.locator("#panel-shows textarea")).to_have_value("Tom waves in the castle.")
    before = [panel.script.get("caption", "") for panel in made.panels]
    page.get_by_role("button", name="History").click()
    edits = page.locator("#comic-revisions li")
    expect(edits).not_to_have_count(0)
    known = edits.count()
    page.evaluate(late("Once upon a time"))
    caption.fill("Once upon a time")
    page.click("#panel-save")
    page.locator("#comic-panels .ink-card").nth(1).click()
    expect(page.locator("#panel-shows textarea")).to_have_value("Tom sits in the park.")

    def captions() -> list[str]:
        return [panel.script.get("caption", "") for panel in api.project(made.id).panels]

    author.until(lambda: "Once upon a time" in captions())
    assert captions() == ["Once upon a time", before[1]]
    expect(edits).to_have_count(known + 1)  # so the answers are here
    expect(page.locator("#panel-heading")).to_contain_text("Panel 2")
    expect(page.locator("#panel-shows textarea")).to_have_value("Tom sits in the park.")
    expect(caption).to_have_value(before[1])  # the answer to the save says nothing of this panel
    caption.fill("Later")
    page.click("#panel-save")
    author.until(lambda: captions() == ["Once upon a time", "Later"])


def test_routing_maps_lie_over_the_panel_and_a_dragged_box_steers_them(
    panel: Author, api: Studio, drawn: Project
) -> None:
    page = panel.page
    (first,) = only(api, drawn).candidates
    assert first.characters == ("Ann May", "Rudi")
    plain = shown(panel)
    page.get_by_label("Show who acts where").check()
    page.get_by_role("img", name="who acts where in panel 1").wait_for()
    tinted, maps = shown(panel), where(api, drawn, first)
    clear = picture(api, drawn, first.picture).mean(2) > 60
    changed = np.abs(tinted - plain).max(2) > 24
    sure = clear & (np.sort(maps, 0)[-1] - np.sort(maps, 0)[-2] > 0.1)
    assert sure.mean() > 0.02
    assert ((maps.argmax(0) < 2) == changed)[sure].mean() > 0.95

    for name, left, right in (("Ann May", 0, 45), ("Rudi", 50, 90)):
        add = page.get_by_role("button", name=f"Add box for {name}")
        if add.count():
            add.click()
        for side, value in (("left", left), ("right", right), ("top", 5), ("bottom", 100)):
            page.get_by_label(f"{name}: {side} in percent").fill(str(value))
            page.get_by_label(f"{name}: {side} in percent").press("Tab")
    expect(page.get_by_text("Set by you")).to_have_count(2)
    panel.drag("Rudi", 0.1)
    expect(page.get_by_label("Rudi: left in percent")).to_have_value(re.compile("59|60|61"))
    panel.until(lambda: abs((only(api, drawn).script["characters"][1].get("box") or [0])[0] - 0.6) < 0.015)
    page.click("#panel-redraw")
    expect(page.locator("#panel-candidates .ink-card")).to_have_count(2, timeout=PATIENCE)
    now = only(api, drawn)
    boxes = [one["box"] for one in now.script["characters"]]
    assert boxes[1] == pytest.approx([0.6, 0.05, 1.0, 1.0], abs=0.015)
    maps = where(api, drawn, now.candidates[-1])
    width = maps.shape[2]
    clear = picture(api, drawn, now.candidates[-1].picture).mean(2) > 60
    left, right = clear.copy(), clear.copy()
    left[:, int(0.44 * width) :] = False
    right[:, : int(0.61 * width)] = False
    assert min(maps[0][left].mean(), maps[1][right].mean()) > 0.1
    assert max(maps[1][left].mean(), maps[0][right].mean()) < 0.05, "somebody acts outside of their box"
    page.get_by_label("Show who acts where").uncheck()
    page.get_by_role("img", name="panel 1: ").first.wait_for()


def test_a_pose_picture_is_kept_followed_and_taken_away(
    panel: Author, api: Studio, drawn: Project, tmp_path: Path
) -> None:
    pose = Image.new("RGB", (96, 96))
    ImageDraw.Draw(pose).line((20, 80, 48, 40, 76, 80), fill=(255, 0, 0), width=4)
    pose.save(tmp_path / "pose.png")
    page = panel.page
    before = len(only(api, drawn).candidates)
    page.get_by_role("button", name="Pose after a picture").click()
    page.set_input_files("#panel-pose input[type=file]", str(tmp_path / "pose.png"))
    page.locator("#panel-pose img").wait_for()
    kept = panel.until(lambda: only(api, drawn).pose)
    assert (picture(api, drawn, kept) == np.asarray(pose)).all()
    panel.again()
    page.get_by_role("button", name="Pose after a picture").click()
    page.locator("#panel-pose img").wait_for()
    page.click("#panel-redraw")
    expect(page.locator("#panel-candidates .ink-card")).to_have_count(before + 1, timeout=PATIENCE)
    page.locator("#panel-pose").get_by_role("button", name=re.compile("Clear|Remove")).click()
    panel.until(lambda: only(api, drawn).pose is None)


def test_clothes_are_swapped_and_undone(panel: Author, api: Studio, drawn: Project) -> None:
    page = panel.page
    page.get_by_role("button", name="Other clothes").click()
    panel.choose("#panel-clothes-what", "the clothes of Rudi")
    panel.until(lambda: dict(only(api, drawn).script.get("engine", {})) == {"clothes.Ann May": "Rudi"})
    panel.choose("#panel-clothes-what", "armour")
    panel.until(lambda: only(api, drawn).script["characters"][0].get("state") == "armour")
    assert not only(api, drawn).script.get("engine")
    page.get_by_role("button", name="History").click()
    page.click("#comic-undo")
    panel.until(lambda: dict(only(api, drawn).script.get("engine", {})) == {"clothes.Ann May": "Rudi"})
    expect(page.locator("#panel-clothes-what input")).to_have_value("the clothes of Rudi")
    page.click("#comic-undo")
    panel.until(lambda: not only(api, drawn).script.get("engine"))
    expect(page.locator("#panel-clothes-what input")).to_have_value("the usual")
    page.click("#comic-redo")
    panel.until(lambda: dict(only(api, drawn).script.get("engine", {})) == {"clothes.Ann May": "Rudi"})
    page.click("#comic-undo")
    panel.until(lambda: not only(api, drawn).script.get("engine"))


def test_a_locked_panel_is_left_alone_and_a_picture_thrown_away(panel: Author, api: Studio, drawn: Project) -> None:
    page = panel.page
    page.get_by_label("Locked: drawing the comic leaves it alone").check()
    page.locator("#comic-panels .ink-card-badge", has_text="locked").wait_for()
    page.click("#comic-draw")
    page.get_by_text("every panel has a picture or is locked").wait_for()
    page.click("#panel-redraw")
    page.get_by_text("panel 1 is locked: unlock it to draw it again").wait_for()
    page.get_by_label("Locked: drawing the comic leaves it alone").uncheck()
    panel.until(lambda: not only(api, drawn).locked)
    before = only(api, drawn)
    if len(before.candidates) < 2:
        api.wait(api.redraw(drawn.id, before.id))
        panel.again()
        before = only(api, drawn)
    page.locator("#panel-candidates .ink-card").first.click()
    panel.until(lambda: only(api, drawn).chosen == before.candidates[0].id)
    page.click("#panel-forget")
    panel.until(lambda: [one.id for one in only(api, drawn).candidates] == [one.id for one in before.candidates[1:]])
    expect(page.locator("#panel-candidates .ink-card")).to_have_count(len(before.candidates) - 1)
