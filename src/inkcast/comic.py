"""A story becomes a comic: the whole way in one function, `draw_comic`, and its stages below it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.drawing.choices import Drawing
from inkcast.drawing.easel import Easel, open_easel
from inkcast.drawing.enrolling import Shelf, enrol
from inkcast.drawing.folder import (
    check_target,
    is_file,
    replacing_comic,
    write_pages,
    write_panels,
    write_pictures,
    write_records,
    write_routes,
)
from inkcast.drawing.masking import masked, read_masks
from inkcast.drawing.panel_settings import idle_settings, people_of
from inkcast.drawing.planning import PlannedPanel, plan_panels, posing
from inkcast.drawing.reading import as_script, with_poses
from inkcast.drawing.record import make_record
from inkcast.drawing.routes import Painted
from inkcast.errors import UsageError
from inkcast.events import Note, Progress, Report, unheard
from inkcast.files import shown
from inkcast.page.export import rehearse
from inkcast.page.layout import PageOptions, arrange
from inkcast.story.script import Script


def draw_comic(
    story: str | Script,
    cast: Sequence[Character],
    drawing: Drawing,
    out: Path,
    *,
    page: PageOptions | None = None,
    overwrite: bool = False,
    report: Report = unheard,
    easel: Callable[[Drawing, Report], Easel] = open_easel,
    shelf: Shelf | None = None,
) -> Path:
    """Draws the comic of a story and writes it to `out`, whole or not at all.

    Args:
        story: plain text, one sentence a panel, or a script.
        cast: who may be in it; names must differ.
        out: a folder gets comic.pdf, pages, panels, script.yaml, comic.json and run.json; a file (.pdf, .cbz, .epub,
            .png) the comic alone.
        overwrite: replace a comic that is there already.
        report: told of progress and notes; what it raises stops the drawing.
        easel: loads what draws.
        shelf: where identities are kept between comics, such as `LibraryShelf()`; by default each comic makes its own.

    Raises:
        InkcastError: says what is wrong; nothing at `out` is changed then.
    """
    watch, page = Stopwatch(), page or PageOptions()
    check_target(out, overwrite=overwrite)
    if drawing.save_routes and is_file(out):
        raise UsageError(f"{shown(out)} is a file, and routing maps are saved into a folder: give --out a folder")

    script, notes = as_script(story, cast, drawing.engine)
    script = with_poses(script, drawing.poses)
    masks = read_masks(script)
    pages = arrange(script, page)
    rehearse(script, pages, page)
    for note in notes:
        report(Note(note))
    ready = easel(drawing, report)
    for note in idle_settings(enumerate(script.panels, 1), people_of(cast), ready.drawing.engine):
        report(Note(note))
    plan = masked(posing(plan_panels(script, pages, cast, ready), script), masks)
    ready.check(plan)
    watch.lap("load")

    identities = enrol(ready, plan, cast, report, shelf)
    watch.lap("cast")

    painted = draw_panels(ready, plan, identities, report)
    watch.lap("panels")

    with replacing_comic(out, overwrite=overwrite) as target:
        drawn = [each.panel for each in painted]
        script = write_pictures(target, script) if target.is_dir() else script
        write_pages(target, script, drawn, pages, page)
        watch.lap("pages")
        if target.is_dir():
            record = make_record(script, page, cast, ready.drawing, ready.origin, plan, drawn)
            write_panels(target, drawn, cast, record)
            write_routes(target, painted)
            write_records(target, record, watch.laps)
    return out


def draw_panels(
    easel: Easel, plan: Sequence[PlannedPanel], identities: Mapping[CharacterId, Identity], report: Report
) -> tuple[Painted, ...]:
    """Conditions and draws each panel in turn, the engine active all the while."""
    steps = easel.drawing.steps
    painted = []
    with easel.engine.active():
        for number, panel in enumerate(plan):

            def progress(step: int, before: int = number * steps) -> None:
                report(Progress("panels", before + step, len(plan) * steps))

            progress(0)
            conditioning = easel.engine.condition(panel.prompt, identities, panel.style)
            painted.append(easel.draw(conditioning, panel, progress))
    report(Progress("panels", len(plan) * steps, len(plan) * steps))
    return tuple(painted)


@dataclass
class Stopwatch:
    """Seconds of each stage, by name."""

    laps: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage], self._since = round(now - self._since, 3), now
