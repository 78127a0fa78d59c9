"""The workbench: one panel, its picture and its words, drawn again as often as it takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from inkcast.app.context import Studio, User
from inkcast.app.jobs import RedrawPanels
from inkcast.app.project import PanelState, Project
from inkcast.app.web.boxes import box_editor, read_boxes
from inkcast.app.web.cards import Card, cards, cards_value
from inkcast.app.web.clothes import clothes_form
from inkcast.app.web.drawing_bar import DrawingBar
from inkcast.app.web.opened import Opened, bump, unseen
from inkcast.app.web.panel_facts import editor_value, may_pose, moved_boxes, number_of, panel_of
from inkcast.app.web.panel_words import panel_words
from inkcast.app.web.pictures import small
from inkcast.app.web.told import told
from inkcast.errors import NotFoundError, UsageError
from inkcast.images import encode_png, open_picture


@dataclass(frozen=True)
class Workbench:
    """`text` takes what `words` makes of a panel, `pictures` what `sight` does, the first of them, `whose`, the panel's
    id; `mapped` asks for routing maps.
    """

    text: tuple[Any, ...]
    pictures: tuple[Any, ...]
    whose: Any
    mapped: Any
    words: Callable[[User, Project, str], list[Any]]
    sight: Callable[..., list[Any]]


def workbench(studio: Studio, opened: Opened, bar: DrawingBar) -> Workbench:
    with gr.Row(visible=False, elem_id="panel-bench", elem_classes="ink-split") as bench:
        with gr.Column(scale=6, min_width=300):
            heading = gr.Markdown("### Panel", elem_id="panel-heading")
            editor = box_editor("Who stands where", "panel-boxes")
            mapped = gr.Checkbox(label="Show who acts where (routing maps)", elem_id="panel-maps")
            gr.Markdown(
                "Drag a box, or type its edges in percent; the next drawing puts the character there.",
                elem_classes="ink-note",
            )
            pictures = cards("Pictures of this panel", "panel-candidates", "ink-candidates")
            forget = gr.Button("Throw away the chosen picture", size="sm", visible=False, elem_id="panel-forget")
        with gr.Column(scale=5, min_width=300):
            text = panel_words(studio, opened)
            with gr.Group():
                with gr.Row():
                    seed = gr.Textbox(
                        value="", label="Seed", placeholder="a new one", min_width=100, elem_id="panel-seed"
                    )
                    count = gr.Slider(1, 8, value=1, step=1, label="Candidates", min_width=140, elem_id="panel-count")
                redraw = gr.Button("Draw this panel again", variant="primary", elem_id="panel-redraw")
            locked = gr.Checkbox(label="Locked: drawing the comic leaves it alone", elem_id="panel-locked")
            clothes = clothes_form(studio, opened, text.whose)
            with gr.Accordion("Pose after a picture", open=False, elem_id="panel-pose-part"):
                gr.Markdown(
                    "A pose map (coloured limbs on black), or people whose pose is read off where the base can. The "
                    "next drawing of this panel takes it.",
                    elem_classes="ink-note",
                )
                pose = gr.Image(
                    label="Pose picture",
                    type="filepath",
                    sources=["upload", "clipboard"],
                    height=180,
                    elem_id="panel-pose",
                )

    whose = unseen("panel-pictures-of")
    sights = (whose, bench, heading, editor, mapped, pictures, forget, redraw, locked, pose)

    def sight(user: User, project: Project, panel_id: str, with_maps: bool = False) -> list[Any]:
        panel = panel_of(project, panel_id)
        if panel is None:
            hidden = gr.update(visible=False)
            return ["", hidden, "", None, gr.skip(), None, hidden, gr.skip(), False, None]
        mine, number = studio.projects(user), number_of(project, panel_id)
        chosen = panel.chosen
        picture = mine.picture(project.id, chosen.picture) if chosen else None
        routes = mine.picture(project.id, chosen.routes) if chosen and chosen.routes and with_maps else None
        found = [
            Card(
                one.id,
                f"Seed {one.seed}",
                small(mine.picture(project.id, one.picture), 320),
                f"a picture of panel {number} with seed {one.seed}, by {one.engine}",
            )
            for one in panel.candidates
        ]
        return [
            panel_id,
            gr.update(visible=True),
            heading_of(panel, number),
            editor_value(panel, number, picture, routes),
            gr.update(interactive=bool(chosen and chosen.routes), info=maps_told(panel)),
            cards_value(found, chosen.id if chosen else ""),
            gr.update(visible=bool(chosen) and len(found) > 1),
            "Draw this panel again" if chosen else "Draw this panel",
            panel.locked,
            open_picture(mine.picture(project.id, panel.pose)) if panel.pose else None,
        ]

    def words(user: User, project: Project, panel_id: str) -> list[Any]:
        return [*text.show(user, project, panel_id), *clothes.show(user, project, panel_id)]

    @told
    def place(request: gr.Request, project: str, panel_id: str, value: Any) -> Any:
        mine = studio.projects(studio.user(request))
        panel = state_of(mine.get(project), panel_id)
        for name, box in moved_boxes(panel, read_boxes(value)):
            mine.set_region(project, panel_id, name, box)
        return bump()

    @told
    def draw(request: gr.Request, project: str, seed: str, count: float, panel_id: str, *given: Any) -> list[Any]:
        user = studio.user(request)
        kept = text.keep(user, project, panel_id, *given)
        if seed.strip() and not seed.strip().isdecimal():
            raise UsageError(f"the seed is {seed!r}: write a whole number, or nothing for a new one")
        task = RedrawPanels((panel_id,), int(count), int(seed) if seed.strip() else None)
        return [*bar.submit(user, project, task), json.dumps(kept), bump()]

    @told
    def choose(request: gr.Request, project: str, panel_id: str, event: gr.EventData) -> Any:
        studio.projects(studio.user(request)).choose(project, panel_id, str(event.value))
        return bump()

    @told
    def throw_away(request: gr.Request, project: str, panel_id: str) -> Any:
        mine = studio.projects(studio.user(request))
        panel = state_of(mine.get(project), panel_id)
        others = [one.id for one in panel.candidates if panel.chosen is not None and one.id != panel.chosen.id]
        if panel.chosen is not None and others:
            mine.choose(project, panel_id, others[-1])
            mine.remove_candidate(project, panel_id, panel.chosen.id)
        return bump()

    @told
    def lock(request: gr.Request, project: str, panel_id: str, locked: bool) -> Any:
        studio.projects(studio.user(request)).lock(project, panel_id, locked)
        return bump()

    @told
    def pose_after(request: gr.Request, project: str, panel_id: str, path: str) -> Any:
        mine = studio.projects(studio.user(request))
        base = mine.get(project).choices.base
        if not may_pose(base):
            gr.Warning(
                f"base {base!r} has no pose ControlNet to follow a pose with: choose another base in the tab Story"
            )
            return None
        mine.set_pose(project, panel_id, encode_png(open_picture(path)))
        return gr.skip()

    @told
    def pose_freely(request: gr.Request, project: str, panel_id: str) -> None:
        studio.projects(studio.user(request)).set_pose(project, panel_id, None)

    @told
    def map_it(request: gr.Request, project: str, panel_id: str, mapped: bool) -> Any:
        user = studio.user(request)
        return sight(user, studio.projects(user).get(project), panel_id, mapped)[sights.index(editor)]

    here = [opened.project, whose]
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    editor.input(place, [*here, editor], [opened.tick], trigger_mode="always_last", **quiet)
    mapped.input(map_it, [*here, mapped], [editor], **quiet)
    pictures.select(choose, here, [opened.tick], **quiet)
    forget.click(throw_away, here, [opened.tick], **quiet)
    redraw.click(draw, [opened.project, seed, count, *text.fields], [*bar.outputs, text.answer, opened.tick], **quiet)
    locked.input(lock, [*here, locked], [opened.tick], **quiet)
    pose.upload(pose_after, [*here, pose], [pose], **quiet)
    pose.clear(pose_freely, here, None, **quiet)
    return Workbench((*text.outputs, *clothes.outputs), sights, whose, mapped, words, sight)


def state_of(project: Project, panel_id: str) -> PanelState:
    found = panel_of(project, panel_id)
    if found is None:
        raise NotFoundError("no panel is chosen: choose one of the strip above")
    return found


def maps_told(panel: PanelState) -> str:
    """Why there are no routing maps to show; nothing where there are some."""
    if panel.chosen is None:
        return "Once the panel is drawn, by the engine any-story."
    if panel.chosen.routes:
        return ""
    if panel.chosen.engine == "any-story":
        return "any-story had nobody to route in this panel, or its router was off."
    return f"{panel.chosen.engine} routes nobody: draw with any-story to see it."


def heading_of(panel: PanelState, number: int) -> str:
    chosen = panel.chosen
    drawn = f"{chosen.engine}, seed {chosen.seed}, {chosen.size[0]} × {chosen.size[1]}" if chosen else "not drawn yet"
    return f"### Panel {number} · {drawn}"
