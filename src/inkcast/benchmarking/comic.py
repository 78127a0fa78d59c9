"""How long the parts of a comic take here."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from inkcast.benchmarking.panels import stand_in
from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.drawing.choices import Drawing
from inkcast.drawing.easel import Easel, open_easel
from inkcast.drawing.planning import PlannedPanel, plan_panels
from inkcast.events import Report, unheard
from inkcast.page.export import write_comic
from inkcast.page.layout import PageOptions, arrange
from inkcast.page.panel import DrawnPanel
from inkcast.story.script import Panel, Presence, Script

PEOPLE = 3


@dataclass
class Clock:
    """Seconds by name; several laps of one name are kept and told as their median."""

    laps: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.laps.setdefault(name, []).append(time.perf_counter() - start)

    def medians(self) -> dict[str, float]:
        return {name: round(statistics.median(laps), 4) for name, laps in self.laps.items()}


def measure(
    drawing: Drawing,
    *,
    rounds: int = 3,
    report: Report = unheard,
    easel: Callable[[Drawing, Report], Easel] = open_easel,
) -> dict[str, float]:
    """Seconds, medians over `rounds`.

    "load", "encode" (one character), "condition N", "draw N" and "step N" (a panel with N characters: its conditioning,
    all of its sampling, one step of that) for N from 0 to `PEOPLE`, "page" (lettering those panels and writing a PDF).
    """
    clock = Clock()
    with clock.lap("load"):
        ready = easel(drawing, report)
    cast = tuple(stand_in(number) for number in range(PEOPLE))
    script = Script(panels=tuple(scene(cast[:count]) for count in range(PEOPLE + 1)))
    pages = arrange(script, PageOptions())
    planned = plan_panels(script, pages, cast, ready)
    plan = [replace(panel, size=(ready.side, ready.side)) for panel in planned]  # so that their times compare
    drawn: list[DrawnPanel] = []
    for _ in range(rounds):
        identities = {}
        for character in cast:
            with clock.lap("encode"):
                identities[character.id] = ready.engine.encode(character)
        with ready.engine.active():
            drawn = [draw_one(ready, panel, identities, clock) for panel in plan]
        with TemporaryDirectory() as folder, clock.lap("page"):
            write_comic(script, drawn, pages, Path(folder) / "comic.pdf", PageOptions())
    return clock.medians()


def draw_one(easel: Easel, panel: PlannedPanel, identities: Mapping[CharacterId, Identity], clock: Clock) -> DrawnPanel:
    people = len(panel.prompt.members)
    with clock.lap(f"condition {people}"):
        conditioning = easel.engine.condition(panel.prompt, identities, panel.style)
    times: list[float] = []
    with clock.lap(f"draw {people}"):
        painted = easel.draw(conditioning, panel, lambda step: times.append(time.perf_counter()))
    steps = [later - earlier for earlier, later in pairwise(times)]
    if steps:
        clock.laps.setdefault(f"step {people}", []).append(statistics.median(steps))
    return painted.panel


def scene(cast: tuple[Character, ...]) -> Panel:
    who = " and ".join(character.name for character in cast) or "a tree"
    return Panel(description=f"{who} in the park", characters=tuple(Presence(name=one.name) for one in cast))
