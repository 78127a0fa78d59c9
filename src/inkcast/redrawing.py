"""A finished comic, changed without drawing all of it again: one panel, or only its pages and letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from inkcast.cast.names import name_key
from inkcast.comic import Stopwatch, draw_panels
from inkcast.drawing.choices import Drawing, Lora, Origin
from inkcast.drawing.easel import Easel, open_easel
from inkcast.drawing.enrolling import Shelf, enrol
from inkcast.drawing.folder import (
    SCRIPT,
    keep_routes,
    read_cast,
    read_panels,
    replacing_comic,
    write_pages,
    write_panels,
    write_pictures,
    write_records,
    write_routes,
)
from inkcast.drawing.masking import masked, read_masks
from inkcast.drawing.panel_settings import check_settings, idle_settings, people_of
from inkcast.drawing.planning import panel_seed, plan_panels, posing
from inkcast.drawing.record import ComicRecord, page_record, panel_record, read_record
from inkcast.errors import StoryError
from inkcast.events import Note, Report, unheard
from inkcast.files import shown
from inkcast.page.export import rehearse
from inkcast.page.layout import PageOptions, arrange
from inkcast.story.script import Script, load_script


def redraw_panel(
    folder: Path,
    number: int,
    *,
    seed: int | None = None,
    description: str = "",
    report: Report = unheard,
    easel: Callable[[Drawing, Report], Easel] = open_easel,
    shelf: Shelf | None = None,
) -> int:
    """Draws panel `number` (from 1) of the comic in `folder` again, with its own words and the comic's choices.

    Args:
        seed: of the panel; by default a new one that follows from the old.
        description: what the panel shall show instead.
        shelf: where identities are kept between comics.

    Returns:
        The seed it was drawn with, which the script keeps.

    Raises:
        StoryError: there is no such panel, the script has more or fewer than the comic, the description is blank, or a
            setting will not do.
    """
    watch = Stopwatch()
    record, cast = read_record(folder), read_cast(folder, read_record(folder))
    script, panels = fitting_script(folder / SCRIPT, record), list(read_panels(folder, record))
    if not 1 <= number <= len(panels):
        raise StoryError(f"the comic has no panel {number}: choose one from 1 to {len(panels)}")
    index, written = number - 1, (folder / SCRIPT).read_text("utf-8-sig")
    chosen = seed if seed is not None else panel_seed(record.panels[index].seed, index)
    script = with_panel(script, index, chosen, description)
    masks = read_masks(script)
    check_settings(script, cast, record.drawing.engine)
    page = page_options(record, folder)
    pages = arrange(script, page)
    rehearse(script, pages, page)
    routed = (folder / f"routes-{number:02}.png").exists()
    ready = easel(replace(recorded_drawing(record), save_routes=routed), report)
    note_changes(record, ready.origin, report)
    for note in idle_settings([(number, script.panels[index])], people_of(cast), ready.drawing.engine):
        report(Note(note))
    plan = masked(posing(plan_panels(script, pages, cast, ready), script), masks)[index : index + 1]
    ready.check(plan)
    watch.lap("load")
    identities = enrol(ready, plan, cast, report, shelf)
    watch.lap("cast")
    (painted,) = draw_panels(ready, plan, identities, report)
    watch.lap("panels")
    panels[index] = painted.panel
    kept = list(record.panels)
    kept[index] = panel_record(plan[0], painted.panel)
    changed = record.model_copy(update={"panels": tuple(kept)})
    with replacing_comic(folder, overwrite=True) as target:
        write_pages(target, write_pictures(target, script), panels, pages, page, written=written)
        watch.lap("pages")
        write_panels(target, panels, cast, changed)
        keep_routes(folder, target, but=number)
        write_routes(target, [painted], first=number)
        write_records(target, changed, watch.laps)
    return chosen


def letter_again(folder: Path, script: Path | None, changes: Mapping[str, Any]) -> None:
    """Lays out and letters the comic in `folder` again, from `script` or the comic's own, drawing nothing.

    Args:
        changes: page options by name that differ from those the comic has.

    Raises:
        StoryError: the script has more or fewer panels than the comic.
    """
    watch = Stopwatch()
    record = read_record(folder)
    cast, panels = read_cast(folder, record), read_panels(folder, record)
    drawn_from = fitting_script(folder / SCRIPT, record)
    words = placed_like(fitting_script(script, record), drawn_from) if script else drawn_from
    written = (script or folder / SCRIPT).read_text("utf-8-sig")
    options = replace(page_options(record, folder), **changes)
    changed = record.model_copy(update={"title": words.title, "page": page_record(options)})
    with replacing_comic(folder, overwrite=True) as target:
        write_pages(target, write_pictures(target, words), panels, arrange(words, options), options, written=written)
        watch.lap("pages")
        write_panels(target, panels, cast, changed)
        keep_routes(folder, target)
        write_records(target, changed, watch.laps)


def fitting_script(path: Path, record: ComicRecord) -> Script:
    script = load_script(path)
    if len(script.panels) != len(record.panels):
        raise StoryError(
            f"{shown(path)} has {len(script.panels)} panels but the comic has {len(record.panels)}: "
            "draw it anew with  inkcast make"
        )
    return script


def placed_like(script: Script, drawn_from: Script) -> Script:
    """The script with the poses and masks that the comic was drawn after."""
    panels = []
    for panel, drawn in zip(script.panels, drawn_from.panels, strict=True):
        masks = {name_key(one.name): one.mask for one in drawn.characters}
        characters = tuple(
            one.model_copy(update={"mask": masks.get(name_key(one.name), "")}) for one in panel.characters
        )
        panels.append(panel.model_copy(update={"pose": drawn.pose, "characters": characters}))
    return script.model_copy(update={"panels": tuple(panels)})


def with_panel(script: Script, index: int, seed: int, description: str) -> Script:
    """The script with one panel's seed, and its description where one is given; raises StoryError for a blank one."""
    if description and not description.strip():
        raise StoryError("the new description is blank: write what the panel shall show")
    panels = list(script.panels)
    words = {"description": description} if description else {}
    panels[index] = panels[index].model_copy(update={"seed": seed, **words})
    return script.model_copy(update={"panels": tuple(panels)})


def page_options(record: ComicRecord, folder: Path) -> PageOptions:
    """The page options of the comic in `folder`."""
    template = folder / record.page.template if record.page.template else None
    return PageOptions(**{**record.page.model_dump(), "template": template})


def recorded_drawing(record: ComicRecord) -> Drawing:
    """The choices a comic was drawn with."""
    loras = tuple(Lora(Path(lora.file), lora.scale) for lora in record.drawing.loras)
    return Drawing(**{**record.drawing.model_dump(), "loras": loras})


def note_changes(record: ComicRecord, origin: Origin, report: Report) -> None:
    """Says so where the panel will not come from the weights that drew the others."""
    if record.weights.base != origin.base or record.weights.engine != origin.engine:
        report(
            Note("the weights have changed since this comic was drawn: the panel may differ in manner from the others")
        )
