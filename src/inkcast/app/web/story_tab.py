"""The story: text in, a script out as a table, and the choices of how it will be drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from inkcast.app.context import Studio, User
from inkcast.app.project import Project
from inkcast.app.web.cards import cards, cards_value
from inkcast.app.web.cast_tab import cast_names
from inkcast.app.web.opened import Opened, bump, unseen
from inkcast.app.web.script_rows import (
    EDITABLE,
    HEADERS,
    extended,
    moved,
    rebased,
    rows_of,
    script_of,
    texts,
    without,
)
from inkcast.app.web.story_facts import engine_choices, licence_of, notes_on, read_again, read_story, warnings_of
from inkcast.app.web.styles import style_cards
from inkcast.app.web.told import told
from inkcast.errors import ConflictError


@dataclass(frozen=True)
class StoryTab:
    """`outputs` take what `show` makes of a project."""

    outputs: tuple[Any, ...]
    show: Callable[[User, Project], list[Any]]
    cast: Any


def story_tab(studio: Studio, opened: Opened) -> StoryTab:
    with gr.Row(elem_classes="ink-split"):
        with gr.Column(scale=5, min_width=300):
            gr.Markdown("### Story")
            cast = gr.CheckboxGroup(label="Who is in it", elem_id="story-cast")
            story = gr.Textbox(
                value="",
                label="The story",
                lines=11,
                max_lines=24,
                placeholder="Ann Lee is reading an old book in the library.\nRolf waves in his cave: “Come in!”",
                info="One sentence makes one panel; what is in quotation marks becomes a balloon",
                elem_id="story-text",
            )
            with gr.Accordion("Read by a language model instead of rules", open=False):
                model = gr.Textbox(
                    value="",
                    label="Language model",
                    placeholder="ollama:llama3.1",
                    info="PROVIDER:MODEL; its key is read from the studio's environment. Empty: offline rules",
                )
            write = gr.Button("Write the script", variant="primary", elem_id="story-write")
        with gr.Column(scale=4, min_width=300):
            gr.Markdown("### How it is drawn")
            engine = gr.Dropdown(label="Engine", elem_id="story-engine")
            licence = gr.HTML(elem_id="story-licence")
            styles = cards("Styles", "story-styles", "ink-styles")
            with gr.Accordion("More about drawing", open=False, elem_id="story-more"):
                with gr.Row():
                    steps = gr.Number(
                        label="Steps",
                        info="0: as the engine has it",
                        precision=0,
                        minimum=0,
                        maximum=1000,
                        min_width=120,
                        elem_id="story-steps",
                    )
                    seed = gr.Number(
                        label="Seed of the comic",
                        info="Another one, other pictures",
                        precision=0,
                        minimum=0,
                        min_width=120,
                        elem_id="story-seed",
                    )
                negative = gr.Textbox(
                    value="", label="What to keep away from the pictures", placeholder="text, blurred"
                )
                base = gr.Textbox(
                    value="", label="Base", info="toon, a folder or a .safetensors file on the studio's machine"
                )
    gr.Markdown("### Script")
    warnings = gr.HTML(elem_id="story-warnings")
    table = gr.Dataframe(
        headers=HEADERS,
        datatype="str",
        type="array",
        column_count=len(HEADERS),
        static_columns=[0, len(HEADERS) - 1],
        column_widths=["56px", "230px", "120px", "190px", "190px", "90px", "80px", "80px", "150px"],
        wrap=True,
        interactive=True,
        show_label=False,
        label="The script: a row for each panel",
        elem_id="story-table",
        max_height=560,
    )
    held = unseen("story-table-held")  # the table as it was put there
    gr.Markdown(
        f"Edit any cell of {', '.join(EDITABLE)}: it is saved when you leave it. Who: names by semicolon, an action in "
        "brackets. Dialogue: a line each, `Ann (whisper): Hush`.",
        elem_classes="ink-note",
    )
    with gr.Row(elem_id="story-rows"):
        number = gr.Number(1, label="Panel", precision=0, minimum=0, min_width=80, elem_id="story-number")
        add = gr.Button("Add a panel after it", size="sm")
        up = gr.Button("Move up", size="sm")
        down = gr.Button("Move down", size="sm")
        drop = gr.Button("Delete it", size="sm", variant="stop")

    outputs = (cast, story, engine, licence, styles, steps, seed, negative, base, warnings, table, held)

    def show(user: User, project: Project) -> list[Any]:
        names = cast_names(studio, user)
        notes = notes_on(studio, user, project, read_again(studio, user, project))
        shown = rows_of(project.script, notes[0])
        drawing = project.choices
        known = list(dict.fromkeys((*names, *project.cast)))
        return [
            gr.update(choices=known, value=list(project.cast)),
            project.story,
            gr.update(choices=engine_choices(drawing.base), value=drawing.engine),
            licence_of(drawing.base, drawing.engine),
            cards_value(style_cards(), drawing.style),
            drawing.steps,
            drawing.seed,
            drawing.negative,
            drawing.base,
            warnings_of(notes, project),
            shown,
            json.dumps(shown),
        ]

    @told
    def keep_story(request: gr.Request, project: str, text: str) -> None:
        projects = studio.projects(studio.user(request))
        if projects.get(project).story != text:
            projects.set_story(project, text)

    @told
    def keep_cast(request: gr.Request, project: str, names: list[str]) -> Any:
        studio.projects(studio.user(request)).set_cast(project, names)
        return bump()

    @told
    def write_script(request: gr.Request, project: str, text: str, names: list[str], model: str) -> list[Any]:
        user = studio.user(request)
        projects = studio.projects(user)
        parsed = read_story(studio, user, text, names, model)
        projects.set_story(project, text)
        title = projects.get(project).script.title or parsed.script.title
        changed = projects.set_script(project, parsed.script.model_copy(update={"title": title}))
        notes = notes_on(studio, user, changed, parsed)
        shown = rows_of(changed.script, notes[0])
        return [warnings_of(notes, changed), shown, json.dumps(shown), bump()]

    @told
    def edit(request: gr.Request, project: str, cells: list[list[Any]], held: str) -> Any:
        projects = studio.projects(studio.user(request))
        before = projects.get(project).script
        try:
            after = script_of(rebased(cells, json.loads(held or "[]"), before), before)
        except ConflictError as error:
            gr.Warning(str(error), title="Not done", duration=20)
            return bump()  # which shows what there is
        if after != before:
            projects.set_script(project, after)
        return bump()

    @told
    def follow(request: gr.Request, project: str, cells: list[list[Any]]) -> list[Any]:
        """What changed here or in another tab: an old table would undo it with the next edit of a cell."""
        user = studio.user(request)
        now = studio.projects(user).get(project)
        notes = notes_on(studio, user, now, read_again(studio, user, now))
        wanted = rows_of(now.script, notes[0])
        return [warnings_of(notes, now), gr.skip() if texts(cells) == wanted else wanted, json.dumps(wanted)]

    def reorder(change: Callable[..., Any]) -> Any:
        @told
        def reordered(request: gr.Request, project: str, number: float) -> Any:
            projects = studio.projects(studio.user(request))
            projects.set_script(project, change(projects.get(project).script, int(number or 0)))
            return bump()

        return reordered

    def setting(name: str) -> Any:
        @told
        def keep(request: gr.Request, project: str, value: Any) -> None:
            studio.projects(studio.user(request)).set_drawing(project, **{name: 0 if value is None else value})

        return keep

    @told
    def choose_engine(request: gr.Request, project: str, base: str, name: str) -> str:
        studio.projects(studio.user(request)).set_drawing(project, engine=name)
        return licence_of(base, name)

    @told
    def choose_style(request: gr.Request, project: str, event: gr.EventData) -> None:
        studio.projects(studio.user(request)).set_drawing(project, style=str(event.value))

    @told
    def choose_base(request: gr.Request, project: str, name: str) -> list[Any]:
        from inkcast.app.allowed import check_base

        check_base(name.strip(), studio)
        offered = engine_choices(name.strip() or "toon")
        studio.projects(studio.user(request)).set_drawing(project, base=name.strip() or "toon")
        return [gr.update(choices=offered), licence_of(name.strip() or "toon", "")]

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    story.blur(keep_story, [opened.project, story], None, **quiet)
    cast.input(keep_cast, [opened.project, cast], [opened.tick], trigger_mode="always_last", **quiet)
    write.click(
        write_script,
        [opened.project, story, cast, model],
        [warnings, table, held, opened.tick],
        show_progress="minimal",
    )
    opened.tick.change(follow, [opened.project, table], [warnings, table, held], trigger_mode="always_last", **quiet)
    table.input(edit, [opened.project, table, held], [opened.tick], trigger_mode="always_last", **quiet)
    for button, change in (
        (add, lambda script, at: extended(script, at)),
        (up, lambda script, at: moved(script, at, max(at - 1, 1))),
        (down, lambda script, at: moved(script, at, min(at + 1, len(script.panels)))),
        (drop, without),
    ):
        button.click(reorder(change), [opened.project, number], [opened.tick], **quiet)
    engine.input(choose_engine, [opened.project, base, engine], [licence], **quiet)
    styles.select(choose_style, [opened.project], None, **quiet)
    base.blur(choose_base, [opened.project, base], [engine, licence], **quiet)
    steps.blur(setting("steps"), [opened.project, steps], None, **quiet)
    seed.blur(setting("seed"), [opened.project, seed], None, **quiet)
    negative.blur(setting("negative"), [opened.project, negative], None, **quiet)
    return StoryTab(outputs, show, cast)
