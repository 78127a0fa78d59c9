"""Jobs to test: easels that are quick and keep a journal of what they draw, and workers as processes to be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.app.studio_kit import portrait
from tests.easel_fake import FakeEasel

from inkcast.app.jobs import Jobs
from inkcast.app.projects import Projects
from inkcast.app.store import AppStore
from inkcast.app.worker import Worker
from inkcast.cast.database import Database
from inkcast.cast.record import CharacterRecord, ReferenceRecord
from inkcast.cast.store import CastLibrary
from inkcast.drawing.choices import Drawing
from inkcast.drawing.planning import PlannedPanel
from inkcast.drawing.routes import Painted
from inkcast.engines.engine import Conditioning
from inkcast.events import Report

ROOT = Path(__file__).parents[2]
STORY = "Ann waves. Rolf jumps in the park. Ann and Rolf sit. Ann sleeps. Rolf waves at night."


class JournalEasel(FakeEasel):
    """A fake easel that writes the seed of each panel it begins into a file, and calls `meddle` in every step."""

    def __init__(self, drawing: Drawing, journal: Path, meddle: Callable[[int], None]) -> None:
        super().__init__(drawing)
        self.journal, self.meddle = journal, meddle

    def draw(self, conditioning: Conditioning, panel: PlannedPanel, step: Callable[[int], None]) -> Painted:
        with self.journal.open("a") as stream:
            stream.write(f"{panel.seed}\n")

        def meddled(number: int) -> None:
            self.meddle(number)
            step(number)

        return super().draw(conditioning, panel, meddled)


class JournalEasels:
    """Opened once for each base and engine, as a worker's own are."""

    def __init__(self, journal: Path, meddle: Callable[[int], None] = lambda number: None) -> None:
        self.journal, self.meddle = journal, meddle
        self.opened: list[str] = []
        self._easel: JournalEasel | None = None
        self.encoded: tuple[str, ...] = ()  # names, so far

    def get(self, drawing: Drawing, report: Report, glimpse: Callable[[bytes], None]) -> JournalEasel:
        if self._easel is None or self._easel.drawing.base != drawing.base:
            self.opened.append(drawing.base)
            self._easel = JournalEasel(drawing, self.journal, self.meddle)
        self._easel.drawing = replace(FakeEasel(drawing).drawing)
        glimpse(portrait(side=16))
        return self._easel

    def free(self) -> None:
        if self._easel is not None:
            calls = self._easel.engine.calls
            self.encoded += tuple(name.removeprefix("encode ") for name in calls if name.startswith("encode "))
        self._easel = None


def drawn_seeds(home: Path) -> list[int]:
    """The seeds of all panels that were begun, in order."""
    journal = home / "journal"
    return [int(line) for line in journal.read_text().split()] if journal.exists() else []


class Desk:
    """An owner's projects, jobs and library in `home`, or in PostgreSQL."""

    def __init__(self, home: Path, url: str = "", owner: str = "local") -> None:
        self.home, self.url, self.owner = home, url, owner
        self.store = AppStore(url, home)
        self.library = CastLibrary(Database(url, home))
        self.projects = Projects(self.store, owner)
        self.jobs = Jobs(self.store, owner, self.library)

    def cast(self) -> tuple[str, ...]:
        """Two characters in the library."""
        colours = {"Ann": ("red", "she"), "Rolf": ("blue", "he")}
        self.library.add(
            extending=[
                CharacterRecord(name, pronouns=pronouns, references=(ReferenceRecord(portrait(colour)),))
                for name, (colour, pronouns) in colours.items()
            ]
        )
        return tuple(colours)

    def project(self, story: str = STORY, **drawing: object) -> str:
        made = self.projects.create("Test", story, cast=self.cast(), drawing={"steps": 4, **drawing}, page={"dpi": 40})
        return made.id

    def work(self, meddle: Callable[[int], None] = lambda number: None) -> JournalEasels:
        """A worker in this process, until the queue is empty."""
        easels = JournalEasels(self.home / "journal", meddle)
        Worker(self.url, self.home, easels=easels, once=True, report=lambda line: None).run()
        return easels

    def close(self) -> None:
        self.store.close()


def worker_process(home: Path, url: str = "", *, base: str = "fake", pace: float = 0.0) -> subprocess.Popen[bytes]:
    """A worker as a process; it ends when the queue is empty. `pace` are seconds that each sampling step takes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.app.jobs_kit", str(home), url, base, str(pace)]
    return subprocess.Popen(command, cwd=ROOT, env=environment)


def main(home: Path, url: str, base: str, pace: float) -> None:
    import time

    easels = None if base == "toon" else JournalEasels(home / "journal", lambda number: time.sleep(pace))
    Worker(url, home, easels=easels, once=True, report=print).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]))
