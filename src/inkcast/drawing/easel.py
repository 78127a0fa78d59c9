"""What stands ready to draw: a base with an engine on it, chosen by a `Drawing`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from inkcast.assets import TOON_GUIDANCE
from inkcast.drawing.choices import Drawing, Origin
from inkcast.drawing.enrolling import sight_of
from inkcast.drawing.planning import PlannedPanel
from inkcast.drawing.routes import Painted, RouteMaps
from inkcast.engines.registry import DEFAULT, ENGINES, engine_info, load_engine
from inkcast.errors import BaseModelError, EngineError, PictureError, UsageError
from inkcast.events import Note, Report, unheard
from inkcast.page.panel import DrawnPanel, Figure

if TYPE_CHECKING:
    from PIL import Image

    from inkcast.drawing.figures import Finder
    from inkcast.drawing.posing import Poser
    from inkcast.engines.engine import Conditioning, Engine
    from inkcast.sampling.sampler import DrawSettings, Step
    from inkcast.sdxl.backbone import Backbone

DTYPES = ("auto", "float32", "bfloat16", "float16")


class Easel(Protocol):
    """`drawing` says how it draws, with all that was left open filled in."""

    @property
    def drawing(self) -> Drawing: ...

    @property
    def engine(self) -> Engine: ...

    @property
    def side(self) -> int:
        """The side in pixels of the square pictures its base was trained on."""
        ...

    @property
    def toon(self) -> bool:
        """Whether its base knows the drawn world only."""
        ...

    @property
    def origin(self) -> Origin: ...

    @property
    def sight(self) -> tuple[str, ...]:
        """What looks at references beside the engine's own weights."""
        ...

    def check(self, plan: Sequence[PlannedPanel]) -> None:
        """Refuses a plan that it cannot draw, before anything is drawn."""
        ...

    def draw(self, conditioning: Conditioning, panel: PlannedPanel, step: Callable[[int], None]) -> Painted:
        """One picture, inside `engine.active()`; `step` hears the number of finished steps, and stops it by raising."""
        ...


@dataclass(frozen=True)
class BaseEasel:
    """The easel over a loaded base; `report` hears of what the base lacks for finding figures, `glimpse` of the picture
    as it forms, after each step. `loras` are the digests of those loaded into the base.
    """

    base: Backbone
    engine: Engine
    drawing: Drawing
    report: Report = unheard
    glimpse: Callable[[Step], None] | None = None
    loras: tuple[str, ...] = ()

    def turned_to(
        self, drawing: Drawing, report: Report = unheard, glimpse: Callable[[Step], None] | None = None
    ) -> BaseEasel:
        """The same base and engine with other choices of drawing; what was loaded with the first panel stays loaded."""
        other = replace(
            self, drawing=settled(drawing, self.engine, self.base), report=report, glimpse=glimpse or self.glimpse
        )
        for name in ("_finder", "_poser"):
            if name in self.__dict__:
                other.__dict__[name] = self.__dict__[name]
        return other

    @property
    def side(self) -> int:
        return self.base.side

    @property
    def toon(self) -> bool:
        return self.base.toon

    @property
    def origin(self) -> Origin:
        return Origin(self.base.family, self.base.digest, str(getattr(self.engine, "digest", "")), self.loras)

    @property
    def sight(self) -> tuple[str, ...]:
        return sight_of(self.base)

    def check(self, plan: Sequence[PlannedPanel]) -> None:
        from inkcast.engines.engine import Charting, Refusing

        name = self.engine.name
        if self.drawing.save_routes and not isinstance(self.engine, Charting):
            raise EngineError(f"{name} routes nothing to save: leave out --save-routes, or use any-story")
        for panel in plan:
            try:
                if isinstance(self.engine, Refusing):
                    self.engine.refuse(panel.prompt)
                if panel.pose is not None:
                    self._poser.check(panel.pose)
            except (EngineError, PictureError, BaseModelError) as error:
                raise type(error)(f"panel {panel.index + 1}: {error}") from error

    def draw(self, conditioning: Conditioning, panel: PlannedPanel, step: Callable[[int], None]) -> Painted:
        from inkcast.engines.engine import Charting
        from inkcast.sampling.sampler import DrawSettings, draw

        width, height = panel.size
        settings = DrawSettings(
            size=(height, width),
            steps=self.drawing.steps,
            guidance=self.drawing.guidance or 0.0,
            scheduler=self.drawing.scheduler,
            seed=panel.seed,
        )
        routes = RouteMaps()
        routed = self.engine if self.drawing.save_routes and isinstance(self.engine, Charting) else None
        chart = None if routed is None else routed.chart(self.drawing.routes_at)

        def on_step(done: Step) -> None:
            height, width = done.latents.shape[-2:]
            routes.collect(done.trace.routing, (height, width))
            if chart is not None:
                chart.see(done.index, done.steps, done.trace, (height, width))
            if self.glimpse is not None:
                self.glimpse(done)
            step(done.index + 1)

        pose = None if panel.pose is None else self._poser.follow(panel.pose, panel.size)
        (picture,) = draw(self.base, conditioning, settings, control=pose, on_step=on_step)
        drawn = DrawnPanel(picture, self._figures(picture, panel, routes))
        saved = routes.mean if self.drawing.save_routes else None
        if self.drawing.save_routes and panel.prompt.members and saved is None:
            self.report(Note(f"panel {panel.index + 1} was drawn without the router: it has no routing map to save"))
        return Painted(drawn, saved, None if chart is None or saved is None else chart.picture())

    def _figures(self, picture: Image.Image, panel: PlannedPanel, routes: RouteMaps) -> tuple[Figure, ...]:
        members = panel.prompt.members
        if not members or self._finder is None:
            return routes.figures(members, picture.size)
        return self._finder.locate(picture, panel, routes)

    @cached_property
    def _finder(self) -> Finder | None:
        """Loaded with the first panel that shows somebody; None, said once, where the base brings no detector."""
        from inkcast.drawing.figures import Finder, find_sights

        sights = find_sights(self.base)
        if sights is None:
            self.report(
                Note(
                    f"base {self.base.name!r} has nothing to find people with (detector/ and image_encoder/, or faces/ "
                    "for insightface): balloons point only at whom a box, a mask or the engine's routing places"
                )
            )
            return None
        return Finder(sights)

    @cached_property
    def _poser(self) -> Poser:
        from inkcast.drawing.posing import Poser

        return Poser(self.base)


def open_easel(drawing: Drawing, report: Report) -> BaseEasel:
    """Loads the base and the engine.

    Raises:
        UsageError: an unknown precision.
        InkcastError: the base, the engine, a LoRA or a device is not there.
    """
    if drawing.dtype not in DTYPES:
        raise UsageError(f"unknown precision {drawing.dtype!r}: use one of {', '.join(DTYPES)}")

    from inkcast.sampling.schedulers import make_scheduler
    from inkcast.sdxl.backbone import load_backbone
    from inkcast.sdxl.loras import load_loras

    base = load_backbone(
        drawing.base,
        device=drawing.device,
        dtype=_precision(drawing),
        low_vram=drawing.low_vram,
    )
    name = drawing.engine or default_engine(base, report)
    if drawing.scheduler:
        make_scheduler(drawing.scheduler, base.pipeline.scheduler)  # refuses an unknown name before anything slow
    loras = load_loras(base, [(lora.file, lora.scale) for lora in drawing.loras])
    engine = load_engine(name, base, report=report)
    choices = settled(drawing, engine, base)
    absent = next((step for step in choices.routes_at if not 1 <= step <= choices.steps), None)
    if absent is not None:
        raise UsageError(f"routing maps were asked for at step {absent}: choose from 1 to {choices.steps}")
    return BaseEasel(base, engine, choices, report, loras=loras)


def _precision(drawing: Drawing) -> str:
    """What was asked for, or what the engine needs; "auto" leaves it to the base."""
    from inkcast.sdxl.backbone import choose_device

    exact = drawing.dtype == "auto" and engine_info(drawing.engine or DEFAULT).exact
    return "float32" if exact and choose_device(drawing.device).type == "cpu" else drawing.dtype


def settled(drawing: Drawing, engine: Engine, base: Backbone) -> Drawing:
    """The choices with all that was left open filled in."""
    settings = usual(engine, base)
    return replace(
        drawing,
        engine=engine.name,
        steps=drawing.steps or settings.steps,
        guidance=settings.guidance if drawing.guidance is None else drawing.guidance,
        scheduler=drawing.scheduler or settings.scheduler,
        device=str(base.device),
        dtype=str(base.dtype).removeprefix("torch."),
    )


def usual(engine: Engine | None, base: Backbone) -> DrawSettings:
    """The engine's published steps, scheduler and guidance where it names them; on a toon base its guidance there.

    None draws by words alone.
    """
    from inkcast.sampling.sampler import DrawSettings

    settings = DrawSettings(size=(base.side, base.side))
    if base.toon:
        return replace(settings, guidance=getattr(engine, "toon_guidance", TOON_GUIDANCE))
    return replace(
        settings,
        steps=getattr(engine, "steps", settings.steps),
        scheduler=getattr(engine, "scheduler", settings.scheduler),
        guidance=getattr(engine, "guidance", settings.guidance),
    )


def default_engine(base: Backbone, report: Report) -> str:
    """any-story, or where the base has no weights for it, with a note, the first engine that it has."""
    ready = [info.name for info in ENGINES if base.family in info.families and not info.missing(base.folder)]
    if DEFAULT in ready:
        return DEFAULT
    if not ready:
        raise EngineError(f"base {base.name!r} has weights for no engine: see  inkcast engines --base {base.name}")
    report(Note(f"base {base.name!r} has no weights for {DEFAULT}: drawing with {ready[0]}"))
    return ready[0]
