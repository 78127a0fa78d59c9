"""What a worker keeps loaded from job to job."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import inkcast.app.work.previews as previews_module
import inkcast.drawing.easel as easel_module
from inkcast.app.work.easels import LoadedEasels
from inkcast.drawing.choices import Drawing
from inkcast.events import Event, Note


def test_an_engine_that_outlives_its_job_reports_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    engines = []

    def opened(drawing: Drawing, report: Callable[[Event], None]) -> Any:
        engines.append(SimpleNamespace(name="any-story", report=report))
        return SimpleNamespace(engine=engines[-1], base=None, turned_to=lambda *_: None)

    monkeypatch.setattr(easel_module, "open_easel", opened)
    monkeypatch.setattr(previews_module, "fit_colours", lambda base: None)
    easels, first, second = LoadedEasels(), list[Event](), list[Event]()
    for heard in (first, second):
        easels.get(Drawing(), heard.append, lambda file: None)
        engines[0].report(Note(f"{len(engines)} loaded"))
    assert first == second == [Note("1 loaded")]
