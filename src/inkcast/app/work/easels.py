"""What a worker has loaded: one easel for each base, engine and precision, kept from job to job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from inkcast.drawing.choices import Drawing
from inkcast.events import Report, unheard

if TYPE_CHECKING:
    from inkcast.app.work.previews import LatentColours
    from inkcast.drawing.easel import BaseEasel, Easel

KEPT = 1  # loaded bases; a second beside it would seldom fit a GPU


class Easels(Protocol):
    """Where drawing begins; `glimpse` hears of small PNG files of the picture as it forms."""

    def get(self, drawing: Drawing, report: Report, glimpse: Callable[[bytes], None]) -> Easel: ...

    def free(self) -> None:
        """Lets go of all that is loaded."""
        ...


@dataclass
class LoadedEasels:
    """Loads what is not loaded yet. Another choice of style, steps or seed loads nothing anew.

    What is loaded outlives the job that it was loaded for: it reports to whoever asked last.
    """

    _loaded: dict[tuple[Any, ...], tuple[BaseEasel, LatentColours]] = field(default_factory=dict)
    _report: Report = unheard

    def get(self, drawing: Drawing, report: Report, glimpse: Callable[[bytes], None]) -> Easel:
        from inkcast.app.work.previews import fit_colours
        from inkcast.drawing.easel import open_easel

        self._report = report
        key = (drawing.base, drawing.engine, drawing.device, drawing.dtype, drawing.low_vram, drawing.loras)
        if key not in self._loaded:
            if len(self._loaded) >= KEPT:
                self.free()
            easel = open_easel(drawing, lambda event: self._report(event))
            self._loaded[key] = easel, fit_colours(easel.base)
        easel, colours = self._loaded[key]
        # Maps of who acted where come with any-story alone; saving them does not change the picture.
        wanted = replace(drawing, save_routes=easel.engine.name == "any-story")
        last = -1

        def see(step: Any) -> None:
            nonlocal last
            every = max(step.steps // 6, 1)
            if step.index // every != last:
                last = step.index // every
                glimpse(colours.preview(step))

        return easel.turned_to(wanted, report, see)

    def free(self) -> None:
        self._loaded.clear()
        import gc

        import torch

        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
