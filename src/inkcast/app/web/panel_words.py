"""A panel's words: what it shows and says, lettered as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from inkcast.app.context import Studio, User
from inkcast.app.project import Project
from inkcast.app.web.lettering import pages_html
from inkcast.app.web.opened import Opened, bump, unseen
from inkcast.app.web.panel_facts import edited, merged, number_of, panel_of, words_on_form
from inkcast.app.web.told import told
from inkcast.errors import InkcastError

Answer = dict[str, Any]
TAKE = """(told, whose, held, ...words) => {
  const answer = told ? JSON.parse(told) : {};
  if (answer.of !== whose) return [whose, held, ...words];
  const taken = words.map((word, at) => word === answer.given[at] ? answer.now[at] : word);
  return [whose, JSON.stringify(answer.held), ...taken];
}"""
"""Takes an answer where its panel is still on the form, but for words that were written meanwhile."""


@dataclass(frozen=True)
class PanelWords:
    """`outputs` take what `show` makes of a panel. `keep` saves what the `fields` hold; its answer, for the component
    `answer`, becomes the fields' values if they are still of that panel. The first field, `whose`, says its id.
    """

    whose: Any
    answer: Any
    outputs: tuple[Any, ...]
    fields: tuple[Any, ...]
    show: Callable[[User, Project, str], list[Any]]
    keep: Callable[..., Answer]


def panel_words(studio: Studio, opened: Opened) -> PanelWords:
    shows = gr.Textbox(value="", label="Shows", lines=2, elem_id="panel-shows")
    who = gr.Textbox(value="", label="Who", info="Names by semicolon; an action in brackets", elem_id="panel-who")
    dialogue = gr.Textbox(
        value="",
        label="Dialogue",
        lines=2,
        placeholder="Ann Lee: Come in!\nRolf (whisper): Hush",
        elem_id="panel-dialogue",
    )
    with gr.Row():
        caption = gr.Textbox(value="", label="Caption", min_width=140, elem_id="panel-caption")
        effects = gr.Textbox(
            value="", label="Sound effects", placeholder="WHOOSH", min_width=120, elem_id="panel-effects"
        )
    save = gr.Button("Save the words", size="sm", elem_id="panel-save")
    with gr.Accordion("Its page, lettered", open=False, elem_id="panel-lettered") as accordion:
        page = gr.HTML(elem_id="panel-page")
    words = (shows, who, dialogue, caption, effects)
    whose = unseen("panel-words-of")
    held = unseen("panel-words-held")  # what the words were when they were put on the form
    fields = (whose, held, *words)
    answer = unseen("panel-words-answer")

    def show(user: User, project: Project, panel_id: str) -> list[Any]:
        panel = panel_of(project, panel_id)
        found = ("",) * len(words) if panel is None else words_on_form(panel.script)
        return [panel_id, json.dumps(found), *found, ""]

    def keep(user: User, project: str, panel_id: str, held: str, *given: str) -> Answer:
        mine = studio.projects(user)
        panel = mine.get(project).panels[number_of(mine.get(project), panel_id) - 1].script
        changed = edited(panel, *merged(json.loads(held), given, words_on_form(panel)))
        if changed != panel:
            mine.set_panel(project, panel_id, changed)
        return answer_of(panel_id, given, words_on_form(changed))

    def lettered(user: User, project_id: str, panel_id: str, *given: str) -> str:
        mine = studio.projects(user)
        project = mine.get(project_id)
        index = number_of(project, panel_id) - 1
        panels = list(project.script.panels)
        panels[index] = edited(panels[index], *given)
        script = project.script.model_copy(update={"panels": tuple(panels)})
        return pages_html(script, mine.drawn(project_id), project, only=index)

    @told
    def keep_words(request: gr.Request, project: str, panel_id: str, *given: str) -> list[Any]:
        user = studio.user(request)
        kept = keep(user, project, panel_id, *given)
        return [json.dumps(kept), lettered(user, project, panel_id, *kept["now"]), bump()]

    @told
    def follow(request: gr.Request, project: str, panel_id: str, held: str, *given: str) -> Any:
        """Words that changed in another tab or window, where nobody is writing others."""
        panel = panel_of(studio.projects(studio.user(request)).get(project), panel_id)
        before = json.loads(held or "[]")
        now = before if panel is None else words_on_form(panel.script)
        if list(now) == before:
            return gr.skip()
        free = [new in (old, current) for new, old, current in zip(given, before, now, strict=True)]
        base = [current if each else old for each, old, current in zip(free, before, now, strict=True)]
        wanted = [current if each else new for each, new, current in zip(free, given, now, strict=True)]
        return json.dumps(answer_of(panel_id, given, wanted, base))

    @told
    def letter(request: gr.Request, project: str, panel_id: str, *given: str) -> str:
        return lettered(studio.user(request), project, panel_id, *given)

    def letter_while_typing(request: gr.Request, project: str, panel_id: str, *given: str) -> Any:
        """Half-typed words may be no panel yet: then the page stays as it is."""
        try:
            return lettered(studio.user(request), project, panel_id, *given)
        except InkcastError:
            return gr.skip()

    here = [opened.project, whose, *words]
    whole = [opened.project, *fields]
    answer.change(None, [answer, *fields], list(fields), js=TAKE)
    opened.tick.change(follow, whole, [answer], show_progress="hidden", trigger_mode="always_last")
    save.click(keep_words, whole, [answer, page, opened.tick], show_progress="hidden")
    accordion.expand(letter, here, [page], show_progress="hidden")
    for field in (dialogue, caption, effects):
        field.input(letter_while_typing, here, [page], show_progress="hidden", trigger_mode="always_last")
    return PanelWords(whose, answer, (*fields, page), fields, show, keep)


def answer_of(panel_id: str, given: Sequence[str], now: Sequence[str], held: Sequence[str] | None = None) -> Answer:
    """What `TAKE` takes: whose words were `given`, what they are `now`, and what they are `held` to have been."""
    return {"of": panel_id, "given": list(given), "now": list(now), "held": list(now if held is None else held)}
